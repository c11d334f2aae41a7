"""The back matter: every public name described, every paper cited, every figure and equation numbered, no dead term."""

import argparse
import inspect
import itertools
import re
import runpy
from functools import cache
from pathlib import PurePosixPath

import nbformat
import pytest
from bs4 import BeautifulSoup

from book._tools.codelinks import entry_named, imported
from book._tools.docstrings import constants, listed, modules, papers, restructured
from book._tools.numbering import terms
from book._tools.pages import ROOT, chapters, pages, settings, source
from book._tools.reference import expanded, has_code

pytestmark = pytest.mark.site
each_chapter = pytest.mark.parametrize("page", chapters())
API = [page for page in pages() if page.startswith("book/api/")]


@cache
def soup(site, page: str) -> BeautifulSoup:
    html = (site / f"{page}.html").read_text(encoding="utf-8")
    return BeautifulSoup(re.sub(r"data:image/[^\"']+", "data:,", html), "html.parser")


@cache
def entries(site) -> dict[str, tuple[str, BeautifulSoup]]:
    """The page and the signature of everything that the reference describes."""
    return {tag["id"]: (page, tag) for page in API for tag in soup(site, page).select("dt.sig[id]")}


def public() -> list[str]:
    found = []
    for name, module in modules().items():
        things = {key: thing for key, thing in vars(module).items() if listed(thing) and thing.__module__ == name}
        found += [f"{name}.{key}" for key in (*things, *constants(name)) if not key.startswith("_")]
    return found


def test_every_public_name_has_an_entry(site):
    assert len(public()) > 300
    missing = sorted(set(public()) - set(entries(site)))
    assert missing == [], "name the module, or its package, on a page of book/api"


def test_every_module_stands_on_one_page_and_in_its_layer(site):
    described = re.compile(r"\.\. described::\n(.*?)```", re.DOTALL)
    shown = [name for page in API for text in described.findall(source(page).read_text()) for name in expanded(text)]
    assert sorted(shown) == sorted(set(modules()) - {"srlib"})
    place = runpy.run_path(str(ROOT / "tests/test_layers.py"))["place"]
    tables = [
        [name for name in expanded(block) if has_code(name)]
        for block in re.findall(r"\.\. modules::\n(.*?)```", source("book/api/index").read_text(), re.DOTALL)
    ]
    assert sorted(sum(tables, [])) == sorted(filter(has_code, shown))
    heights = [[place(name.removeprefix("srlib.")) for name in table] for table in tables]
    assert all(max(low) < min(high) for low, high in itertools.pairwise(heights)), "from the ground up"


def test_each_entry_leads_to_its_lines_in_the_repository(site):
    address = f"{settings()['repository']['url']}/blob/main/"
    for name, (_, tag) in entries(site).items():
        link = tag.find("a", href=re.compile("^https://github.com"))
        match = re.fullmatch(r"(srlib/\S+\.py)#L(\d+)(?:-L\d+)?", link["href"].removeprefix(address))
        lines = (ROOT / match[1]).read_text(encoding="utf-8").splitlines()
        start = "\n".join(lines[int(match[2]) - 1 :][:4])  # decorators come first
        assert name.rpartition(".")[2] in start, link["href"]


def test_signatures_could_be_read(site):
    for name, (_, tag) in entries(site).items():
        assert not re.search(r"~\w|0x[0-9a-f]{6}|<(function|class|factory)", tag.get_text()), name


def test_sections_of_docstrings_are_fields(site):
    fields = {}
    for name, (_, tag) in entries(site).items():
        body = tag.find_next_sibling("dd")
        fields[name] = {dt.get_text().rstrip(":") for dt in body.select(":scope > dl.field-list > dt")}
        texts = [paragraph.get_text() for paragraph in body.find_all("p")]
        assert not [text for text in texts if re.match("(Args|Shapes|Raises|Differs from the paper):", text)], name
    assert {"Parameters", "Shapes", "Differs from the paper"} <= fields["srlib.models.fcn.SRCNN"]
    assert {"Parameters", "Shapes", "Raises", "Used in"} <= fields["srlib.inference.upscale"]


