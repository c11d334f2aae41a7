"""Fingerprints of a notebook's code: what stays the same when names, comments and layout are changed.

Each cell becomes the sequence of its syntax tree's node types; of the hashes of every eight in a row, the smallest in
each window of eight is kept ("winnowing", Schleimer et al., SIGMOD 2003). Two notebooks that share code share prints.
"""

import ast
import re
import zlib
from collections.abc import Iterable, Iterator

_GRAM, _WINDOW = 8, 8
_LONGEST, _MOST = 100_000, 3_000
_LONG_TEXT = re.compile(r"""(["'])[^"'\n\\]{200,}\1""")
_IGNORED = (ast.Load, ast.Store, ast.Del, ast.Import, ast.ImportFrom, ast.alias)


def prints(sources: Iterable[str]) -> list[int]:
    """The sorted fingerprints of these cells, at most 3,000; a cell that is no Python gives none.

    Args:
        sources: the cells' texts; lines with magics are left out.
    """
    found: set[int] = set()
    room = _LONGEST
    for source in sources:
        source = _LONG_TEXT.sub('""', source)  # such as packed data; what stands in a text is no code
        room -= len(source)
        if room < 0:
            break
        found.update(_winnowed(list(_nodes(source))))
    return sorted(found)[:_MOST]


def _nodes(source: str) -> Iterator[str]:
    lines = ("pass" if line.lstrip()[:1] in ("!", "%", "?") else line for line in source.splitlines())
    try:
        waiting: list[ast.AST] = [ast.parse("\n".join(lines))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    while waiting:
        node = waiting.pop()
        if isinstance(node, _IGNORED) or _is_remark(node):
            continue
        yield type(node).__name__
        waiting += reversed(list(ast.iter_child_nodes(node)))


def _is_remark(node: ast.AST) -> bool:
    """A docstring, or a line that says `pass`."""
    constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass) or (constant and isinstance(node.value.value, str))


def _winnowed(names: list[str]) -> Iterator[int]:
    grams = [zlib.crc32(" ".join(names[at : at + _GRAM]).encode()) for at in range(len(names) - _GRAM + 1)]
    for at in range(max(len(grams) - _WINDOW + 1, min(len(grams), 1))):
        yield min(grams[at : at + _WINDOW])
