"""What stands around the text: heads and footers, the front page, wrong addresses, paper, and what rewrites HTML."""

import io
import re
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from book._tools import markup
from book._tools import site as extension
from book._tools.pages import chapters, pages, settings
from tests.site.conftest import serving

pytestmark = pytest.mark.site
each_page = pytest.mark.parametrize("page", pages())
BASE = settings()["html"]["baseurl"]
REPOSITORY = settings()["repository"]["url"]


def soup(site, name: str) -> BeautifulSoup:
    return BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def tag(html: BeautifulSoup, name: str) -> str:
    found = html.find_all("meta", attrs={"property": name}) + html.find_all("meta", attrs={"name": name})
    assert len(found) == 1, f"{name} stands {len(found)} times"
    return found[0]["content"]


@pytest.fixture(scope="session")
def base() -> str:
    """The address that the site was built for."""
    return BASE.rstrip("/") + "/"


@each_page
def test_a_link_to_a_page_shows_what_it_is(site, base, page):
    html = soup(site, page)
    title, text = tag(html, "og:title"), tag(html, "og:description")
    heading = html.select_one("article h1").get_text()
    assert title in heading and not title[0].isdigit()
    assert 40 <= len(text) <= extension.LONGEST and tag(html, "description") == text
    assert tag(html, "og:url") == html.find("link", rel="canonical")["href"] == f"{base}{page}.html"
    card = tag(html, "og:image")
    assert card.startswith(base)
    with Image.open(site / card.removeprefix(base)) as image:
        assert image.size == (1200, 630)
    for kind in ("icon", "apple-touch-icon"):
        icon = html.find("link", rel=kind)["href"]
        assert ((site / page).parent / icon).resolve().is_file()


def test_pages_describe_themselves_differently(site):
    texts = [tag(soup(site, page), "description") for page in pages()]
    assert len(set(texts)) == len(texts)


@each_page
def test_the_footer_says_when_and_at_which_commit(site, page):
    line = soup(site, page).select_one("footer .course-verified")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", line.time["datetime"])
    assert "Last verified" in line.get_text()
    if link := line.a:
        assert re.fullmatch(rf"{re.escape(REPOSITORY)}/commit/[0-9a-f]{{7,}}", link["href"])


