"""The playground: what the browser computes is what srlib computes, and bad files leave the page alive."""

import base64
import io
import json
import re
import struct
import time
import zlib

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image

from book._tools.pages import SITE
from srlib import checkpoints, images, inference, onnx_export
from srlib.metrics import PAPER
from srlib.models.esrgan import RRDBNet
from srlib.resample import resize
from tests.conftest import PATIENCE

pytestmark = pytest.mark.site

PAGE = "book/results/playground.html"
FOLDER = SITE / "_static" / "playground"
# Calls a function of one of the playground's modules with pictures and numbers.
CALL = """async ([file, name, args]) => {
  const root = new URL(document.documentElement.dataset.content_root, document.baseURI);
  const load = (name) => import(new URL(`_static/playground/${name}`, root));
  const module = await load(file);
  window.pool ??= new (await load("pool.js")).Pool();
  const revive = (value) =>
    value?.rgba ? { ...value, data: Uint8ClampedArray.from(atob(value.rgba), (c) => c.charCodeAt(0)) }
    : value?.floats ? Float32Array.from(value.floats) : Array.isArray(value) ? value.map(revive) : value;
  const [first, ...others] = args.map(revive);
  const pooled = others.map((each) => (each.workers ? { ...each, pool: window.pool } : each));
  const answer = await module[name](first, ...pooled);
  if (!(answer instanceof Float32Array)) return answer;
  const bytes = new Uint8Array(answer.buffer);
  const pieces = [];
  for (let at = 0; at < bytes.length; at += 8192) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return { base64: btoa(pieces.join("")) };
}"""


def call(page, file: str, name: str, *args):
    return page.evaluate(CALL, [file, name, list(args)])


def scene(height: int, width: int, channels: int = 3) -> torch.Tensor:
    """A picture in 8 bits with edges and texture, (1, channels, height, width)."""
    rng = torch.Generator().manual_seed(1)
    grain = torch.rand(1, channels, height, width, generator=rng)
    coarse = resize(torch.rand(1, channels, 9, 9, generator=rng), size=(height, width), kernel="nearest")
    return images.from_uint8(images.to_uint8(0.8 * coarse + 0.2 * grain))


def as_rgba(image: torch.Tensor) -> dict:
    """As the playground holds a picture."""
    pixels = images.to_uint8(image.expand(-1, 3, -1, -1))[0].permute(1, 2, 0).numpy()
    height, width = pixels.shape[:2]
    rgba = np.concatenate([pixels, np.full((height, width, 1), 255, np.uint8)], 2)
    text = base64.b64encode(rgba.tobytes()).decode()
    return {"rgba": text, "height": height, "width": width, "grey": image.shape[1] == 1}


def as_png(image: torch.Tensor, **options) -> bytes:
    buffer = io.BytesIO()
    pixels = images.to_uint8(image)[0].permute(1, 2, 0).numpy()
    Image.fromarray(pixels.squeeze()).save(buffer, options.pop("format", "PNG"), **options)
    return buffer.getvalue()


def enlarged(page, model: dict, lr: torch.Tensor, **options) -> torch.Tensor:
    answer = call(page, "playground.js", "enlarge", model, as_rgba(lr), options)
    values = np.frombuffer(base64.b64decode(answer["base64"]), np.float32).copy()
    height, width = (size * model["scale"] for size in lr.shape[-2:])
    return torch.from_numpy(values).view(1, -1, height, width)


def give(page, content: bytes, name: str) -> None:
    page.set_input_files(".playground input[type=file]", {"name": name, "mimeType": "", "buffer": content})


def run(page) -> str:
    """Press Run and wait; the line that says how it went."""
    page.click(".playground-run:not([disabled])")
    page.wait_for_function("document.querySelector('.playground-status').textContent.startsWith('Done')")
    return page.inner_text(".playground-status")


def choose(page, name: str, scale: int) -> None:
    page.select_option(".playground-field select >> nth=0", name)
    page.select_option(".playground-field select >> nth=1", str(scale))