def test_a_docstring_keeps_its_signs():
    text = [
        "Mean |x*| of x_ and `a*b`, 2 < 3.",
        "",
        "Args:",
        "    top, left: where;",
        "        pixels.",
        "Shapes: (N,)",
    ]
    assert restructured(text, "srlib.metrics", "srlib.metrics.mean_squared_error") == [
        r"Mean \|x\*\| of x\_ and \ ``a*b``\ , 2 \< 3.",
        "",
        ":Parameters:",
        "",
        "    - **top, left** – where; pixels.",
        "",
        ":Shapes: (N,)",
        "",
    ]


def test_the_commands_are_described_by_their_own_help(site):
    from srlib.cli import COMMANDS

    commands = argparse.ArgumentParser(prog="srlib").add_subparsers()
    for command in COMMANDS:
        command.add(commands)
    shown = {tag.get_text().split()[2]: tag.get_text() for tag in soup(site, "book/api/commands").select("pre")}
    assert set(shown) == set(commands.choices)
    for name, command in commands.choices.items():
        for action in command._actions:
            assert all(option in shown[name] for option in action.option_strings or [action.metavar])


@each_chapter
def test_code_links_to_the_reference(site, page):
    """In sentences and in cells: what the chapter imports, and nothing else; each to the entry with its name."""
    known, cells, words = entries(site), 0, 0
    for link in soup(site, page).select("article a[href*='/api/']"):
        anchor = link["href"].partition("#")[2]
        text = link.get_text()
        if anchor.startswith("module-"):
            assert anchor == f"module-{entry_named(page, text)}"
        elif link.code or "srlib-api" in link.get("class", []):
            assert anchor in known and anchor == entry_named(page, text)
            first = text.partition("(")[0].partition(".")[0]
            assert first in imported(page) or first == "srlib"
        if "srlib-api" in link.get("class", []):
            cells += 1
            assert link["tabindex"] == "-1"
        elif link.code:
            words += 1
    assert cells >= len(imported(page)) and words >= 1
    assert not [link for link in soup(site, page).select("a.srlib-api") if link.get_text() in ("torch", "plt", "show_")]


def test_names_that_are_not_imported_are_left_alone():
    page = "book/pixels/measuring"
    assert entry_named(page, "psnr(sr, hr)") == "srlib.metrics.psnr"
    assert entry_named(page, "Protocol.prepare") == "srlib.metrics.Protocol.prepare"
    for text in ("torch.resize", "EDSR", "hr", "psnr + 1", "srlib", "Protocol.border"):
        assert entry_named(page, text) is None


def test_an_entry_names_the_chapters_that_use_it(site):
    page, tag = entries(site)["srlib.metrics.ssim"]
    used = {link["href"] for link in tag.find_next_sibling("dd").select("a[href*='/pixels/'], a[href*='/perception/']")}
    assert used == {f"../{chapter.removeprefix('book/')}.html" for chapter in chapters() if _uses(chapter, "ssim")}


def _uses(chapter: str, name: str) -> bool:
    text = source(chapter).read_text(encoding="utf-8")
    return bool(re.search(rf"from srlib\.metrics import [^\n]*\b{name}\b", text))


@each_chapter
def test_chapters_link_words_of_the_field(site, page):
    links = [a["href"].partition("#")[2] for a in soup(site, page).select("article a[href*='glossary.html#term-']")]
    assert 4 <= len(set(links)) <= 10
    assert len(links) == len(set(links)), "only the first use of a term is a link"
    assert set(links) <= set(terms())


def test_the_glossary_explains_each_term_where_a_chapter_does(site):
    glossary = soup(site, "book/glossary").select_one("dl.glossary")
    assert {dt["id"] for dt in glossary.find_all("dt")} == set(terms()) and len(terms()) >= 45
    for definition in glossary.find_all("dd"):
        sentences = re.findall(r"[.?](?:\s|$)", definition.get_text().strip())
        assert 1 <= len(sentences) <= 4, definition.get_text()
        assert definition.select("a[href$='.html']"), definition.get_text()
    names = [dt.get_text().rstrip("#").casefold() for dt in glossary.select("dt:first-child, dd + dt")]
    assert names == sorted(names)


