"""Sphinx extension: the API reference, from the docstrings, the source and the commands' own help."""

import argparse
import inspect
import os
import re
from pathlib import Path
from unittest import mock

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.roles import XRefRole
from sphinx.util.nodes import make_refnode

from book._tools.codelinks import used_in
from book._tools.docstrings import constants, escaped, listed, modules, restructured
from book._tools.pages import ROOT, settings

# What signatures name and no page here describes. Names of srlib are not in it, but for type variables: all others have
# to resolve.
OUTSIDE = [
    (
        "py:.*",
        r"(torch|onnx|numpy|PIL|tqdm|ipywidgets|os|matplotlib|argparse|collections|pathlib|typing|types|contextlib|functools|fractions|socket|datetime|subprocess|t)\..*",
    ),
    ("py:.*", r"(int|float|str|bool|bytes|object|list|dict|tuple|set|range|type|None|Path|Ellipsis|\.\.\.)"),
    ("py:class", r"srlib\.video\.clips\._Item"),
    ("py:.*", r"(Exception|ValueError|RuntimeError|OSError|ConnectionError)"),
]
AUTODOC = {
    "add_module_names": False,
    "autodoc_default_options": {"members": True, "undoc-members": True, "member-order": "bysource"},
    "autodoc_preserve_defaults": True,
    "autodoc_inherit_docstrings": False,
    "autodoc_typehints": "signature",
    "python_use_unqualified_type_names": True,
    "maximum_signature_line_length": 80,
    "toc_object_entries_show_parents": "hide",
}


def configure(app: Sphinx, config: Config) -> None:
    for name, value in AUTODOC.items():
        config[name] = value
    config.nitpick_ignore_regex = [*config.nitpick_ignore_regex, *OUTSIDE]
    config.linkcode_resolve = source_address


def skip(app: Sphinx, what: str, name: str, thing: object, skipped: bool, options: object) -> bool | None:
    """List functions and classes, and of a class the methods that say what they do, but no function that it stores."""
    own = getattr(thing, "__qualname__", name).rpartition(".")[2] == name
    return None if not name.startswith("_") and listed(thing) and own else True


