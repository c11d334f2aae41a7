"""Sphinx extension: where a chapter names something that it imports from srlib, the name leads to the API reference.

That holds for code in sentences, and in code cells for the first mention in each cell.
"""

import ast
import html
import re
from functools import cache

import nbformat
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from book._tools.docstrings import entry_of
from book._tools.pages import chapters, source

CELL = re.compile(r'(<div class="highlight-ipython3 notranslate"><div class="highlight"><pre>)(.*?)(</pre>)', re.DOTALL)
NAME = re.compile(r'<span class="n[a-z]?">([A-Za-z_][\w.]*)</span>')
WORDS = re.compile(r"([A-Za-z_][\w.]*)(\(.*\))?")


@cache
def imported(page: str) -> dict[str, str]:
    """The names that a chapter imports from srlib, with their entries in the reference."""
    found = {}
    for cell in nbformat.read(source(page), as_version=4).cells:
        if cell.cell_type != "code" or "install" in cell.get("id", ""):
            continue
        for node in ast.walk(ast.parse(re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", cell.source))):
            if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "srlib":
                for alias in node.names:
                    if entry := entry_of(f"{node.module}.{alias.name}"):
                        found[alias.asname or alias.name] = entry
    return found


@cache
def short_title(page: str) -> str:
    """A chapter's title, as far as its colon."""
    first = nbformat.read(source(page), as_version=4).cells[0].source.splitlines()[0]
    return first.removeprefix("# ").partition(":")[0]


@cache
def used_in(entry: str) -> list[tuple[str, str]]:
    """The chapters that import something, as page and title."""
    return [(page, short_title(page)) for page in chapters() if entry in imported(page).values()]


def entry_named(page: str, text: str) -> str | None:
    """The entry that a piece of code means: a name that the page imports, a method of one, or a call of either."""
    match = WORDS.fullmatch(text)
    if not match:
        return None
    first, _, rest = match[1].partition(".")
    if first == "srlib":
        return entry_of(match[1]) if rest else None
    if first not in imported(page):
        return None
    return entry_of(f"{imported(page)[first]}.{rest}") if rest else imported(page)[first]


class LinkCode(SphinxTransform):
    """Make links of the code in a chapter's sentences, before references are resolved."""

    default_priority = 400

    def apply(self, **_: object) -> None:
        if self.env.docname not in chapters():
            return
        for literal in list(self.document.findall(nodes.literal)):
            entry = entry_named(self.env.docname, literal.astext())
            if entry and not _inside(literal, nodes.title, nodes.reference, pending_xref):
                kind = {"refdomain": "py", "reftype": "obj", "reftarget": entry, "refexplicit": True}
                link = pending_xref("", refdoc=self.env.docname, refwarn=True, **kind)
                literal.replace_self(link)
                link += literal


def _inside(node: nodes.Node, *kinds: type) -> bool:
    while node := node.parent:
        if isinstance(node, kinds):
            return True
    return False


def link_cells(app: Sphinx, page: str, template: str, context: dict[str, object], doctree: object) -> None:
    """Link names in code cells. The code keeps its colours, and the tabulator does not stop at each of them."""
    if page not in chapters() or "body" not in context:
        return
    objects = app.env.get_domain("py").objects

    def address(entry: str) -> str:
        known = objects[entry]
        return f"{app.builder.get_relative_uri(page, known.docname)}#{known.node_id}"

    def cell(match: re.Match) -> str:
        seen = set()

        def name(word: re.Match) -> str:
            before, after = match[2][: word.start()], match[2][word.end() :]
            entry = entry_named(page, html.unescape(word[1]))
            attribute = before.endswith('<span class="o">.</span>')
            keyword = re.match(r'<span class="o">=</span>\S', after)
            if entry not in objects or entry in seen or attribute or keyword:
                return word[0]
            seen.add(entry)
            return f'<a class="srlib-api" href="{address(entry)}" tabindex="-1" title="{entry}">{word[0]}</a>'

        return match[1] + NAME.sub(name, match[2]) + match[3]

    context["body"] = CELL.sub(cell, context["body"])


def setup(app: Sphinx) -> dict[str, object]:
    app.add_transform(LinkCode)
    app.connect("html-page-context", link_cells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
