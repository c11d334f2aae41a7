"""The student's version of a master notebook: solutions taken out, examples and data put in, outputs gone.

A master's cells say in their metadata what they are: `{"srlib": {"answer": QUESTION}}` has a solution between the lines
`### BEGIN SOLUTION` and `### END SOLUTION`; `{"srlib": {"setup": true}}` imports what the checks need.
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from srlib import exercises
from srlib.grading import drawn, judge
from srlib.grading.folders import Loaded
from srlib.grading.handout import pack
from srlib.grading.questions import FunctionQuestion, MeasuredQuestion, ValueQuestion
from srlib.grading.sandbox.limits import Limits

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = "raise NotImplementedError"
Cell = dict[str, Any]


class MasterError(ValueError):
    """A master notebook that does not fit its questions."""


def cells_of(loaded: Loaded) -> list[Cell]:
    """The master's cells, checked: one answer cell for each question, a check for each, marks in pairs.

    Raises: MasterError.
    """
    try:
        cells = json.loads(loaded.master)["cells"]
    except (ValueError, KeyError, TypeError):
        raise MasterError(f"{loaded.folder}: the master is no notebook") from None
    for cell in cells:
        cell["source"] = text_of(cell)
    answers = [name for cell in cells if (name := answer_of(cell))]
    wanted = [question.name for question in loaded.assignment.questions]
    if answers != wanted:
        raise MasterError(f"{loaded.folder}: the master answers {answers}, the questions are {wanted}")
    if sum(is_setup(cell) for cell in cells) != 1:
        raise MasterError(f"{loaded.folder}: the master needs one cell of metadata srlib: setup")
    code = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code")
    for name in wanted:
        if f'check("{name}"' not in code:
            raise MasterError(f"{loaded.folder}: the master has no check of {name!r}")
    return cells


def notebook(loaded: Loaded, given: dict[str, dict[str, Tensor]], calls: dict[str, tuple]) -> dict[str, Any]:
    """The student's notebook, as nbformat's JSON.

    Args:
        loaded: the assignment.
        given: the data of its questions of values, for everybody or for one student.
        calls: arguments of one call and the shape of its result, for each measured function (see `first_calls`).

    Raises: MasterError.
    """
    cells = _with_data(handed_out(loaded), loaded, given, calls)
    how = {"cell_type": "markdown", "id": "how-it-works", "metadata": {}, "source": how_it_works(loaded)}
    return as_notebook([*cells[:1], how, *cells[1:]], loaded)


def how_it_works(loaded: Loaded) -> str:
    """What a student has to know about every assignment, as Markdown."""
    limits = Limits()
    kinds = {type(question) for question in loaded.assignment.questions}
    weights = any(isinstance(q, MeasuredQuestion) and q.network is not None for q in loaded.assignment.questions)
    lines = [
        f"**{len(loaded.assignment.questions)} tasks, {loaded.assignment.points:g} points.** Write your answers into "
        "the cells below the tasks and keep the names. You may add cells; the last value of a name counts.",
        "",
        "- `check(...)` compares your answer with a few examples. The grader uses other ones.",
        "- The grader runs the notebook from top to bottom, without network. "
        f"A cell may take {limits.cell_seconds:g} s, all cells together {limits.notebook_seconds:g} s, "
        f"and a call of a function {limits.call_seconds:g} s. Put long trials under `if not in_grader():`.",
    ]
    if ValueQuestion in kinds:
        lines.append("- `data(...)` gives the grader other data than you. Compute values in the cell: typed ones fail.")
    if weights:
        lines.append("- `attach(...)` puts your trained weights into the notebook. Run it, then save the notebook.")
    return "\n".join([*lines, "- Hand in this one file, saved with its outputs."])


def complete(loaded: Loaded, given: dict[str, dict[str, Tensor]]) -> list[Cell]:
    """The master's cells with examples and data put in, solutions and all, for those who make their own version.

    Raises: MasterError.
    """
    return _with_data([bare(cell) for cell in cells_of(loaded)], loaded, given, first_calls(loaded))


def _with_data(cells: list[Cell], loaded: Loaded, given: dict, calls: dict) -> list[Cell]:
    for cell in cells:
        if is_setup(cell):
            packed = pack(loaded.assignment.part, examples(loaded, calls), given)
            cell["source"] = f'{cell["source"]}\n\nuse("{packed}")'
            cell["metadata"]["tags"] = ["hide-input"]
    return cells


def handed_out(loaded: Loaded) -> list[Cell]:
    """The cells that every student has from the start, without examples and data.

    Raises: MasterError.
    """
    return [
        bare(cell) | ({"source": without_solution(cell["source"])} if answer_of(cell) else {})
        for cell in cells_of(loaded)
    ]


def as_notebook(cells: Sequence[Cell], loaded: Loaded) -> dict[str, Any]:
    """Cells as a notebook, stamped with the assignment's digest."""
    stamp = {"assignment": loaded.assignment.part, "digest": loaded.digest}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, "srlib": stamp}
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def examples(loaded: Loaded, calls: dict[str, tuple]) -> dict[str, dict[str, Any]]:
    """What the checks in a student's notebook compare with: values on public examples, never a function."""
    found = {}
    for question in loaded.assignment.questions:
        if isinstance(question, FunctionQuestion):
            key = judge.function_key(question, question.examples, small=True)
            differs = {h: v for h, v in key.wrong.items() if not exercises.agree(v, key.right, question.tolerance)}
            found[question.name] = {
                "kind": "function",
                "arguments": [tuple(probe) for probe in question.examples],
                "right": [tuple(row) for row in key.right],
                "wrong": [[tuple(row) for row in rows] for rows in differs.values()],
                "hints": list(differs),
                "tolerance": question.tolerance,
            }
        elif isinstance(question, ValueQuestion):
            found[question.name] = {"kind": "values", "names": list(question.names), "like": list(question.like)}
        elif question.network is None:
            arguments, shape = calls[question.name]
            found[question.name] = {"kind": "measured", "arguments": arguments, "shape": list(shape)}
        else:
            found[question.name] = {
                "kind": "weights",
                "parameters": question.parameters,
                "settings": list(question.settings),
            }
    return found


