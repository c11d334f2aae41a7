"""The playground in Chromium: seconds for a picture in wasm, memory over ten runs, and a photo of 12 megapixels.

    python benchmarks/browser.py [--pictures 512] [--runs 10] [--large 12] [--model edsr_small] [--scale 2]

Needs the built site (`make book`) and chromium. Memory is what all processes of the browser hold together, with
shared pages counted once (proportional set size), as Linux tells it. Exits with 1 when a bar of the course is missed:
10 s for 512 × 512 at ×2, and less than a tenth more memory in the last three runs than in the second to the fourth.
"""

import argparse
import functools
import io
import shutil
import statistics
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from srlib import images
from srlib.data import datasets
from srlib.resample import resize

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"
MOST_SECONDS = 10.0
DONE = "() => /^Done|^$/.test(document.querySelector('.playground-status').textContent)"


class Quiet(SimpleHTTPRequestHandler):
    """The standard handler without a line of log for each request."""

    def log_message(self, *_):
        pass


def photo(height: int, width: int) -> bytes:
    """A photograph enlarged to this size, as JPEG: a picture of that size with a photograph's smoothness."""
    picture = resize(datasets.photo("coffee"), size=(height, width)).clamp(0, 1)
    pixels = images.to_uint8(picture)[0].permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def megabytes() -> float:
    """What the browser's processes, which are this one's children, hold together."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            if "chrom" in process.name():
                total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def busy() -> float:
    """Processor seconds of the browser so far: what a run costs even where other programs take their share."""
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return sum(each.user + each.system for each in times)


def give(page: Page, content: bytes, name: str) -> None:
    page.set_input_files(".playground input[type=file]", {"name": name, "mimeType": "image/jpeg", "buffer": content})
    start = f"document.querySelector('.playground-status').textContent.startsWith('{name}')"
    page.wait_for_function(start, timeout=60_000)
    page.wait_for_selector(".playground-run:not([disabled])")


def run(page: Page, minutes: float) -> tuple[float, str]:
    """(seconds from the press of the button, the line that the page says)."""
    begun, work = time.perf_counter(), busy()
    page.click(".playground-run")
    page.wait_for_function(DONE, timeout=minutes * 60_000)
    said = page.inner_text(".playground-status") or page.inner_text(".playground-alert")
    return time.perf_counter() - begun, f"{said} ({busy() - work:.1f} s of processor)"


def watched(page: Page, minutes: float) -> tuple[float, str, float]:
    """`run`, with the most memory that was seen meanwhile."""
    most, ended = [0.0], threading.Event()

    def watch():
        while not ended.wait(0.5):
            most.append(megabytes())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        return *run(page, minutes), max(most)
    finally:
        ended.set()
        thread.join()


def repeated(page: Page, size: int, runs: int) -> bool:
    give(page, photo(size, size), "photo.jpg")
    before, held, seconds = megabytes(), [], []
    for _ in range(runs):
        taken, said = run(page, 5)
        seconds.append(taken)
        held.append(megabytes())
        print(f"  {taken:5.1f} s, {held[-1]:5.0f} MB   {said}", flush=True)
    growth = statistics.median(held[-3:]) / statistics.median(held[1:4] or held) - 1  # single values jump by a tenth
    print(f"{size} × {size}: best {min(seconds):.1f} s, first {seconds[0]:.1f} s with loading")
    print(f"memory: page alone {before:.0f} MB, last three runs against the second to fourth {growth:+.1%}")
    return min(seconds) <= MOST_SECONDS and growth < 0.1


def large(page: Page, megapixels: float) -> bool:
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    give(page, photo(height, height * 4 // 3), "large.jpg")
    taken, said, most = watched(page, 20)
    print(f"{megapixels:g} megapixels: {taken:.0f} s, at most {most:.0f} MB   {said}")
    return said.startswith("Done")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=512, help="side of the repeated picture")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--large", type=float, default=12, help="megapixels of the last picture; 0: none")
    parser.add_argument("--model", default="edsr_small")
    parser.add_argument("--scale", default="2")
    parser.add_argument("--flags", default="", help="more flags for Chromium, such as those that switch WebGPU on")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("localhost", 0), functools.partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    flags = ["--no-sandbox", "--disable-gpu", *options.flags.split()]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page()
        page.on("console", lambda message: message.type in ("error", "info") and print(f"  {message.text}"))
        page.goto(f"http://localhost:{server.server_port}/book/results/playground.html")
        page.wait_for_selector(".playground-run:not([disabled])")
        page.uncheck(".playground input[type=checkbox]")
        for number, value in enumerate((options.model, options.scale)):
            page.select_option(f".playground-field select >> nth={number}", value)
        good = repeated(page, options.pictures, options.runs) if options.runs else True
        good = (large(page, options.large) if options.large else True) and good
        browser.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
