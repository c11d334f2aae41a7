"""Docstrings of srlib as reStructuredText: `Args:`, `Shapes:`, `Raises:` become fields, names and papers become links.

Docstrings are written for `help()`, in plain text with `code` in single backticks. A bar, a star or an underscore in
them means itself, so everything else is escaped.
"""

import inspect
import re
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType

from pybtex.database import Entry, parse_file

from book._tools.pages import ROOT

FIELD = re.compile(r"^(Args|Returns|Shapes|Raises|Source|Differs from the paper):(?: +(.*))?$")
ARGUMENT = re.compile(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*): (.*)$")
CODE = re.compile(r"(``?)(.+?)\1")
CITATION = 260  # characters of the longest


@cache
def modules() -> dict[str, ModuleType]:
    """Every module of srlib by name, but the one that only starts the command line."""
    import srlib

    names = ["srlib", *(found.name for found in walk_packages(srlib.__path__, "srlib."))]
    return {name: import_module(name) for name in names if not name.endswith("__main__")}


@cache
def constants(module: str) -> dict[str, int]:
    """The public capitalised names that a module itself assigns, with their lines."""
    lines = inspect.getsource(modules()[module]).splitlines()
    found = ((re.match(r"([A-Z]\w+)(?:: .+?)? = ", line), number) for number, line in enumerate(lines, 1))
    return {match[1]: number for match, number in found if match}


def entry_of(path: str) -> str | None:
    """The name under which the API reference lists something: where it is defined, not where it was imported.

    Args:
        path: dotted, from `srlib` on.
    """
    if path in modules():
        return path
    *parts, name = path.split(".")
    for cut in range(len(parts), 0, -1):
        if (module := ".".join(parts[:cut])) in modules():
            return _inside(modules()[module], [*parts[cut:], name])
    return None


def _inside(module: ModuleType, names: list[str]) -> str | None:
    if len(names) == 1 and not hasattr(vars(module).get(names[0], module), "__qualname__"):
        where = [module.__name__, *(other for other in modules() if other != module.__name__)]
        same = (m for m in where if names[0] in constants(m) and names[0] in vars(module))
        return next(
            (f"{m}.{names[0]}" for m in same if getattr(modules()[m], names[0]) is vars(module)[names[0]]), None
        )
    thing = vars(module).get(names[0])
    for name in names[1:]:
        thing = vars(thing).get(name) if inspect.isclass(thing) else None
    if not listed(thing):
        return None
    return f"{thing.__module__}.{thing.__qualname__}"


def listed(thing: object) -> bool:
    """Whether the reference has an entry: public functions and classes, and methods that say what they do."""
    thing = thing.fget if isinstance(thing, property) else inspect.unwrap(thing) if callable(thing) else thing
    if not (inspect.isfunction(thing) or inspect.isclass(thing)) or not thing.__module__.startswith("srlib"):
        return False
    if "<" in thing.__qualname__ or any(part.startswith("_") for part in thing.__qualname__.split(".")):
        return False
    return "." not in thing.__qualname__ or bool(thing.__doc__)


@cache
def papers() -> dict[str, Entry]:
    """The bibliography by key."""
    return dict(parse_file(str(ROOT / "book/references.bib"), bib_format="bibtex").entries)


def first_author(key: str) -> str:
    return " ".join(str(name) for name in papers()[key].persons["author"][0].rich_last_names)


def likeness(key: str, text: str) -> tuple[bool, int]:
    """Whether a text names the venue of a paper by its letters, and how many words it shares with its title."""
    fields = papers()[key].fields
    letters = "".join(re.findall("[A-Z]", fields.get("booktitle", fields.get("journal", ""))))
    venue = [word.removesuffix("W") in letters for word in re.findall(r"[A-Z]{4,}", text)[-1:]]
    words = [*re.findall(r"[a-z]{5,}", fields["title"].lower()), re.split(r"\d+", key)[-1]]
    return any(venue), sum(word in text.lower() for word in words)


