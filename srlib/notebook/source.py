"""Showing the library's source code on a page, highlighted, instead of copying it into a cell."""

import inspect
import re
import sys
import textwrap
from types import ModuleType

_UNKNOWN = "this notebook"


class Source:
    """Source code that a notebook, Colab and the built page display highlighted, as a Markdown fence."""

    def __init__(self, code: str, origin: str):
        self.code = code
        self.origin = origin

    def __repr__(self) -> str:
        return f"# {self.origin}\n{self.code}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        ticks = max((len(run) for run in re.findall(r"`{3,}", self.code)), default=2) + 1
        fence = "`" * ticks
        origin = self.origin if self.origin == _UNKNOWN else f"`{self.origin}`"
        text = f"From {origin}:\n\n{fence}python\n{self.code}\n{fence}\n"
        return {"text/markdown": text, "text/plain": repr(self)}


def show_source(obj: object) -> Source:
    """The source of a function, class, method or module, with the name of its file.

    Raises: TypeError for an object without Python source, such as a number or a built-in function.
    """
    target = inspect.unwrap(obj) if callable(obj) else obj
    if not (inspect.ismodule(target) or inspect.isclass(target) or inspect.isroutine(target)):
        raise TypeError(
            f"show_source needs a function, class or module, got a {type(obj).__name__}"
            + (f"; try show_source({type(obj).__name__})" if type(obj).__module__ != "builtins" else "")
        )
    try:
        code = inspect.getsource(target)
    except (OSError, TypeError) as error:
        name = getattr(target, "__qualname__", target)
        raise TypeError(f"show_source: {name} has no Python source; it is built in, or its file is missing") from error
    return Source(textwrap.dedent(code).rstrip("\n"), _origin(target))


def _origin(target: object) -> str:
    """The file as a path from its package, such as `srlib/resample.py`: the same on every machine."""
    module = target if isinstance(target, ModuleType) else sys.modules.get(getattr(target, "__module__", ""))
    if module is None or not getattr(module, "__file__", None) or module.__name__ == "__main__":
        return _UNKNOWN
    path = module.__name__.replace(".", "/")
    return f"{path}/__init__.py" if hasattr(module, "__path__") else f"{path}.py"