def test_the_footer_does_without_git(tmp_path, monkeypatch):
    monkeypatch.setattr(extension, "ROOT", tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    assert extension.git("describe") == ""
    assert extension.verified(REPOSITORY) == (
        '<p class="course-verified">Last verified <time datetime="1970-01-01">1970-01-01</time>.</p>'
    )


def test_the_map_lists_every_page(site, base):
    text = (site / "sitemap.xml").read_text(encoding="utf-8")
    assert re.findall(r"<loc>(.+?)</loc>", text) == [f"{base}{page}.html" for page in pages()]
    assert len(re.findall(r"<lastmod>\d{4}-\d\d-\d\d</lastmod>", text)) == len(pages())
    assert f"Sitemap: {base}sitemap.xml" in (site / "robots.txt").read_text(encoding="utf-8")


def test_the_address_of_the_site_shows_what_it_is(site, base):
    html = soup(site, "index")
    assert html.html["lang"] == "en" and html.title.string
    assert tag(html, "og:url") == base
    assert tag(html, "description") == tag(soup(site, pages()[0]), "description")


class Pages(SimpleHTTPRequestHandler):
    """Serves the site below a path, and 404.html for what is not there, as GitHub Pages does."""

    below = urlsplit(BASE).path.rstrip("/")

    def translate_path(self, path):
        return super().translate_path(path.removeprefix(self.below))

    def send_error(self, code, *_):
        page = (BUILT / "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


BUILT = None


@pytest.fixture
def published(site) -> Iterator[str]:
    global BUILT
    BUILT = site
    with serving(site, Pages) as where:
        yield f"{where}{Pages.below}"


@pytest.mark.parametrize("wrong", ["nothing", "book/pixels/nothing/at/all.html"])
def test_a_wrong_address_leads_back(browser, published, wrong):
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    missing = []
    page.on("response", lambda answer: missing.append(answer.url) if answer.status >= 400 else None)
    assert page.goto(f"{published}/{wrong}").status == 404
    page.wait_for_load_state("networkidle")
    assert missing == [f"{published}/{wrong}"]
    skip = page.locator(".skip-link a").get_attribute("href")
    assert skip.endswith("#main-content") and urlsplit(skip).path == urlsplit(f"{published}/{wrong}").path
    page.locator("article input[type=search]").fill("interpolation")
    page.keyboard.press("Enter")
    page.locator("#search-results li").first.wait_for()
    assert page.url.startswith(f"{published}/search.html?q=interpolation")
    page.goto(f"{published}/{wrong}")
    page.get_by_role("link", name="front page").click()
    assert page.url == f"{published}/{pages()[0]}.html"
    context.close()


@pytest.mark.parametrize("page", chapters())
def test_a_chapter_begins_with_what_it_costs(site, page):
    head = soup(site, page).select_one("article h1 + .course-header")
    costs = [item.get_text() for item in head.select(".course-costs li")]
    assert re.fullmatch(r"\d+ s on two processor cores", costs[0])
    assert re.fullmatch(r"\d+ s with a GPU", costs[1])
    assert re.fullmatch(r"\d+ MB of memory at most", costs[2])
    links = {link.get_text(): link["href"] for link in head.select(".course-launch a")}
    assert sorted(links) == ["Run in Binder", "Run in Colab"]
    assert all(address.endswith(f"{page}.ipynb") for address in links.values())


def test_the_front_page_moves_without_a_kernel(visit):
    seen = visit(f"{pages()[0]}.html").page
    stage = seen.locator("figure.srlib-compare .srlib-stage")
    before = Image.open(io.BytesIO(stage.screenshot())).convert("RGB").tobytes()
    stage.focus()
    for _ in range(10):
        seen.keyboard.press("ArrowRight")
    assert Image.open(io.BytesIO(stage.screenshot())).convert("RGB").tobytes() != before


def test_the_cards_of_the_front_page_lead_to_the_parts(site):
    cards = soup(site, pages()[0]).select(".sd-card")
    targets = [card.select_one("a.sd-stretched-link")["href"] for card in cards]
    assert targets == [
        "pixels/interpolation.html", "networks/fully-convolutional.html", "perception/perceptual-loss.html",
        "loops/drn.html", "real/frequency-density.html",
    ]  # fmt: skip
    assert all(card.img["alt"] and (site / "book" / card.img["src"]).is_file() for card in cards)


def test_on_paper_there_is_only_the_text(visit):
    seen = visit(f"{chapters()[0]}.html", width=794).page  # A4 at 96 dots per inch
    seen.emulate_media(media="print")
    for gone in (
        ".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", ".prev-next-area", ".course-launch",
        ".srlib-bar", ".srlib-hint", "details.hide:not([open])",
    ):  # fmt: skip
        shown = seen.eval_on_selector_all(gone, "all => all.filter(each => each.getClientRects().length).length")
        assert shown == 0, f"{gone} is printed"
    assert seen.locator(".srlib-caption").first.is_visible()
    cut = "all => all.filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.innerText.slice(0, 80))"
    assert seen.eval_on_selector_all("article pre", cut) == []
    assert seen.pdf(format="A4")[:5] == b"%PDF-"


def test_what_a_cell_answers_is_dark_in_the_dark(visit):
    seen = visit(f"{chapters()[0]}.html", scheme="dark").page
    paper = "all => all.map(each => getComputedStyle(each).backgroundColor)"
    assert set(seen.eval_on_selector_all("div.cell_output div.text_html", paper)) == {"rgba(0, 0, 0, 0)"}


def test_the_line_of_costs_becomes_a_header():
    line = "<p><strong>CPU</strong> 25 s · <strong>GPU</strong> 5 s · <strong>Memory</strong> 600 MB</p>"
    html = markup.costs(f"<h1>A</h1>{line}<p>text</p>{line}", {"Colab": "https://a/?x=1&y=2"})
    assert html.count('class="course-header"') == 1 and html.count(line) == 1
    assert "<strong>600 MB</strong> of memory" in html and 'href="https://a/?x=1&amp;y=2"' in html
    assert markup.costs("<p>text</p>", {}) == "<p>text</p>"


def test_a_picture_opens_its_file_once():
    plain = '<img alt="a" src="../_images/a.png" />'
    linked = f'<a class="reference internal image-reference" href="../_images/a.png">{plain}</a>'
    assert markup.open_pictures(plain) == linked
    assert markup.open_pictures(linked) == linked
    for other in ('<img class="sd-card-img-top" src="_images/a.webp">', '<img src="data:image/png;base64,AA==">'):
        assert markup.open_pictures(other) == other


@pytest.mark.parametrize("page", chapters())
def test_a_number_below_zero_has_a_minus_sign(site, page):
    text = soup(site, page).article
    for code in text.select("pre, code, script, .srlib-widget, mjx-container, svg"):
        code.decompose()
    assert extension.MINUS.findall(" ".join(text.stripped_strings)) == []


def test_a_hyphen_is_no_minus_sign():
    text = "-3 dB, (-0.5), 8-bit, 3-4, F-1, a -1.2%"
    assert extension.MINUS.sub("−", text) == "−3 dB, (−0.5), 8-bit, 3-4, F-1, a −1.2%"


def test_an_empty_head_of_a_table_is_no_head():
    assert markup.mend('<th class="head text-left"><p></p></th>') == '<td class="head text-left"></td>'
    assert markup.mend('<th class="head"><p>a</p></th>') == '<th class="head"><p>a</p></th>'


def test_a_signature_of_several_lines_is_no_list_of_definitions():
    line = '<dd><em class="sig-param"><span>pixels</span></em>,</dd>'
    html = markup.mend(f"<dt>f(<dl>\n{line}\n{line}\n</dl>\n)</dt><dl><dt>a</dt><dd>b</dd></dl>")
    assert html.count("<dl>") == 1 and html.count('<span class="course-parameter">') == 2
    assert html.count("</span>") == html.count("<span") and "<dt>a</dt><dd>b</dd>" in html
