"""What is done to pages after Jupyter Book has written them, and how light they are then."""

import base64
import gzip
import io
import re
import statistics
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont
from PIL import Image
from playwright.sync_api import Page, Response

from book._tools import icons, lighten, mathematics
from book._tools.pages import BuildError, chapters, pages

pytestmark = pytest.mark.site

MEDIAN, MOST = 1_500_000, 4_000_000  # bytes of a page
# What the first screen waits for. `python -m benchmarks.paint` has the milliseconds.
BLOCKING, BLOCKING_BYTES = 26, 700_000  # files, bytes
READ = """
async () => {
  for (let y = 0; y < document.body.scrollHeight; y += 700) {
    window.scrollTo({top: y, behavior: "instant"});
    await new Promise(done => setTimeout(done, 30));
  }
  for (const image of document.querySelectorAll("article img")) {  // those, too, that the reader was too fast for
    image.loading = "eager";
    await image.decode().catch(() => {});
  }
}
"""
FIRST = """
performance.getEntriesByType("resource").filter((each) => each.renderBlockingStatus === "blocking")
  .map((each) => [each.name, each.decodedBodySize])
"""


@pytest.fixture
def small_site(tmp_path, monkeypatch):
    """An empty site in place of the built one."""
    for module, names in ((lighten, ("SITE", "CACHE")), (mathematics, ("SITE",)), (icons, ("SITE",))):
        for name in names:
            monkeypatch.setattr(module, name, tmp_path / ("cache" if name == "CACHE" else "html"))
    (tmp_path / "html" / "_static").mkdir(parents=True)
    (tmp_path / "html" / "_images").mkdir()
    return tmp_path / "html"


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, lossless=True)
    return buffer.getvalue()


def test_pictures_become_files_with_the_same_pixels(small_site):
    plot = Image.fromarray(np.full((31, 45, 3), 200, np.uint8))
    plot.save(small_site / "_images" / "plot.png")
    inside = encoded(noise(40, 30), "WEBP")
    data = f"data:image/webp;base64,{base64.b64encode(inside).decode()}"
    text = (
        '<img src="../_static/logo.svg"><article><img alt="a" src="../_images/plot.png" />'
        f'<h2>Section</h2><img alt="b" src="{data}"><script type="application/json">["", "{data}"]</script></article>'
    )
    lighten.encode_figures([text])
    page = BeautifulSoup(lighten.pictures("book/page.html", text), "html.parser")
    _, figure, widget = page.find_all("img")
    assert figure["src"].startswith("../_images/") and figure["src"].endswith(".webp")
    assert (figure["width"], figure["height"], figure["alt"]) == ("45", "31", "a")
    with Image.open(small_site / figure["src"].removeprefix("../")) as shown:
        assert np.array_equal(np.asarray(shown.convert("RGB")), np.asarray(plot))
    assert (small_site / widget["src"].removeprefix("../")).read_bytes() == inside
    assert page.find("script").string == f'["", "{widget["src"]}"]'
    assert figure.get("loading") is None and widget["loading"] == "lazy"


def test_a_figure_that_webp_would_not_shrink_stays(small_site):
    (small_site / "_images" / "tiny.png").write_bytes(encoded(Image.new("1", (1, 1)), "PNG"))
    text = '<article><img src="_images/tiny.png"></article>'
    lighten.encode_figures([text])
    assert 'src="_images/' in lighten.pictures("page.html", text)


