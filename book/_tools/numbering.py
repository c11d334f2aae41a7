"""Sphinx extension: numbers for widgets and equations that have none, and the glossary and the index tied to the pages.

Sphinx numbers figures and labelled equations. A widget is HTML in an output, so it becomes a figure here, with the
label `fig-CHAPTER-CELL`. Terms of the glossary can be linked as places on its page, `glossary.md#term-luma`, which
reads well in a notebook too; each such link is also an entry of the index.
"""

import html
import re
from functools import cache
from pathlib import PurePosixPath

import nbformat
from docutils import nodes
from sphinx import addnodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import _make_id

from book._tools.pages import ROOT, chapters, source

CAPTION = re.compile(r'(<figcaption class="srlib-caption">)(.*?)(?=</figcaption>)', re.DOTALL)
GLOSSARY = "book/glossary"


class numbered_widget(nodes.General, nodes.Element):  # docutils writes names of nodes so
    """A widget with its number; the number is put into its caption when the page is written."""


def caption(node: numbered_widget) -> str:
    return node["caption"]


class NumberWidgets(SphinxTransform):
    """Wrap each widget of a chapter that has a caption, so that Sphinx counts it among the figures."""

    default_priority = 200

    def apply(self, **_: object) -> None:
        if self.env.docname not in chapters():
            return
        cells = nbformat.read(source(self.env.docname), as_version=4).cells
        for cell in list(self.document.findall(nodes.container)):
            if cell.get("nb_element") != "cell_code":
                continue
            label = f"fig-{PurePosixPath(self.env.docname).name}-{cells[cell['cell_index']].id}"
            raws = [raw for raw in cell.findall(nodes.raw) if CAPTION.search(raw.astext())]
            for count, raw in enumerate(raws, 1):
                text = html.unescape(CAPTION.search(raw.astext())[2])
                name = label if count == 1 else f"{label}-{count}"
                widget = numbered_widget("", caption=text, names=[name])
                raw.replace_self(widget)
                widget += raw
                self.document.note_explicit_target(widget, widget)


class WriteNumbers(SphinxPostTransform):
    """Put the numbers of the widgets into their captions."""

    default_priority = 500

    def run(self, **_: object) -> None:
        numbers = self.env.toc_fignumbers.get(self.env.docname, {}).get("figure", {})
        for widget in list(self.document.findall(numbered_widget)):
            raw, name = widget[0], widget["ids"][0]
            number = self.config.numfig_format["figure"] % ".".join(map(str, numbers[name]))
            text = CAPTION.sub(rf'\g<1><span class="caption-number">{number} </span>\g<2>', raw.astext(), count=1)
            text = text.replace("<figure ", f'<figure id="{name}" ', 1)
            widget.replace_self(nodes.raw("", text, **raw.attributes))


class NumberEquations(SphinxTransform):
    """Label the displayed equations that have no label, so that Sphinx numbers them like the others."""

    default_priority = 200  # before targets move on to the equations

    def apply(self, **_: object) -> None:
        domain, name = self.env.get_domain("math"), PurePosixPath(self.env.docname).name
        for count, equation in enumerate(list(self.document.findall(nodes.math_block)), 1):
            if equation.get("label") or equation.get("nowrap"):
                continue
            label = f"{name}-{count}"
            equation["label"], equation["docname"] = label, self.env.docname
            domain.note_equation(self.env.docname, label, location=equation)
            equation["number"] = domain.get_equation_number_for(label)
            target = nodes.target("", "", ids=[nodes.make_id(f"equation-{label}")])
            self.document.note_explicit_target(target)
            equation.parent.insert(equation.parent.index(equation), target)


@cache
def terms() -> dict[str, str]:
    """The terms of the glossary by the names of their places on its page."""
    text = (ROOT / f"{GLOSSARY}.md").read_text(encoding="utf-8")
    block = re.search(r"^```+\{glossary\}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[1]
    found = [line for line in block.splitlines() if line.strip() and not line.startswith((" ", ":"))]
    return {_make_id(f"term-{term}"): term for term in found}


class LinkTerms(SphinxTransform):
    """Let pages link to terms of the glossary as places on its page, and enter those links into the index."""

    default_priority = 210

    def apply(self, **_: object) -> None:
        if self.env.docname == GLOSSARY:
            slugs = self.env.metadata[GLOSSARY].setdefault("myst_slugs", {})
            slugs.update({name: (0, name, term) for name, term in terms().items()})
        for count, link in enumerate(list(self.document.findall(pending_xref)), 1):
            term = terms().get(link.get("reftargetid") or "")
            if term and link["reftarget"] == GLOSSARY and link.parent:
                around = link.parent  # the paragraph is the place: the search shows its words, an empty one has none
                around["ids"] = around["ids"] or [f"index-{count}"]
                index = addnodes.index(entries=[("single", term, around["ids"][0], "", None)])
                around.insert(around.index(link), index)
                link["classes"].append("srlib-term")


def add_index(app: Sphinx, doctree: nodes.document) -> None:
    """Put the index, which Sphinx makes itself, at the end of the table of contents."""
    if app.env.docname == app.config.root_doc:
        last = list(doctree.findall(addnodes.toctree))[-1]
        last["entries"].append(("Index", "genindex"))


def setup(app: Sphinx) -> dict[str, object]:
    app.add_enumerable_node(numbered_widget, "figure", caption)
    for transform in (NumberWidgets, NumberEquations, LinkTerms):
        app.add_transform(transform)
    app.add_post_transform(WriteNumbers)
    app.connect("doctree-read", add_index, priority=100)  # before the table of contents is collected
    return {"parallel_read_safe": True, "parallel_write_safe": True}
