"""Make the built pages light: pictures as files that load when a reader comes near, nothing loaded that no page needs.

Jupyter Book writes figures as PNG and widgets as one piece with their pictures inside, which is right for a notebook.
On a site each picture is better a file of its own: a third smaller than inside the page, fetched once, and late.
"""

import base64
import hashlib
import io
import re
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image

from book._tools import icons, mathematics
from book._tools.pages import BUILD, SITE

CACHE = BUILD / "pictures"  # of WebP files by the hash of the PNG they were made from
INSIDE = re.compile(r"data:image/(png|webp);base64,([A-Za-z0-9+/=]{1500,})")
NETWORK = re.compile(r'"onnx": "([A-Za-z0-9+/=]{1500,})"')  # what a chapter trained; srlib.notebook.widgets.playground
FIGURE = re.compile(r'<img (?P<before>[^>]*)src="(?P<path>(?:\.\./)*_images/[^"]+\.png)"(?P<after>[^>]*)>')
IMAGE = re.compile(r"<img (?=[^>]*\b_images/)")
LATE = 'loading="lazy" decoding="async" '
# Live code in the page is switched off, but the theme loads its script, twice, and that is an error in the console.
UNUSED = re.compile(
    r"\s*<script>const THEBE_JS_URL.*?</script>|\s*<script[^>]*sphinx-thebe[^>]*></script>"
    r"|\s*<link[^>]*sphinx-thebe[^>]*/>"
)
BLANK = re.compile(r'<span class="w">( +)</span>')


def site() -> None:
    """Rewrite every page of the built site."""
    pages = {path.relative_to(SITE).as_posix(): path for path in sorted(SITE.rglob("*.html"))}
    pages = {page: path for page, path in pages.items() if not page.startswith("_static/")}
    texts = {page: path.read_text(encoding="utf-8") for page, path in pages.items()}
    encode_figures(texts.values())
    texts = {page: BLANK.sub(r"\1", UNUSED.sub("", pictures(page, text))) for page, text in texts.items()}
    texts = mathematics.typeset(icons.light(texts))
    for page, text in texts.items():
        pages[page].write_text(text, encoding="utf-8")
    everything = "".join(texts.values())
    for path in (SITE / "_images").glob("*.png"):  # what a lighter file has replaced
        if path.name not in everything:
            path.unlink()


def encode_figures(texts: Iterable[str]) -> None:
    """WebP without loss of every PNG that a page shows, kept from build to build; on all cores."""
    CACHE.mkdir(exist_ok=True)
    shown = {SITE / found["path"].lstrip("./") for text in texts for found in FIGURE.finditer(text)}
    new = [path for path in sorted(shown) if not _cached(path).is_file()]
    if new:
        with ProcessPoolExecutor() as pool:
            list(pool.map(_encode, new))


def _cached(path: Path) -> Path:
    return CACHE / f"{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}.webp"


def _encode(path: Path) -> None:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        seen_through = image.convert("RGBA").getextrema()[3][0] < 255
        image.convert("RGBA" if seen_through else "RGB").save(buffer, "WEBP", lossless=True, method=4, quality=75)
    partial = _cached(path).with_suffix(".part")
    partial.write_bytes(buffer.getvalue())
    partial.rename(_cached(path))


def pictures(page: str, text: str) -> str:
    """The page with its pictures as files beside it, which load when they come near the window."""
    root = "../" * page.count("/")

    def outside(found: re.Match) -> str:
        return root + _file(base64.b64decode(found[2]), found[1])

    def figure(found: re.Match) -> str:
        path = SITE / found["path"].lstrip("./")
        small = _cached(path).read_bytes()
        place = root + _file(small, "webp") if len(small) < path.stat().st_size else found["path"]
        with Image.open(path) as image:
            wide, tall = image.size
        sizes = "" if re.search(r"\b(?:width|height)\b", found[0]) else f'width="{wide}" height="{tall}" '
        return f'<img {sizes}{found["before"]}src="{place}"{found["after"]}>'

    text = FIGURE.sub(figure, INSIDE.sub(outside, networks(text)))
    head, start, article = text.partition("<article")
    opening, section, rest = article.partition("<h2")  # what stands before the first section is seen at once
    return head + start + opening + section + IMAGE.sub(f"<img {LATE}", rest)


def networks(text: str) -> str:
    """The page with the networks inside it as files, which the playground loads when a reader runs one."""
    beside_the_script = "../../"  # _static/playground

    def outside(found: re.Match) -> str:
        return f'"file": "{beside_the_script}{_file(base64.b64decode(found[1]), "onnx")}"'

    return NETWORK.sub(outside, text)


def _file(content: bytes, ending: str) -> str:
    """Write a picture or a network under the name of its content; its path in the site."""
    path = f"_images/{hashlib.sha256(content).hexdigest()[:20]}.{ending}"
    if not (SITE / path).is_file():
        (SITE / "_images").mkdir(exist_ok=True)
        (SITE / path).write_bytes(content)
    return path
