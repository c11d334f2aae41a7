"""The code cells of a notebook's bytes, read inside the sandbox with `json` alone (nbformat is slow on large outputs).

A file that `srlib.assignments.attach` put into a cell's output is read, too. Source: nbformat's schema; versions 4 and,
since old files are handed in, 3.
"""

import base64
import json
import re
from dataclasses import dataclass

MAX_CELLS = 2_000
MAX_SOURCE = 1_000_000
MAX_ATTACHED = 4
_ATTACHED = re.compile(
    r'<div hidden data-srlib-file="([A-Za-z0-9_]{1,60}\.safetensors)">([A-Za-z0-9+/=\s]{1,2000000})</div>'
)


class NoNotebook(ValueError):
    """The file is no notebook, with the reason for the student."""


@dataclass(frozen=True)
class Contents:
    """What is in a notebook's file.

    Args:
        sources: of the code cells, in order.
        attached: files in the cells' outputs; of one name the last.
        stamp: part and digest of the assignment that it was made from, as its metadata say; empty texts without.
    """

    sources: list[str]
    attached: dict[str, bytes]
    stamp: tuple[str, str]


def read(data: bytes) -> Contents:
    """The code cells of a notebook, and what else the grader needs of its file.

    Args:
        data: the file. Identifiers of cells and metadata are not looked at: doubles do no harm.

    Raises: NoNotebook for anything that is no notebook.
    """
    if not data.strip():
        raise NoNotebook("the file is empty.")
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise NoNotebook("the file is no text in UTF-8; is it a notebook?") from None
    except RecursionError:
        raise NoNotebook("the file is nested too deeply.") from None
    except MemoryError:
        raise NoNotebook("the file is too large.") from None
    except ValueError:
        raise NoNotebook("the file is no JSON, so no notebook; was it saved completely?") from None
    if type(found) is not dict:
        raise NoNotebook("the file is JSON, but no notebook.")
    cells = [cell for cell in _all_cells(found) if type(cell) is dict and cell.get("cell_type") == "code"]
    sources = [_source(cell) for cell in cells]
    if len(sources) > MAX_CELLS:
        raise NoNotebook(f"the notebook has {len(sources)} code cells; at most {MAX_CELLS} are run.")
    return Contents(sources, _attached(cells), _stamp(found))


def _all_cells(found: dict) -> list:
    cells = found.get("cells")
    if cells is None and type(found.get("worksheets")) is list:  # version 3
        cells = []
        for sheet in found["worksheets"]:
            if type(sheet) is dict and type(sheet.get("cells")) is list:
                cells += sheet["cells"]
    if type(cells) is not list:
        raise NoNotebook("the file is JSON, but has no list of cells.")
    return cells


def _source(cell: dict) -> str:
    source = cell.get("source", cell.get("input", ""))  # version 3 says input
    if type(source) is list:
        source = "".join(line for line in source if type(line) is str)
    if type(source) is not str:
        return ""
    if len(source) > MAX_SOURCE:
        raise NoNotebook(f"a cell has {len(source)} characters; at most {MAX_SOURCE} are read.")
    return source


def _attached(cells: list[dict]) -> dict[str, bytes]:
    """Files in outputs; whatever is no such file is passed over."""
    found = {}
    for cell in cells:
        outputs = cell.get("outputs")
        for output in outputs if type(outputs) is list else []:
            data = output.get("data") if type(output) is dict else None
            text = data.get("text/html") if type(data) is dict else None
            if type(text) is list:
                text = "".join(part for part in text if type(part) is str)
            match = _ATTACHED.search(text) if type(text) is str and len(text) < 2_100_000 else None
            if match and len(found) < MAX_ATTACHED:
                try:
                    found[match[1]] = base64.b64decode(match[2])
                except ValueError:
                    continue
    return found


def _stamp(found: dict) -> tuple[str, str]:
    metadata = found.get("metadata")
    stamp = metadata.get("srlib") if type(metadata) is dict else None
    words = [stamp.get(key) for key in ("assignment", "digest")] if type(stamp) is dict else []
    return (words[0][:60], words[1][:60]) if len(words) == 2 and all(type(word) is str for word in words) else ("", "")