def test_every_paper_is_cited():
    cited = set()
    for page in pages():
        text = source(page).read_text(encoding="utf-8")
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text):
            cited |= {key.strip() for key in keys.split(",")}
    cited |= set(re.findall(r":paper:`[^`<]*<(\w+)>`", "\n".join(described())))
    assert sorted(set(papers()) - cited) == []


def described() -> list[str]:
    """The docstrings of the reference, converted."""
    found = []
    for name, module in modules().items():
        for key, thing in [("", module), *vars(module).items()]:
            if thing is module or (listed(thing) and thing.__module__ == name):
                lines = (inspect.getdoc(thing) or "").splitlines()
                found += restructured(lines, name, f"{name}.{key}".rstrip("."))
    return found


def test_every_paper_that_a_docstring_names_is_in_the_bibliography():
    for line in described():
        rest = re.sub(r":paper:`[^`]*`", "", line)
        assert not re.search(r"[A-Z][\w’-]+[^.;]{0,60}\b(19|20)\d\d\b(?!²)", rest), rest


def test_entries_of_the_bibliography_are_complete():
    without = {key for key, entry in papers().items() if not {"doi", "eprint", "url"} & set(entry.fields)}
    # older than identifiers, and in no archive of their publishers
    assert without <= {"tikhonov1963regularization", "morozov1966functional", "tsai1984multiframe"} | {
        "kuglin1975phase",
        "lucas1981iterative",
    }
    for key, entry in papers().items():
        assert entry.persons["author"] and entry.fields["title"] and entry.fields["year"], key
        assert {"journal", "booktitle", "publisher", "eprint", "url"} & set(entry.fields), key


@each_chapter
def test_every_figure_has_the_next_number(site, page):
    numbers = []
    for caption in soup(site, page).select("article figcaption"):
        number = caption.select_one(".caption-number")
        assert number, f"no number: {caption.get_text()[:80]}"
        numbers.append(number.get_text().strip())
    chapter = chapters().index(page) + 1
    assert numbers == [f"Figure {chapter}.{n}" for n in range(1, len(numbers) + 1)]
    assert soup(site, page).select("figure.srlib-widget figcaption .caption-number")


@each_chapter
def test_every_equation_has_the_next_number(site, page):
    blocks = soup(site, page).select("article div.math")
    numbers = [block.select_one(".eqno").get_text().strip("#() ") for block in blocks]
    chapter = chapters().index(page) + 1
    assert numbers == [f"{chapter}.{n}" for n in range(1, len(numbers) + 1)]


@each_chapter
def test_references_to_figures_and_equations_resolve(site, page):
    text = "\n".join(cell.source for cell in nbformat.read(source(page), as_version=4).cells)
    wanted = re.findall(r"\{(?:numref|eq)\}`([\w-]+)`", text)
    links = [a for a in soup(site, page).select("article a[href]") if re.fullmatch(r"(Figure )?\(?\d+\.\d+\)?", a.text)]
    assert len(links) >= len(wanted)
    places = {tag["id"] for tag in soup(site, page).find_all(id=True)}
    assert {link["href"].removeprefix("#") for link in links if link["href"].startswith("#")} <= places


def test_the_index_leads_from_terms_to_chapters(site):
    index = soup(site, "genindex")
    assert soup(site, pages()[0]).select("nav a[href$='genindex.html']")
    row = index.find("a", string="aliasing").find_parent("li")
    leads = {PurePosixPath(a["href"].partition("#")[0]).name for a in row.find_all("a")}
    assert {"glossary.html", "interpolation.html"} <= leads
    for link in index.select("table.indextable a[href]"):
        page, _, place = link["href"].partition("#")
        assert soup(site, page.removesuffix(".html")).find(id=place), link["href"]
