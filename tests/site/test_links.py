"""Every link, anchor, reference, download and launch button on every page leads to something."""

import re
import shutil
import subprocess
from collections import Counter
from urllib.parse import unquote, urlsplit

import pytest

from book._tools import links
from book._tools.links import Html
from book._tools.pages import ROOT, chapters, pages, settings

pytestmark = pytest.mark.site

REPOSITORY = settings()["repository"]["url"].removeprefix("https://github.com/")
BRANCH = settings()["repository"]["branch"]
LAUNCH = {
    "colab": re.compile(rf"https://colab\.research\.google\.com/github/{REPOSITORY}/blob/{BRANCH}/(.+)"),
    "binder": re.compile(rf"https://mybinder\.org/v2/gh/{REPOSITORY}/{BRANCH}\?urlpath=lab/tree/(.+)"),
}
IN_GIT = re.compile(rf"https://github\.com/{REPOSITORY}/(?:blob|edit|raw|tree)/([^/]+)/([^#?]+)")


@pytest.fixture(scope="session")
def read(site) -> dict[str, Html]:
    """Every page, parsed once: those of the book, and those that Sphinx makes."""
    return {path.relative_to(site).as_posix(): Html(path) for path in links.documents(site)}


@pytest.fixture(scope="session")
def tracked() -> set[str]:
    """The files git has or would add; outside a checkout, the files that are there."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return {name for name in listed.split("\0") if (ROOT / name).is_file()}
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / "book").rglob("*") if path.is_file()}


def on_every_page(read, wrong) -> list[str]:
    """What `wrong` says about the pages, one line for each fault."""
    return [f"{name}: {fault}" for name, page in read.items() for fault in wrong(page)]


def test_every_page_is_looked_at(read):
    assert {f"{page}.html" for page in pages()} | {"index.html", "genindex.html", "search.html"} <= read.keys()


def test_internal_links_lead_to_a_page_and_a_place_on_it(read, site):
    def wrong(page):
        for link in page.links:
            if (target := links.inside(link, page.path, site)) is None:
                continue
            file, anchor = target[0].resolve(), target[1]
            there = read.get(file.relative_to(site).as_posix()) if file.is_relative_to(site) else None
            if not file.is_file():
                yield f"{link} leads nowhere"
            elif anchor and there and anchor not in there.names:
                yield f"{link} names no place on its page"

    assert on_every_page(read, wrong) == []


def test_what_pages_load_is_there(read, site):
    def wrong(page):
        for source in page.loads:
            target = links.inside(source, page.path, site)
            if target and not target[0].is_file():
                yield f"{source[:200]} is not there"

    assert on_every_page(read, wrong) == []


def test_what_styles_load_is_there(site):
    missing = []
    for style in site.rglob("*.css"):
        for url in links.urls(re.sub(r"/\*.*?\*/", "", style.read_text(encoding="utf-8"), flags=re.S)):
            if not url.startswith(("data:", "#")) and not (style.parent / unquote(urlsplit(url).path)).is_file():
                missing.append(f"{style.relative_to(site)}: {url}")
    assert missing == []


def test_references_carry_the_number_of_their_figure(read, site):
    def wrong(page):
        for link, said in page.references:
            file, name = links.inside(link, page.path, site)
            number = read[file.resolve().relative_to(site).as_posix()].numbers.get(name)
            if number != said:
                yield f"{link} is called {said} and is {number}"

    assert on_every_page(read, wrong) == []
    assert any(page.references for page in read.values())


def test_launch_buttons_open_files_of_the_repository(read, tracked):
    def wrong(page):
        for link in page.links:
            for name, pattern in LAUNCH.items():
                if name in urlsplit(link).netloc:
                    opened = pattern.fullmatch(link)
                    if not opened or opened[1] not in tracked or not opened[1].endswith(".ipynb"):
                        yield f"{link} opens no notebook of this repository"

    assert on_every_page(read, wrong) == []


@pytest.mark.parametrize("page", chapters())
def test_a_chapter_opens_itself(read, page):
    for pattern in LAUNCH.values():
        opened = {found[1] for link in read[f"{page}.html"].links if (found := pattern.fullmatch(link))}
        assert opened == {f"{page}.ipynb"}


def test_pages_without_a_kernel_have_no_launch_button_of_their_own(read):
    """Colab shows the source of a `.md` file; a list of chapters may open notebooks."""
    for name in read.keys() - {f"{page}.html" for page in chapters()}:
        own = re.compile(rf"//[\w.]*(?:colab|binder)[\w.]*/.*\b{re.escape(name.removesuffix('.html'))}\.\w+$")
        assert [link for link in read[name].links if own.search(link)] == []


def test_links_to_the_repository_name_its_files(read, tracked):
    def wrong(page):
        for link in page.links:
            if found := IN_GIT.match(link):
                path = unquote(found[2]).rstrip("/")
                if path not in tracked and not any(name.startswith(f"{path}/") for name in tracked):
                    yield f"{link} is not in the repository"

    assert on_every_page(read, wrong) == []


def test_addresses_outside_are_listed_and_safe(read, capsys):
    assert links.main() == 0
    lines = links.LIST.read_text(encoding="utf-8").splitlines()
    listed = [line.split("  ")[0] for line in lines]
    assert [address for address in listed if not address.startswith("https://")] == []
    assert max(Counter(listed).values()) == 1
    everywhere = {link.partition("#")[0] for page in read.values() for link in page.links if "://" in link}
    ours = {link for link in everywhere if link.startswith(links.base())}
    assert set(listed) == everywhere - ours
    assert f"{len(lines)} addresses" in capsys.readouterr().out


# The reader of pages itself


@pytest.fixture
def small_site(tmp_path):
    (tmp_path / "book").mkdir()
    page = tmp_path / "book" / "page.html"
    page.write_text(
        '<style>p { background: url("b.png") }</style><a name="old" href="../index.html#top">up</a>'
        '<img src="a.png" srcset="a.png 1x, c.png 2x"><p id="here" style="background: url(d.png)">'
        '<figure id="fig-one"><span class="caption-number">Fig. 1 </span></figure>'
        '<a href="#fig-one"><span class="std std-numref">Fig. 1</span></a>'
        '<a href="http://example.org/x#y">out</a><meta content="https://example.org/card.png">'
        '<script>import("_static/from-the-root.js")</script>'
        '<script type="application/json">{"images": ["", "../_images/e.webp"]}</script>'
    )
    (tmp_path / "index.html").write_text('<p id="top">')
    return tmp_path


def test_a_page_is_read(small_site):
    page = Html(small_site / "book" / "page.html")
    assert page.names == {"old", "here", "fig-one"}
    assert page.links == ["../index.html#top", "#fig-one", "http://example.org/x#y"]
    assert page.loads == [
        "b.png",
        "a.png",
        "a.png",
        "c.png",
        "d.png",
        "https://example.org/card.png",
        "../_images/e.webp",
    ]
    assert page.numbers == {"fig-one": "Fig. 1"} and page.references == [("#fig-one", "Fig. 1")]
    assert links.outside([page], small_site) == {"http://example.org/x": ["book/page.html"]}


@pytest.mark.parametrize(
    ("link", "meant"),
    [
        ("../index.html#top", ("index.html", "top")),
        ("#here", ("book/page.html", "here")),
        ("other%20page.html?q=1", ("book/other page.html", "")),
        ("https://host.example/sr/", ("index.html", "")),
        ("/sr/book/page.html", ("book/page.html", "")),
        ("../../elsewhere.html", ("../elsewhere.html", "")),
        ("mailto:someone@example.org", None),
        ("//example.org/x.js", None),
        ("https://host.example/another/", None),
    ],
)
def test_a_link_means_a_file_of_the_site_or_another_server(small_site, monkeypatch, link, meant):
    monkeypatch.setenv("SRLIB_BASEURL", "https://host.example/sr")
    found = links.inside(link, small_site / "book" / "page.html", small_site)
    assert found == (meant and (small_site / meant[0], meant[1]))


def test_without_a_site_there_is_nothing_to_list(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(links, "SITE", tmp_path)
    assert links.main() == 1
    assert "make book" in capsys.readouterr().err