def first_calls(loaded: Loaded) -> dict[str, tuple]:
    """For each measured function the arguments of its first call on public pictures, and the baseline's shape there."""
    found = {}
    for question in loaded.assignment.questions:
        if isinstance(question, MeasuredQuestion) and question.network is None:
            seen: list[tuple] = []

            def record(*arguments, question=question, seen=seen) -> Tensor:
                result = question.baseline(*arguments)
                seen.append((arguments, tuple(result.shape)))
                return result

            draw = drawn.generator(0, loaded.assignment.part, question.name, "public")
            small = replace(question, picture_size=min(question.picture_size, max(question.picture_size // 2, 48)))
            question.measure(record, drawn.pictures(small, draw), draw)
            found[question.name] = seen[0]
    return found


def without_solution(source: str) -> str:
    """An answer cell's text with a stub in place of each solution.

    A solution after a line that ends with "# replace this" leaves that line alone; else NotImplementedError is raised.

    Raises: MasterError if the marks do not come in pairs.
    """
    kept: list[str] = []
    inside = False
    for line in source.splitlines():
        word = line.strip()
        if word == BEGIN and not inside:
            inside = True
            before = kept[-1].rstrip() if kept else ""
            if not before.endswith("# replace this"):
                kept.append(line[: len(line) - len(line.lstrip())] + STUB)
        elif word == END and inside:
            inside = False
        elif word in (BEGIN, END):
            raise MasterError(f"{word} stands where it does not belong")
        elif not inside:
            kept.append(line)
    if inside:
        raise MasterError(f"{BEGIN} without {END}")
    return "\n".join(kept)


def bare(cell: Cell) -> Cell:
    """A copy without outputs and without number."""
    cell = copy.deepcopy(cell)
    if cell["cell_type"] == "code":
        cell["outputs"], cell["execution_count"] = [], None
    return cell


def text_of(cell: Cell) -> str:
    """A cell's source as one text."""
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else source


def answer_of(cell: Cell) -> str:
    """The question that a cell answers, or nothing."""
    return cell.get("metadata", {}).get("srlib", {}).get("answer", "")


def is_setup(cell: Cell) -> bool:
    """Whether this is the cell that imports `use` and `check`."""
    return bool(cell.get("metadata", {}).get("srlib", {}).get("setup"))