def named(text: str) -> tuple[int, str] | None:
    """Where the paper whose year ends a text begins to be named, and its key in the bibliography.

    "Dong et al., TPAMI 2016", "Lee, Mumford & Huang, IJCV 2001", "Lucy 1974": the first author and the year decide, and
    where that leaves two, the venue and the words around.
    """
    found = []
    for key, entry in papers().items():
        starts = [match.start() for match in re.finditer(rf"\b{first_author(key)}\b", text)]
        if starts and text.endswith(entry.fields["year"]):
            found.append((starts[-1], likeness(key, text), key))
    if not found:
        return None
    start, _, key = max(found)
    return start, key


def escaped(text: str) -> str:
    return re.sub(r"([\\*_|`<>\[\]:])", r"\\\1", text)


def prose(text: str) -> str:
    """Text without code: papers become links, everything else stands for itself."""
    done, end = [], 0
    for year in re.finditer(r"\b(?:19|20)\d\d\b", text):
        if paper := named(text[max(end, year.end() - CITATION) : year.end()]):
            start = max(end, year.end() - CITATION) + paper[0]
            stop = year.end() + (text[year.end() :].startswith(")") and "(" in text[start : year.end()])
            done += [escaped(text[end:start]), f"\\ :paper:`{text[start:stop]} <{paper[1]}>`\\ "]
            end = stop
    return "".join(done) + escaped(text[end:])


def inline(text: str, module: str, owner: str) -> str:
    """One paragraph: code in backticks becomes code, and a link where it names something of srlib."""
    parts, end = [], 0
    for match in CODE.finditer(text):
        parts += [prose(text[end : match.start()]), _code(match[2], module, owner)]
        end = match.end()
    return "".join(parts) + prose(text[end:])


def _code(text: str, module: str, owner: str) -> str:
    if re.fullmatch(r"[A-Za-z_][\w.]*", text):
        for scope in (owner, module, "srlib"):
            entry = entry_of(f"{scope}.{text}") or (entry_of(text) if text.startswith("srlib.") else None)
            if entry and entry != owner:
                return f"\\ :py:obj:`{text} <{entry}>`\\ "
    return f"\\ ``{text}``\\ "


def restructured(lines: list[str], module: str, owner: str) -> list[str]:
    """A docstring, its lines unindented, as reStructuredText."""
    done, fields = [], []
    for head, body in _blocks(lines):
        if head == "Args":
            fields += [":Parameters:", ""]
            fields += [f"    - **{name}** – {inline(text, module, owner)}" for name, text in _arguments(body)]
            fields += [""]
        elif head:
            fields.append(f":{head}: {inline(_joined(body), module, owner)}")
        elif body and all(line.startswith("    ") for line in body):
            done += ["::", "", *body, ""]
        else:
            done += [inline(_joined(body), module, owner), ""]
    return [*done, *fields, ""]


def _blocks(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Paragraphs, and sections with their names."""
    blocks = [("", [])]
    for line in lines:
        match = FIELD.match(line)
        if match:
            blocks.append((match[1], [match[2]] if match[2] else []))
        elif not line.strip() and not blocks[-1][0]:
            blocks.append(("", []))
        elif line.strip() and blocks[-1][0] and not line.startswith(" "):
            blocks.append(("", [line]))
        elif line.strip() and not blocks[-1][0] and blocks[-1][1] and (line[0] == " ") != (blocks[-1][1][0][0] == " "):
            blocks.append(("", [line]))  # code begins or ends without an empty line
        elif line.strip():
            blocks[-1][1].append(line)
    return [(head, body) for head, body in blocks if head or body]


def _arguments(body: list[str]) -> list[tuple[str, str]]:
    found = []
    for line in body:
        if match := ARGUMENT.match(line.strip()):
            found.append((escaped(match[1]), match[2]))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
    return found


def _joined(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)