def until(page, condition) -> bool:
    """Look again and again, for as long as a page has for anything."""
    end = time.monotonic() + PATIENCE / 1000
    while not (now := condition()) and time.monotonic() < end:
        page.wait_for_timeout(50)
    return now


def shot(page) -> np.ndarray:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    picture = Image.open(io.BytesIO(page.locator(".playground .srlib-stage").screenshot()))
    return np.asarray(picture.convert("RGB")).astype(int)


@pytest.fixture(scope="session")
def index(site):
    return json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))


def model_of(index: dict, name: str, scale: int) -> dict:
    return next(model for model in index["models"] if (model["name"], model["scale"]) == (name, scale))


@pytest.fixture
def seen(visit):
    """The page, ready to run; afterwards nothing has failed and nothing went to another server."""
    opened = visit(PAGE)
    sent = []
    opened.page.on("request", lambda request: sent.append(request.method))
    opened.page.wait_for_selector(".playground-run:not([disabled])")
    yield opened
    assert (opened.errors, opened.foreign, opened.missing) == ([], [], [])
    assert set(sent) <= {"GET"}, "something was sent"


@pytest.mark.parametrize(
    "scale,size", [(2, (17, 11)), (3, (17, 11)), (4, (5, 9)), (1 / 2, (34, 22)), (1 / 3, (33, 21)), (1 / 4, (36, 20))]
)
def test_bicubic_equals_srlib(seen, scale, size):
    image = scene(*size)
    height, width = (round(n * scale) for n in size)
    window = {"top": 0, "left": 0, "height": height, "width": width}
    planes = seen.page.evaluate(
        """async ([rgba, scale, window]) => {
          const root = new URL(document.documentElement.dataset.content_root, document.baseURI);
          const { fromPixels, resample } = await import(new URL("_static/playground/resize.js", root));
          const data = Uint8ClampedArray.from(atob(rgba.rgba), (c) => c.charCodeAt(0));
          const part = { top: 1, left: 2, height: 2, width: 3 };
          const picture = fromPixels({ ...rgba, data });
          return [window, part].map((each) => resample(picture, scale, each).map((plane) => [...plane]));
        }""",
        [as_rgba(image), scale, window],
    )
    expected = resize(image, scale)
    whole = torch.tensor(planes[0]).view(1, 3, height, width)
    part = torch.tensor(planes[1]).view(1, 3, 2, 3)
    torch.testing.assert_close(whole, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(part, expected[..., 1:3, 2:5], atol=1e-5, rtol=0)


def test_a_cell_of_the_view_is_the_mean_of_its_pixels(seen):
    image = scene(17, 11)
    window = {"top": 0, "left": 0, "height": 13, "width": 9}  # the last cells are not whole
    planes = seen.page.evaluate(
        """async ([rgba, window]) => {
          const root = new URL(document.documentElement.dataset.content_root, document.baseURI);
          const { fromPixels, resample } = await import(new URL("_static/playground/resize.js", root));
          const data = Uint8ClampedArray.from(atob(rgba.rgba), (c) => c.charCodeAt(0));
          return resample(fromPixels({ ...rgba, data }), 3, window, 4).map((plane) => [...plane]);
        }""",
        [as_rgba(image), window],
    )
    large = resize(image, 3)
    expected = torch.nn.functional.avg_pool2d(large, 4, ceil_mode=True, count_include_pad=False)
    torch.testing.assert_close(torch.tensor(planes).view(1, 3, 13, 9), expected, atol=1e-5, rtol=0)


def test_luma_and_chroma_equal_srlib(seen):
    image = scene(5, 7)
    planes = [{"floats": plane.flatten().tolist()} for plane in image[0]]
    both = seen.page.evaluate(
        """async (planes) => {
          const root = new URL(document.documentElement.dataset.content_root, document.baseURI);
          const { toYcbcr, fromYcbcr } = await import(new URL("_static/playground/colour.js", root));
          const there = toYcbcr(planes.map(({ floats }) => Float32Array.from(floats)));
          return [there, fromYcbcr(there)].map((three) => three.map((plane) => [...plane]));
        }""",
        planes,
    )
    there, back = (torch.tensor(each).view(1, 3, 5, 7) for each in both)
    torch.testing.assert_close(there, images.to_ycbcr(image), atol=1e-6, rtol=0)
    torch.testing.assert_close(back, image, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size,side,reach", [(41, 64, 17), (64, 64, 17), (65, 64, 17), (300, 64, 6), (1000, 192, 30)])
def test_tiles_have_one_size_and_cover_every_pixel_once(seen, size, side, reach):
    pieces = call(seen.page, "tiles.js", "spans", size, side, reach)
    assert len({piece["length"] for piece in pieces}) == 1 and pieces[0]["length"] <= side
    assert [piece["start"] for piece in pieces] == [0, *(piece["stop"] for piece in pieces[:-1])]
    assert pieces[-1]["stop"] == size
    for piece in pieces:
        last = piece["first"] + piece["length"]
        assert 0 <= piece["first"] and last <= size
        assert piece["first"] == 0 or piece["start"] - piece["first"] >= reach
        assert last == size or last - piece["stop"] >= reach


def test_every_network_equals_torch(seen, index):
    lr, differences = scene(24, 40), {}
    for model in index["models"]:
        sr = enlarged(seen.page, model, lr, provider="wasm", workers="kept")
        expected = inference.upscale(checkpoints.load(model["name"], model["scale"]), lr)
        differences[f"{model['name']} x{model['scale']}"] = (sr - expected).abs().max().item()
    assert len(differences) == len(index["models"]) > 1
    assert {name: value for name, value in differences.items() if not value <= 1e-3} == {}


@pytest.mark.parametrize("name,scale", [("edsr_small", 2), ("espcn", 4), ("esrgan_small", 4)])
def test_tiles_leave_no_seam(seen, index, name, scale):
    lr = scene(67, 101)
    sr = enlarged(seen.page, model_of(index, name, scale), lr, provider="wasm", side=64)
    expected = inference.upscale(checkpoints.load(name, scale), lr, tile=None)
    torch.testing.assert_close(sr, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("scale,fold,size", [(2, 2, (67, 101)), (1, 4, (135, 90)), (2, 2, (64, 130))])
def test_tiles_of_a_network_that_folds_pixels_begin_at_whole_blocks(seen, scale, fold, size):
    torch.manual_seed(0)
    net = RRDBNet(scale=scale, fold=fold, blocks=1, width=8, growth=4).eval()
    done = onnx_export.convert(net, half=False)
    about = {"name": "folded", "label": "folded", "scale": scale, "channels": 3, "multiple": fold}
    about |= {"receptive_radius": done.receptive_radius, "onnx": base64.b64encode(done.content).decode()}
    lr = scene(*size)
    side = 4 * (done.receptive_radius + 2 * fold) + 1
    assert max(size) > side
    sr = enlarged(seen.page, about, lr, provider="wasm", side=side)
    torch.testing.assert_close(sr, inference.upscale(net, lr, tile=None), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "size,side,radius,multiple", [(67, 41, 8, 2), (135, 60, 8, 4), (1000, 192, 30, 4), (61, 41, 5, 3)]
)
def test_pieces_begin_at_multiples_and_cover_every_pixel_once(seen, size, side, radius, multiple):
    pieces = call(seen.page, "tiles.js", "spans", size, side, radius, multiple)
    assert len({piece["length"] for piece in pieces}) == 1 and len(pieces) > 1
    assert [piece["start"] for piece in pieces] == [0, *(piece["stop"] for piece in pieces[:-1])]
    assert pieces[-1]["stop"] == size and pieces[0]["length"] < side + multiple
    for piece in pieces:
        last = piece["first"] + piece["length"]
        assert piece["first"] % multiple == 0 and 0 <= piece["first"] and last <= size
        assert piece["first"] == 0 or piece["start"] - piece["first"] >= radius
        assert last == size or last - piece["stop"] >= radius + multiple - 1


@pytest.mark.parametrize("name,scale", [("edsr_small", 3), ("espcn", 2)])
def test_grey_pictures_stay_grey(seen, index, name, scale):
    lr = scene(33, 21, channels=1)
    sr = enlarged(seen.page, model_of(index, name, scale), lr, provider="wasm")
    torch.testing.assert_close(sr, inference.upscale(checkpoints.load(name, scale), lr), atol=1e-3, rtol=0)


@pytest.mark.parametrize("channels", [3, 1])
def test_the_scores_are_those_of_srlib(seen, channels):
    hr = scene(97, 122, channels)
    choose(seen.page, "edsr_small", 3)
    give(seen.page, as_png(hr), "scene.png")
    seen.page.wait_for_function("document.querySelector('.playground-status').textContent.startsWith('scene.png')")
    run(seen.page)
    shown = [float(value) for value in re.findall(r"(-?\d+\.\d\d) dB", seen.page.inner_text(".playground-numbers"))]
    hr = hr[..., :96, :120]
    lr = images.from_uint8(images.to_uint8(resize(hr, 1 / 3)))
    bicubic, network = resize(lr, 3), inference.upscale(checkpoints.load("edsr_small", 3), lr)
    expected = [PAPER.psnr(sr, hr, 3).item() for sr in (bicubic, network)]
    assert shown[:2] == pytest.approx(expected, abs=0.011)
    assert PAPER.describe(3) in seen.page.inner_text(".playground-numbers")


def test_the_runtime_is_loaded_at_the_first_run_only(seen):
    addresses = "() => performance.getEntriesByType('resource').map((entry) => entry.name)"
    before = seen.page.evaluate(addresses)
    assert not any(re.search(r"onnx|\.wasm", address) for address in before)
    assert any("edsr_small" not in address and address.endswith(".png") for address in before)
    asked = []
    seen.page.context.on("request", lambda request: asked.append(request.url))
    line = run(seen.page)
    assert "WebAssembly" in line, "Chromium has no WebGPU here, so the processor runs the network"
    assert any(address.endswith("edsr_small_x2.onnx") for address in asked)


def test_the_line_moves_by_mouse_and_by_keys(seen):
    page = seen.page
    run(page)
    stage = page.locator(".playground .srlib-stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    pictures = []
    for share in (0.1, 0.9):
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2, steps=4)
        page.mouse.up()
        assert float(page.input_value(".playground .srlib-split")) == pytest.approx(100 * share, abs=1)
        pictures.append(shot(page))
    # Between the two places of the line, one picture shows the network and the other bicubic interpolation.
    inside = slice(int(0.2 * box["width"]), int(0.8 * box["width"]))
    between = np.abs(pictures[0] - pictures[1])[100:-20, inside]
    assert (between.max(2) > 8).mean() > 0.02
    stage.focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    assert float(page.input_value(".playground .srlib-split")) == pytest.approx(50, abs=1)
    assert (np.abs(shot(page) - pictures[1]).max(2) > 8).mean() > 0.01
    page.focus(".playground .srlib-split")
    page.keyboard.press("Home")
    assert (np.abs(shot(page) - pictures[0]).max(2) > 8).mean() > 0.005


def test_zoom_by_buttons_keys_wheel_and_double_click(seen):
    page = seen.page
    stage, readout = page.locator(".playground .srlib-stage"), page.locator(".playground .srlib-bar output")
    stage.scroll_into_view_if_needed()
    whole, start = shot(page), readout.inner_text()
    percent = lambda: float(readout.inner_text().removesuffix("%"))  # noqa: E731

    def changed() -> bool:
        return bool((np.abs(shot(page) - whole).max(2) > 8).mean() > 0.1)

    page.click("button[aria-label='Zoom in']")
    assert until(page, changed) and percent() == pytest.approx(1.5 * float(start.removesuffix("%")), abs=1)
    page.click("button:text-is('Whole')")
    assert until(page, lambda: not changed()) and readout.inner_text() == start
    stage.focus()
    for _ in range(4):
        page.keyboard.press("+")
    assert until(page, changed)
    moved = shot(page)
    page.keyboard.press("ArrowRight")
    assert until(page, lambda: np.abs(shot(page) - moved).max() > 8)
    page.keyboard.press("0")
    assert until(page, lambda: not changed())
    box = stage.bounding_box()
    place = box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3
    page.mouse.dblclick(*place)
    assert until(page, changed) and percent() == pytest.approx(4 * float(start.removesuffix("%")), abs=3)
    page.mouse.dblclick(*place)
    assert until(page, lambda: not changed())
    page.mouse.move(*place)
    page.mouse.wheel(0, -100)
    assert until(page, changed)


def test_zoomed_in_a_pixel_is_a_square(seen):
    page = seen.page
    page.locator(".playground .srlib-stage").focus()
    for _ in range(12):
        page.keyboard.press("+")
    picture = shot(page)[60:-60, 60:-60]
    steps = (np.abs(np.diff(picture, axis=1)).sum(2) > 0).mean()
    assert steps < 0.15, "colour changes only from one square to the next"


CANCELS = """() => {
  const [bar, buttons] = [document.querySelector(".playground progress"), document.querySelectorAll("button")];
  const watch = new MutationObserver(() => {
    if (!bar.getClientRects().length) return;
    watch.disconnect();
    [...buttons].find((button) => button.textContent === "Cancel").click();
  });
  watch.observe(document.querySelector(".playground"), { subtree: true, attributes: true, childList: true });
}"""


def test_cancel_and_run_again(seen):
    page = seen.page
    page.uncheck(".playground input[type=checkbox]")
    choose(page, "edsr_baseline", 4)
    page.evaluate(CANCELS)  # in the page itself: from here, the run may have ended before the button is found
    page.click(".playground-run:not([disabled])")
    page.wait_for_function("document.querySelector('.playground-status').textContent === 'Cancelled.'")
    assert page.locator(".playground-run").is_enabled() and not page.locator(".playground progress").is_visible()
    assert page.evaluate("document.activeElement.textContent") == "Run"
    choose(page, "espcn", 2)
    assert run(page).startswith("Done: 768 × 576")


def test_another_picture_ends_the_run(seen):
    page = seen.page
    page.click(".playground-run")
    page.click(".playground-thumb >> nth=1")
    page.wait_for_function("!/Tile|Loading/.test(document.querySelector('.playground-status').textContent)")
    page.wait_for_selector(".playground-run:not([disabled])")
    assert page.inner_text(".playground-numbers") == ""
    assert run(page).startswith("Done")


def png_of_zeros(side: int) -> bytes:
    """A whole PNG of side × side black pixels in a few kB."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer, rows = zlib.compressobj(9), []
    rows = [packer.compress(bytes(side + 1)) for _ in range(side)]
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", b"".join([*rows, packer.flush()]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (32, 24), colour) for colour in ("red", "blue", "green")]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=100)
    return buffer.getvalue()


def jpeg() -> bytes:
    return as_png(scene(120, 160), format="JPEG")


BAD = {
    "empty.png": (lambda: b"", r"is empty \(0 bytes\)\. Choose another file"),
    "notes.txt": (lambda: b"Not a picture at all. " * 9, "is not a picture that this page can read. Choose a PNG"),
    "drawing.svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture that this page can read"),
    "huge.png": (lambda: png_of_zeros(10_000), r"has 100 megapixels \(10000 × 10000\); the limit is 40\. Crop or"),
    "moving.gif": (lambda: animated("GIF"), "is an animated GIF file. Save one of its frames as PNG"),
    "moving.png": (lambda: animated("PNG"), "is an animated PNG file"),
    "moving.webp": (lambda: animated("WEBP"), "is an animated WebP file"),
    "half.png": (lambda: as_png(scene(64, 64))[:2000], "is broken: the browser cannot decode this PNG file"),
    "start.png": (lambda: as_png(scene(64, 64))[:12], "is broken: it ends before its size is told"),
    "start.jpg": (lambda: jpeg()[:40], "is broken: it ends before its size is told"),
    "scan.tif": (lambda: as_png(scene(40, 40), format="TIFF"), "is a TIFF file, which this browser cannot open. Save"),
    "dot.png": (lambda: as_png(scene(4, 4)), "is 4 × 4 pixels; at least 8 × 8 are needed"),
    "small.png": (lambda: as_png(scene(12, 12)), "is too small to be shrunk 2 times: at least 16 × 16"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_get_a_sentence_and_the_page_lives_on(seen, name):
    make, message = BAD[name]
    give(seen.page, make(), name)
    seen.page.wait_for_function("document.querySelector('.playground-alert').textContent")
    said = seen.page.inner_text(".playground-alert")
    assert said.startswith(name) and re.search(message, said), said
    assert said.endswith(".") and "\n" not in said
    give(seen.page, as_png(scene(32, 40)), "good.png")
    seen.page.wait_for_function("document.querySelector('.playground-status').textContent.startsWith('good.png')")
    assert seen.page.inner_text(".playground-alert") == ""
    assert run(seen.page).startswith("Done: 40 × 32")


def test_a_result_that_would_be_too_large_is_refused_with_the_scale_that_fits(seen):
    page = seen.page
    page.uncheck(".playground input[type=checkbox]")
    choose(page, "espcn", 4)
    give(page, png_of_zeros(3000), "wide.png")
    page.wait_for_function("document.querySelector('.playground-alert').textContent")
    said = page.inner_text(".playground-alert")
    assert (
        said.startswith("wide.png would have 144 megapixels at ×4; the limit is 64. Choose ×2")
        and page.locator(".playground-run").is_disabled()
    )
    choose(page, "espcn", 2)
    page.wait_for_selector(".playground-run:not([disabled])")
    assert page.inner_text(".playground-alert") == ""


def test_pictures_come_upright_and_on_white(seen):
    page = seen.page
    picture = Image.new("RGB", (48, 32), "blue")
    picture.paste("red", (0, 0, 24, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: the left half belongs on top
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif, quality=95)
    page.uncheck(".playground input[type=checkbox]")
    give(page, buffer.getvalue(), "turned.jpg")
    page.wait_for_function("document.querySelector('.playground-status').textContent.includes('32 × 48')")
    seen_now = shot(page)
    top, bottom = seen_now[len(seen_now) // 4].mean(0), seen_now[3 * len(seen_now) // 4].mean(0)
    assert top[0] > 150 > top[2] and bottom[2] > 150 > bottom[0]
    buffer = io.BytesIO()
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(buffer, "PNG")
    give(page, buffer.getvalue(), "clear.png")
    page.wait_for_function("document.querySelector('.playground-status').textContent.startsWith('clear.png')")
    assert "these are white now" in page.inner_text(".playground-status")
    assert shot(page)[-40:].min(2).mean() > 240


TRANSFER = """([kind, content, name]) => {
  const transfer = new DataTransfer();
  if (content === null) transfer.setData("text/uri-list", "https://example.org/picture.png");
  else transfer.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
  const target = document.querySelector(".playground-drop");
  const event = kind === "drop"
    ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_pictures_are_dropped_and_pasted(seen, kind):
    page = seen.page
    page.evaluate(TRANSFER, [kind, base64.b64encode(as_png(scene(32, 40))).decode(), "mine.png"])
    page.wait_for_function("document.querySelector('.playground-status').textContent.startsWith('mine.png')")


def test_a_link_is_not_followed(seen):
    seen.page.evaluate(TRANSFER, ["drop", None, ""])
    assert "loads nothing from elsewhere" in seen.page.inner_text(".playground-alert")


def test_the_download_is_what_the_page_shows(seen, tmp_path):
    page = seen.page
    page.uncheck(".playground input[type=checkbox]")
    lr = scene(40, 56)
    give(page, as_png(lr), "my photo.v2.png")
    page.wait_for_function("document.querySelector('.playground-status').textContent.startsWith('my photo')")
    run(page)
    with page.expect_download() as started:
        page.click("button:text-is('Download PNG')")
    assert started.value.suggested_filename == "my photo.v2_edsr_small_x2.png"
    started.value.save_as(tmp_path / "result.png")
    result = images.to_uint8(images.read(tmp_path / "result.png")).int()
    expected = images.to_uint8(inference.upscale(checkpoints.load("edsr_small", 2), lr)).int()
    assert result.shape == expected.shape and (result - expected).abs().max() <= 1
    shown = page.evaluate(
        """() => {
          const canvas = document.querySelector(".srlib-back canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return [canvas.height, canvas.width, [...data]];
        }"""
    )
    canvas = torch.tensor(shown[2]).view(shown[0], shown[1], 4)[..., :3].permute(2, 0, 1)
    assert torch.equal(canvas, result[0])


def test_the_whole_of_it_by_keyboard(seen):
    page = seen.page
    choosers, browser = [], page.context.new_cdp_session(page)
    browser.on("Page.fileChooserOpened", lambda chooser: choosers.append(chooser))
    browser.send("Page.enable")
    browser.send("Page.setInterceptFileChooserDialog", {"enabled": True})  # answers when the browser has understood
    page.focus(".playground-open")
    page.keyboard.press("Enter")
    assert until(page, lambda: choosers), "Enter did not ask for a file"
    page.focus(".playground-open")
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent || document.activeElement.type"))
        if reached[-1] == "Run":
            break
    assert reached[-1] == "Run" and "checkbox" in reached
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.playground-status').textContent.startsWith('Done')")


def test_every_control_has_a_name(seen):
    nameless = seen.page.evaluate(
        """() => [...document.querySelectorAll(".playground :is(button, input:not([hidden]), select, canvas)")]
          .filter((e) => !(e.ariaLabel || e.labels?.length || e.textContent.trim() || e.querySelector("img[alt]")))
          .map((e) => e.outerHTML)"""
    )
    assert nameless == []


def test_a_chapter_brings_its_own_network(seen, index):
    model = model_of(index, "espcn", 2)
    onnx = base64.b64encode((FOLDER / model["file"]).read_bytes()).decode()
    network = {key: model[key] for key in ("name", "label", "scale", "channels", "receptive_radius")} | {"onnx": onnx}
    page = seen.page
    page.evaluate(
        """async (network) => {
          const { mount } = await import(new URL("_static/playground/playground.js",
            new URL(document.documentElement.dataset.content_root, document.baseURI)));
          const place = document.getElementById("try");
          place.replaceChildren();
          await mount(place, network);
        }""",
        network,
    )
    assert page.locator(".playground-field select:visible").count() == 0
    page.click(".playground-thumb >> nth=1")
    page.wait_for_selector(".playground-run:not([disabled])")
    assert run(page).startswith("Done")
    assert f"{model['label']}: " in page.inner_text(".playground-numbers")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone(visit, scheme):
    opened = visit(PAGE, width=390, scheme=scheme)
    opened.page.wait_for_selector(".playground-run:not([disabled])")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert opened.page.locator(".playground .srlib-stage").bounding_box()["width"] > 280


def test_without_javascript_the_page_says_so(site):
    html = BeautifulSoup((site / PAGE).read_text(encoding="utf-8"), "html.parser")
    assert "needs JavaScript" in html.find("noscript", string=re.compile("playground")).get_text()
