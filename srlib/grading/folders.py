"""The assignments on disk: `assignments/<part>/` of a clone, or an instructor's own folder of the same form."""

import hashlib
import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import srlib
from srlib.grading import drawn
from srlib.grading.questions import Assignment

MASTER, QUESTIONS = "master.ipynb", "questions.py"


@dataclass(frozen=True)
class Loaded:
    """An assignment and where it lies.

    Args:
        assignment: its questions.
        folder: has the master notebook and the questions.
        digest: of the questions and the master's cells, stamped into every student's notebook and into the results.
    """

    assignment: Assignment
    folder: Path
    digest: str

    @property
    def digest_with_outputs(self) -> str:
        """Of both files as they are: the master's outputs may carry weights."""
        return drawn.digest_of([self.folder / MASTER, self.folder / QUESTIONS])

    @property
    def master(self) -> bytes:
        """The master notebook's bytes."""
        return (self.folder / MASTER).read_bytes()


def parts(masters: Path | None = None) -> list[str]:
    """The assignments there are.

    Raises: ValueError if the folder is missing.
    """
    return sorted(path.parent.name for path in _folder(masters).glob(f"*/{QUESTIONS}"))


def load(part: str, masters: Path | None = None) -> Loaded:
    """An assignment by its part's name.

    Args:
        part: such as "pixels".
        masters: folder with one folder a part; default: the clone's own.

    Raises: ValueError for an unknown part, or questions that cannot be imported.
    """
    known = parts(masters)
    if part not in known:
        raise ValueError(f"no assignment {part!r} in {_folder(masters)}; there are {', '.join(known) or 'none'}")
    folder = _folder(masters) / part
    for file in (folder / MASTER, folder / QUESTIONS):
        if not file.is_file():
            raise ValueError(f"{file} is missing: an assignment is a master notebook and its questions")
    found = import_questions(folder / QUESTIONS)
    if found.part != part:
        raise ValueError(f"{folder / QUESTIONS}: the part is called {found.part!r}, the folder {part!r}")
    return Loaded(found, folder, _digest(folder))


def _digest(folder: Path) -> str:
    """Of the questions and the sources of the master's cells.

    Raises: ValueError if the master is no notebook.
    """
    try:
        cells = json.loads((folder / MASTER).read_bytes())["cells"]
        sources = ["".join(cell["source"]) for cell in cells]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{folder / MASTER}: this is no notebook") from None
    text = "\0".join([*sources, (folder / QUESTIONS).read_text(encoding="utf-8")])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def import_questions(path: Path) -> Assignment:
    """The assignment that a file of questions defines; it is the instructor's own code.

    Raises: ValueError if it cannot be imported or defines none.
    """
    name = f"srlib_assignment_{path.resolve().parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    found = getattr(module, "ASSIGNMENT", None)
    if not isinstance(found, Assignment):
        raise ValueError(f"{path} defines no ASSIGNMENT")
    return found


def _folder(masters: Path | None) -> Path:
    folder = masters or Path(srlib.__file__).resolve().parents[1] / "assignments"
    if not folder.is_dir():
        raise ValueError(
            f"{folder}: no such folder. Assignments are in a clone of the repository, not in the installed package; "
            "or name your own with --masters DIR"
        )
    return folder
