"""The built site: every page there, nothing from elsewhere, everything a reader can move moves."""

import re

import pytest
from bs4 import BeautifulSoup

from book._tools import build
from book._tools.pages import chapters, pages

pytestmark = pytest.mark.site
each_page = pytest.mark.parametrize("page", pages())

# A slash may stand in a sentence ("u = i/s"), so a path is one word with a slash, or begins or ends as paths do.
FILE_LIKE = re.compile(r"^\S*[/\\]\S*$|^\.{0,2}[/\\]|_images|\.(?:png|jpe?g|svg|gif|webp)$", re.IGNORECASE)
# Attributes by which a page loads something; links that a reader follows are not among them.
LOADS = [
    ("script", "src"), ("img", "src"), ("img", "srcset"), ("iframe", "src"), ("video", "src"),
    ("source", "src"), ("source", "srcset"), ("object", "data"), ("embed", "src"),
]  # fmt: skip
LOADING_LINKS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect", "dns-prefetch"}


def soup(site, page: str) -> BeautifulSoup:
    return BeautifulSoup((site / f"{page}.html").read_text(encoding="utf-8"), "html.parser")


def test_the_build_left_no_problem(site):
    assert build.problems() == []


def test_the_build_notices_what_went_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "SITE", tmp_path)
    assert len(build.problems()) == 1 + len(pages())
    assert "index.html is missing" in build.problems()
    for page in chapters():
        (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{page}.html").write_text('<div class="output traceback highlight-ipythontb">')
        assert f"{page}: a cell failed" in build.problems()
        assert f"{page}: no cell has an output, so the chapter was not executed" in build.problems()


@each_page
def test_pictures_have_alt_text(site, page):
    for picture in soup(site, page).find_all("img"):
        alt = picture.get("alt")
        hidden = picture.get("aria-hidden") == "true" or picture.get("role") == "presentation"
        assert (alt == "" and hidden) or (alt and alt.strip() and not FILE_LIKE.search(alt)), str(picture)[:300]


@each_page
def test_pages_load_nothing_from_elsewhere(site, page):
    html = soup(site, page)
    sources = [tag[name] for kind, name in LOADS for tag in html.find_all(kind) if tag.get(name)]
    links = html.find_all("link", href=True)
    sources += [link["href"] for link in links if LOADING_LINKS & set(link.get("rel", []))]
    assert [source[:200] for source in sources if re.match(r"(?:https?:)?//", source)] == []


def test_styles_load_nothing_from_elsewhere(site):
    outside = re.compile(r"(?:url\(|@import)\s*['\"]?\s*(?:https?:)?//")
    styles = {path.name: path.read_text(encoding="utf-8") for path in site.rglob("*.css")}
    assert [name for name, text in styles.items() if outside.search(text)] == []


@each_page
@pytest.mark.parametrize("width", [1280, 390])
def test_page_opens_with_the_network_cut(visit, page, width):
    seen = visit(f"{page}.html", width=width)
    assert seen.status == 200
    broken = "() => [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.alt)"
    assert seen.page.evaluate(broken) == []
    formulas = seen.page.locator("article .math")  # the theme keeps a hidden copy of the headings for printing
    assert seen.page.locator("article .math mjx-container").count() == formulas.count()
    assert seen.page.locator("mjx-merror").count() == 0
    if formulas.count():
        assert formulas.locator("mjx-container").first.bounding_box()["width"] > 0
    assert seen.page.evaluate("() => document.documentElement.scrollWidth") <= width
    cut = "all => all.filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.textContent)"
    assert seen.page.eval_on_selector_all(".srlib-zoom .srlib-name", cut) == []
    assert (seen.foreign, seen.missing, seen.errors) == ([], [], [])


def test_front_page_leads_into_the_book(site):
    refresh = soup(site, "index").find("meta", attrs={"http-equiv": "Refresh"})
    assert refresh["content"].partition("url=")[2] == f"{pages()[0]}.html"


def test_search_finds_a_word(visit):
    seen = visit("search.html?q=interpolation")
    seen.page.locator("#search-results li").first.wait_for()
    assert seen.foreign == [] and seen.errors == []