def test_formulas_are_drawn_and_can_be_heard(small_site):
    inline = r'<span class="math notranslate nohighlight">\(a &lt; \tfrac12\)</span>'
    display = (
        '<div class="math notranslate nohighlight" id="equation-x">\n<span class="eqno">(1)<a href="#x">#</a></span>'
        r"\[\begin{split}u &amp;= v \\ &amp;= w\end{split}\]</div>"
    )
    script = '<script defer="defer" src="../_static/vendor/mathjax/tex-mml-chtml.js?v=1"></script>'
    text = f"<head>{script}</head><p>{inline} ({inline}), {inline}</p>{display}"
    drawn = mathematics.typeset({"book/page.html": text, "other.html": "<head></head>"})
    page = BeautifulSoup(drawn["book/page.html"], "html.parser")
    assert len(page.select(".math mjx-container")) == 4
    assert [both.get_text()[0] + both.get_text()[-2:] for both in page.select(".touching")] == ["(),"]
    assert page.select_one("span.math math").text == "a<12"
    assert page.select_one("div.math .eqno").text == "(1)#"
    assert not page.find("script")
    assert page.find("link")["href"] == "../_static/mathematics.css"
    assert "mjx-c" in (small_site / "_static" / "mathematics.css").read_text()
    assert drawn["other.html"] == "<head></head>"


def test_a_formula_that_cannot_be_read_is_named(small_site):
    text = r'<span class="math notranslate nohighlight">\(\frac{1}\)</span>'
    with pytest.raises(BuildError, match=r"could not be drawn: .*\\frac\{1\}"):
        mathematics.typeset({"page.html": text})


def test_every_icon_on_the_site_has_its_glyph(site):
    (folder,) = (site / "_static" / "vendor" / "fontawesome").iterdir()
    glyphs = set()
    for path in (folder / "webfonts").glob("*.woff"):
        with TTFont(path) as font:
            glyphs |= set(font.getBestCmap())
    css = (folder / "css" / "all.min.css").read_text()
    known = {name: m["code"] for m in icons.DEFINITION.finditer(css) for name in icons.NAME.findall(m["names"])}
    used = {
        name
        for path in site.rglob("*.html")
        for part in re.findall(r'<(?:i|span) class="([^"]*\bfa[bs]?\b[^"]*)"', path.read_text(encoding="utf-8"))
        for name in icons.NAME.findall(part)
    }
    drawn = {name for name in used if name in known}
    assert len(drawn) > 8 and all(int(known[name], 16) in glyphs for name in drawn)
    assert used - drawn <= {"fa-solid", "fa-regular", "fa-brands", "fa-lg"}


def wire(response) -> int:
    """Bytes of an answer as hosts send it: text compressed."""
    body = response.body()
    text = re.search(r"\.(?:html|js|mjs|css|svg|json)(?:\?|$)", response.url)
    return len(gzip.compress(body, 6)) if text else len(body)


@pytest.fixture(scope="module")
def weights(browser, address) -> dict[str, dict[str, float]]:
    """Of every page but the playground: bytes when opened and when read, and what its first screen waits for."""
    found = {}
    for page in (page for page in pages() if not page.endswith("playground")):
        with opened(browser, f"{address}/{page}.html") as (tab, answers):
            at_first = list(answers)
            first = tab.evaluate(FIRST)
            tab.evaluate(READ)
            tab.wait_for_timeout(200)
            found[page] = {
                "opened": sum(len(answer.body()) for answer in at_first),
                "read": sum(len(answer.body()) for answer in answers),
                "wire": sum(wire(answer) for answer in answers if "/_static/playground/" not in answer.url),
                "first": first,
            }
    return found


@contextmanager
def opened(browser, where: str) -> Iterator[tuple[Page, list[Response]]]:
    """A page that a reader opens for the first time, and what the server has sent for it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab, answers = context.new_page(), []
    tab.on("response", lambda answer: answers.append(answer))
    tab.goto(where, wait_until="networkidle")
    yield tab, answers
    context.close()


def test_pages_are_light(weights):
    of_chapters = [weights[page] for page in chapters()]
    assert statistics.median(page["opened"] for page in of_chapters) <= MEDIAN
    assert statistics.median(page["wire"] for page in of_chapters) <= MEDIAN
    assert {page: weight["read"] for page, weight in weights.items() if weight["read"] > MOST} == {}


def test_the_first_screen_waits_for_little(weights):
    for page, weight in weights.items():
        assert weight["first"], f"{page}: the browser no longer tells what blocks the first screen"
        assert len(weight["first"]) <= BLOCKING, (page, weight["first"])
        assert sum(size for _, size in weight["first"]) <= BLOCKING_BYTES, (page, weight["first"])