def convert(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """A docstring in our form to one in Sphinx's, with the chapters that use the thing, and a module's constants."""
    module = max((other for other in modules() if f"{name}.".startswith(f"{other}.")), key=len)
    lines[:] = restructured(lines, module, name)
    if what == "module":
        for constant in constants(module):
            lines += [f".. py:data:: {constant}", *value(module, constant), ""]
            said = [*restructured([comment(module, constant)], module, name), *use(f"{name}.{constant}"), ""]
            lines += [f"   {line}" for line in said]
    else:
        lines[-1:] = [*use(name), ""]


def shorten(app: Sphinx, what: str, name: str, thing: object, options: object, signature: str, returns: str) -> tuple:
    """A function as the default of a field by its name, not by its address, with which no signature can be read."""
    pattern = r"<(?:function|class) '?(?:[\w.]*\.)?(\w+)'?(?: at 0x[0-9a-f]+)?>"
    return signature and re.sub(pattern, r"\1", signature).replace("<factory>", "..."), returns


def comment(module: str, name: str) -> str:
    """What the source says behind a constant, on its line."""
    line = inspect.getsource(modules()[module]).splitlines()[constants(module)[name] - 1]
    text = line.partition("  # ")[2]
    return f"{text[0].upper()}{text[1:]}." if text else ""


def value(module: str, name: str) -> list[str]:
    """The option that shows a constant's value, where that fits on a line and says something."""
    text = repr(getattr(modules()[module], name))
    return [f"   :value: {text}"] if len(text) <= 72 and "<" not in text else []


def use(entry: str) -> list[str]:
    """The field with the chapters that import something."""
    links = [f":doc:`{escaped(title)} </{page}>`" for page, title in used_in(entry)]
    return [f":Used in: {', '.join(links)}"] if links else []


def source_address(domain: str, info: dict[str, str]) -> str | None:
    """The lines of the repository where something is defined."""
    if domain != "py" or info["module"] not in modules():
        return None
    module, name = modules()[info["module"]], info["fullname"]
    path = inspect.getsourcefile(module)
    if name in constants(module.__name__):
        place = f"L{constants(module.__name__)[name]}"
    else:
        thing = module
        for part in name.split("."):
            thing = inspect.getattr_static(thing, part)
        thing = thing.fget if isinstance(thing, property) else getattr(thing, "__func__", thing)
        path = inspect.getsourcefile(inspect.unwrap(thing))
        lines, first = inspect.getsourcelines(inspect.unwrap(thing))
        place = f"L{first}-L{first + len(lines) - 1}"
    repository = settings()["repository"]
    return f"{repository['url']}/blob/{repository['branch']}/{Path(path).relative_to(ROOT).as_posix()}#{place}"


def resolve_paper(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Element) -> nodes.Element | None:
    """`paper` links a paper's name in a docstring to its entry in the bibliography."""
    if node["reftype"] != "paper":
        return None
    for citation in env.get_domain("cite").citations:
        if citation.key == node["reftarget"]:
            where = citation.bibliography_key.docname
            return make_refnode(app.builder, node["refdoc"], where, citation.citation_id, text)
    return None


def expanded(text: str) -> list[str]:
    """The modules that some names stand for: a module for itself, a package for itself and all that is in it."""
    return [module for name in text.split() for module in modules() if f"{module}.".startswith(f"{name}.")]


def has_code(module: str) -> bool:
    """Whether a module describes anything; the `__init__` of most packages has a sentence alone."""
    thing = modules()[module]
    return not hasattr(thing, "__path__") or any(
        listed(each) and each.__module__ == module for each in vars(thing).values()
    )


class Described(Directive):
    """All that modules define, a section for each module. The content is names of modules and packages."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        found = []
        for name in expanded(" ".join(self.content)):
            section = nodes.section(ids=[nodes.make_id(name)], names=[name])
            section += nodes.title("", name)
            there = section if has_code(name) else nodes.container()
            self.state.nested_parse(StringList([f".. automodule:: {name}"]), self.content_offset, there)
            found.append(there)
        return found


class Modules(Directive):
    """A table: module, and the first sentence of its docstring. The content is names of modules and packages."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        lines = [".. list-table::", "   :widths: 30 70", ""]
        for name in filter(has_code, expanded(" ".join(self.content))):
            said = inspect.getdoc(modules()[name]).partition("\n\n")[0].splitlines()
            short = name.removeprefix("srlib.")
            lines += [f"   * - :py:mod:`{short} <{name}>`", f"     - {restructured(said, name, name)[0]}"]
        container = nodes.container(classes=["srlib-modules"])
        self.state.nested_parse(StringList(lines), self.content_offset, container)
        return [container]


class Networks(Directive):
    """A table of the catalogue: names, numbers of parameters, what is taken in, and what was asked for."""

    def run(self) -> list[nodes.Node]:
        import torch

        from srlib.models.catalogue import CATALOGUE

        lines = [".. list-table::", "   :header-rows: 1", "   :widths: 22 26 30 10 12", ""]
        rows = [("name", "label", "parameters", "takes", "kind")]
        for name, entry in CATALOGUE.items():
            with torch.device("meta"):  # no memory behind the numbers
                sizes = {s: sum(p.numel() for p in entry.build(s).parameters()) for s in entry.scales}
            told = ", ".join(f"{size:,} at ×{scale}" for scale, size in sizes.items())
            if len(set(sizes.values())) == 1:
                told = f"{sizes[entry.scales[0]]:,} at {', '.join(f'×{scale}' for scale in sizes)}"
            takes = {1: "luma", 3: "RGB"}[entry.channels] + (f", {entry.frames} frames" if entry.frames > 1 else "")
            rows.append((f"``{name}``", entry.label, told, takes, entry.kind))
        for row in rows:
            lines += [f"   {'*' if cell is row[0] else ' '} - {cell}" for cell in row]
        container = nodes.container()
        self.state.nested_parse(StringList(lines), self.content_offset, container)
        return [container]


class Commands(Directive):
    """The help of every command, as the command prints it."""

    def run(self) -> list[nodes.Node]:
        from srlib.cli import COMMANDS

        parser = argparse.ArgumentParser(prog="srlib")
        commands = parser.add_subparsers()
        for command in COMMANDS:
            command.add(commands)
        found = []
        for name, command in commands.choices.items():
            with mock.patch.dict(os.environ, {"COLUMNS": "78", "NO_COLOR": "1"}):
                text = command.format_help()
            section = nodes.section(ids=[f"srlib-{name}"], names=[f"srlib {name}"])
            section += [nodes.title("", f"srlib {name}"), nodes.literal_block("", text, language="none")]
            found.append(section)
        return found


def setup(app: Sphinx) -> dict[str, object]:
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.linkcode")
    app.connect("config-inited", configure)
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-docstring", convert)
    app.connect("autodoc-process-signature", shorten)
    app.connect("missing-reference", resolve_paper)
    app.add_role("paper", XRefRole(innernodeclass=nodes.inline, warn_dangling=True))
    app.add_css_file("reference.css")
    app.add_directive("described", Described)
    app.add_directive("modules", Modules)
    app.add_directive("networks", Networks)
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
