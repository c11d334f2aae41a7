"""Every public function, class and method of srlib has a docstring that says what it does and what it raises."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import srlib

PACKAGE = Path(srlib.__file__).parent
SECTIONS = ("Args", "Returns", "Shapes", "Raises", "Source", "Differs from the paper")  # in this order
SECTION = re.compile(rf"^({'|'.join(SECTIONS)}):", re.MULTILINE)
# An author, a venue and a year, "(Lim et al., CVPRW 2017, sec. 3.2)"; or the address of a source that is no paper.
CITATION = re.compile(r"[A-Z][\w’-]+(?: et\s+al\.)?,?[^.;()]{0,60}?\b(?:19|20)\d\d\b|^Source: http", re.MULTILINE)
# The class docstring describes these calls, so they have none of their own.
CALLS = ("__init__", "__post_init__", "__call__", "__getitem__", "forward")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> dict[str, ast.Module]:
    paths = (path for path in sorted(PACKAGE.rglob("*.py")) if "_data" not in path.parts)
    trees = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    return trees


def public(tree: ast.Module) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Public functions, classes and methods, by their qualified names."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, Function) and not inner.name.startswith("_") and inner.name not in CALLS:
                    yield f"{node.name}.{inner.name}", inner


def bodies(node: Function | ast.ClassDef) -> list[Function]:
    """The code a docstring speaks for: of a class, what making and calling an object runs."""
    if isinstance(node, Function):
        return [node]
    return [inner for inner in node.body if isinstance(inner, Function) and inner.name in CALLS]


def helpers(tree: ast.Module) -> dict[str, Function]:
    """The private functions and methods of a module by name."""
    functions = (node for node in ast.walk(tree) if isinstance(node, Function))
    return {node.name: node for node in functions if node.name.startswith("_") and not node.name.endswith("__")}


def raises_itself(function: Function) -> bool:
    """Whether the code raises an exception of its own: not NotImplementedError, and not by a bare `raise`."""
    raised = (node.exc for node in ast.walk(function) if isinstance(node, ast.Raise) and node.exc is not None)
    return any("NotImplementedError" not in ast.unparse(error) for error in raised)


def called(function: Function) -> set[str]:
    functions = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return {node.id if isinstance(node, ast.Name) else getattr(node, "attr", "") for node in functions}


def can_raise(node: Function | ast.ClassDef, private: dict[str, Function]) -> bool:
    """Whether it raises itself, in a private helper of its module, or in a shared check such as `check_scale`.

    All networks call `check_input` in `forward`, so that check needs no mention in each of them.
    """
    for function in bodies(node):
        names = called(function)
        if raises_itself(function) or any(raises_itself(private[name]) for name in names & private.keys()):
            return True
        if function.name != "forward" and any(name.startswith("check_") for name in names):
            return True
    return False


def trivial(node: Function | ast.ClassDef) -> bool:
    """Whether it is a property or its setter."""
    return any(re.search(r"property|\.setter", ast.unparse(decorator)) for decorator in node.decorator_list)


def problems(name: str, node: Function | ast.ClassDef, private: dict[str, Function]) -> Iterator[str]:
    text = ast.get_docstring(node)
    if text is None:
        if not trivial(node):
            yield f"{name} has no docstring"
        return
    found = SECTION.findall(text)
    if found != sorted(set(found), key=SECTIONS.index):
        yield f"{name} has its sections in the order {', '.join(found)}; write {', '.join(SECTIONS)}"
    if "Raises" not in found and can_raise(node, private):
        yield f"{name} raises an exception that no `Raises:` names"
    if "Differs from the paper" in found and not CITATION.search(text):
        yield f"{name} says how it differs from a paper, but cites none"


def test_docstrings_say_what_is_raised_and_cite_what_they_differ_from():
    found = []
    for module, tree in modules().items():
        private = helpers(tree)
        for name, node in public(tree):
            found += [f"srlib/{module}: {problem}" for problem in problems(name, node, private)]
    assert found == [], "\n".join(["", *found])
