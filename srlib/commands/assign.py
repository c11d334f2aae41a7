"""`srlib assign`: a master notebook into what students get, or into what Gradescope, otter and nbgrader take."""

import argparse
import json
from pathlib import Path

from srlib.commands.arguments import UsageError
from srlib.grading import calibration, drawn, folders, gradescope, nbgrader, otter, roster, student
from srlib.grading.folders import Loaded
from srlib.grading.results import write
from srlib.grading.sandbox.launch import SandboxError


def add(commands: argparse._SubParsersAction) -> None:
    """The parser of the command."""
    command = commands.add_parser("assign", help="make the students' version of an assignment")
    command.add_argument("part", metavar="PART", help="pixels, networks, perception, video, loops or real")
    command.add_argument("--out", metavar="DIR", type=Path, help="where the notebooks go")
    command.add_argument("--roster", metavar="CSV", type=Path, help="one notebook a student, with data of their own")
    command.add_argument("--seed", type=int, default=0, help="of the students' data; the same as for srlib grade")
    command.add_argument(
        "--masters", metavar="DIR", type=Path, help="your own assignments, in place of the public ones"
    )
    kind = command.add_mutually_exclusive_group()
    kind.add_argument("--gradescope", action="store_true", help="also a zip for Gradescope's autograder")
    kind.add_argument("--otter", action="store_true", help="a master for otter assign instead")
    kind.add_argument("--nbgrader", action="store_true", help="a source notebook for nbgrader instead")
    command.add_argument(
        "--calibrate", action="store_true", help="run the master and keep its outputs; print its scores"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the notebooks, or calibrate; return the exit status.

    Raises: UsageError; ValueError for an assignment or roster that is not there; OSError.
    """
    loaded = folders.load(options.part, options.masters)
    if options.calibrate:
        try:
            return calibration.run(loaded)
        except SandboxError as error:
            raise UsageError(str(error)) from None
    if options.out is None:
        raise UsageError(f"--out is missing: srlib assign {options.part} --out DIR")
    files = {} if options.otter or options.nbgrader else _notebooks(loaded, options)
    if options.gradescope:
        path = options.out / f"{options.part}-gradescope.zip"
        options.out.mkdir(parents=True, exist_ok=True)
        gradescope.write(path, loaded, options.seed)
        print(f"written: {path}")
    questions = (loaded.folder / folders.QUESTIONS).read_text(encoding="utf-8")
    everybodys = drawn.given(loaded.assignment, options.seed, drawn.SHARED)[0]
    if options.otter:
        files["otter/questions.py"] = questions
        files[f"otter/{options.part}.ipynb"] = otter.master(loaded, options.seed, everybodys)
    if options.nbgrader:
        masters = str(options.masters.resolve()) if options.masters else ""
        made = nbgrader.source(loaded, options.seed, everybodys, masters)
        files[f"source/{options.part}/{options.part}.ipynb"] = made
    write(options.out, files)
    names = list(files)
    print(*(f"written: {options.out / name}" for name in names[:5]), sep="\n")
    if len(names) > 5:
        print(f"... and {len(names) - 5} more")
    return 0


def _notebooks(loaded: Loaded, options: argparse.Namespace) -> dict[str, str]:
    """The students' notebooks: one for everybody, or one for each in the roster."""
    calls = student.first_calls(loaded)
    if not options.roster:
        made = student.notebook(loaded, drawn.given(loaded.assignment, options.seed, drawn.SHARED)[0], calls)
        return {f"{options.part}.ipynb": text(made)}
    people = roster.read(options.roster)
    files = {}
    for one in people:
        made = student.notebook(loaded, drawn.given(loaded.assignment, options.seed, one.id)[0], calls)
        name = one.id if _is_plain(one.id) else drawn.plain(one.id)
        files[f"{name}/{options.part}.ipynb"] = text(made)
    if len(files) < len(people.students):
        raise UsageError(f"{options.roster}: two ids give the same name for a folder")
    return files


def text(notebook: dict) -> str:
    """A notebook as a file."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _is_plain(name: str) -> bool:
    return name.replace("-", "").replace("_", "").replace(".", "").replace("@", "").isalnum() and name[0] not in ".-"
