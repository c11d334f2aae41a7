"""What an answer is worth: asks the notebook in the sandbox for values and compares them, outside it.

Nothing that a notebook sends is executed or believed; it is compared with what the grader has computed itself.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srlib import exercises
from srlib.grading.questions import AnswerError, Assignment, FunctionQuestion, MeasuredQuestion, ValueQuestion
from srlib.grading.sandbox.notebook import Notebook
from srlib.grading.sandbox.protocol import Reply

_UNREADABLE = ("SyntaxError", "IndentationError", "TabError")


@dataclass(frozen=True)
class Score:
    """The result of one question.

    Args:
        name: of the question.
        points: earned, and `of` how many.
        hint: one line for the student; parts of it may be the student's own text.
        status: "right", "part", "wrong", or the reply's status where there was no value.
        seconds: spent on the question's calls.
        measured: the score in the question's unit, for a measured one.
    """

    name: str
    points: float
    of: float
    hint: str
    status: str
    seconds: float = 0.0
    measured: float | None = None


@dataclass(frozen=True)
class FunctionKey:
    """The probes of a question, and what the reference and each mistake return on them."""

    probes: Sequence[tuple]
    right: list[list[Tensor]]
    wrong: dict[str, list[list[Tensor]]]


def function_key(question: FunctionQuestion, probes: Sequence[tuple], *, small: bool = False) -> FunctionKey:
    """Compute right and wrong values once for all notebooks.

    Args:
        question: the question.
        probes: the arguments.
        small: these are small examples, on which some mistakes are no more possible; they are passed over.
    """

    def values(function) -> list[list[Tensor]]:
        return [exercises.as_tensors(function(*exercises.copy(probe))) for probe in probes]

    wrong, exercise = {}, question.exercise(probes)
    for hint, mistake in exercise.mistakes.items():
        try:
            wrong[hint] = values(mistake)
        except (ValueError, RuntimeError, IndexError):
            if not small:
                raise
    return FunctionKey(probes, values(exercise.reference), wrong)


def function(question: FunctionQuestion, key: FunctionKey, notebook: Notebook) -> Score:
    """Judge a function on the hidden probes; the first call that gives no value ends it."""
    got, seconds = [], 0.0
    for probe, right in zip(key.probes, key.right, strict=True):
        reply = notebook.call(question.name, *probe)
        seconds += reply.seconds
        if not reply.ok:
            return _failed(question, reply, notebook, seconds)
        found = tensors(reply.value, right)
        if found is None:
            return Score(question.name, 0, question.points, no_numbers(reply.value), "wrong", seconds)
        got.append(found)
    return _scored(question, *compared(question, key, got), seconds)


def compared(question: FunctionQuestion, key: FunctionKey, got: list[list[Tensor]]) -> tuple[float, str]:
    """Share and hint for the values that a function gave on all probes."""
    if exercises.agree(got, key.right, question.tolerance):
        return 1.0, "right."
    for hint, wrong in key.wrong.items():
        if exercises.agree(got, wrong, question.tolerance):
            return question.mistakes[hint].share, hint
    return 0.0, difference(got, key.right, question.tolerance)


def values(question: ValueQuestion, truth: Any, notebook: Notebook, shared: Any = None) -> Score:
    """Judge the values that the notebook computed.

    Args:
        question: the question.
        truth: of the student's data.
        notebook: the notebook.
        shared: the truth of the data that everybody's notebook shows, to tell those who typed their values in.
    """
    found, seconds = {}, 0.0
    for name in question.names:
        reply = notebook.value(name)
        seconds += reply.seconds
        if not reply.ok:
            return _failed(question, reply, notebook, seconds, name)
        if reply.value is None:
            return Score(question.name, 0, question.points, f"{name} has no value.", "wrong", seconds)
        found[name] = torch.from_numpy(reply.value) if isinstance(reply.value, np.ndarray) else reply.value
    share, hint = question.judge(truth, found)
    share = min(max(float(share), 0.0), 1.0)
    if share == 0 and shared is not None and question.judge(shared, found)[0] == 1:
        hint = "right for the data in your notebook; the grader runs your cell with other data: compute, do not type."
    return _scored(question, share, hint, seconds)


class InSandbox:
    """A student's function as `apply`: called in the sandbox, the result checked to be an array of finite numbers.

    Raises: AnswerError, when called, where there is no such array.
    """

    def __init__(self, name: str, notebook: Notebook):
        self.name, self.notebook, self.seconds, self.reply = name, notebook, 0.0, Reply("value")

    def __call__(self, *arguments: Any) -> Tensor:
        self.reply = self.notebook.call(self.name, *arguments)
        self.seconds += self.reply.seconds
        if not self.reply.ok:
            raise AnswerError(self.reply.reason)
        value = self.reply.value
        if not isinstance(value, np.ndarray):
            raise AnswerError(no_numbers(value))
        if not np.isfinite(value).all():
            raise AnswerError(f"{int((~np.isfinite(value)).sum())} of {value.size} values are NaN or infinite.")
        return torch.from_numpy(value).float()


def measured(question: MeasuredQuestion, apply, pictures, draw, floor: float, full: float) -> Score:
    """Measure an answer and give the share of the way from `floor` to `full`.

    Raises: AnswerError where the answer gave no picture.
    """
    try:
        score, note = question.measure(apply, pictures, draw)
    except (ValueError, IndexError, RuntimeError) as error:  # sizes that do not fit, found by the metric
        raise AnswerError(f"what it returned does not fit: {str(error)[:300]}") from None
    share = min(max((score - floor) / max(full - floor, 1e-9), 0.0), 1.0) if np.isfinite(score) else 0.0
    text = f"{score:.2f} {question.unit}; nothing up to {floor:.2f}, everything from {full:.2f}."
    known = float(score) if np.isfinite(score) else None
    return _scored(question, share, f"{text} {note}".strip(), measured=known)


def by_function(question: MeasuredQuestion, notebook: Notebook, pictures, draw, floor: float, full: float) -> Score:
    """Judge a measured function."""
    apply = InSandbox(question.name, notebook)
    try:
        score = measured(question, apply, pictures, draw, floor, full)
    except AnswerError as error:
        if not apply.reply.ok:
            return _failed(question, apply.reply, notebook, apply.seconds)
        return Score(question.name, 0, question.points, str(error), "wrong", apply.seconds)
    return replace(score, seconds=apply.seconds)


def nothing(assignment: Assignment, reason: str) -> list[Score]:
    """No points for every question, for one reason."""
    return [Score(question.name, 0, question.points, reason, "died") for question in assignment.questions]


def tensors(value: Any, right: list[Tensor]) -> list[Tensor] | None:
    """What came back as float64 tensors, arranged as the right value is; None if it is no numbers.

    A tuple where one array is expected, an array where a tuple of numbers is, and a number in brackets are taken for
    the same: an answer need not know how the reference packs its numbers.
    """
    parts = value if isinstance(value, tuple) else (value,)
    try:
        found = [torch.as_tensor(np.asarray(part, dtype=np.float64)) for part in parts]
    except (TypeError, ValueError):
        return None
    if any(isinstance(part, str | bytes | dict) or part is None for part in parts):
        return None
    if len(found) > 1 and len(right) == 1 and right[0].ndim and len({part.shape for part in found}) == 1:
        found = [torch.stack(found)]
    if len(found) == 1 and len(right) > 1 and found[0].shape[:1] == (len(right),):
        found = list(found[0])
    if len(found) == len(right):
        found = [a.reshape(()) if b.ndim == 0 and a.numel() == 1 else a for a, b in zip(found, right, strict=True)]
    return found


def no_numbers(value: Any) -> str:
    """Why a value cannot be judged."""
    if value is None:
        return "your function returned nothing: is the return missing?"
    kind = "text" if isinstance(value, str) else type(value).__name__
    return f"your function returned a {kind}; return numbers, arrays or tensors."


def difference(got: list[list[Tensor]], right: list[list[Tensor]], tolerance: float) -> str:
    """The first difference on a hidden probe; it does not tell the right value."""
    for mine, wanted in zip(got, right, strict=True):
        if not exercises.agree([mine], [wanted], tolerance):
            text = exercises.first_difference([mine], [wanted], tolerance)
            return (
                f"on a hidden probe, {text.split(', expected')[0].rstrip('.')}, which is not right."
                if (text.startswith("the values differ"))
                else f"on a hidden probe, {text}"
            )
    return "the values differ."


def _scored(question, share: float, hint: str, seconds: float = 0.0, measured: float | None = None) -> Score:
    """A share between 0 and 1 as points."""
    status = "right" if share == 1 else "part" if share else "wrong"
    return Score(question.name, share * question.points, question.points, hint, status, seconds, measured)


def _failed(question, reply: Reply, notebook: Notebook, seconds: float, name: str = "") -> Score:
    reason = reply.reason
    if reply.status == "missing":
        name = name or question.name
        known = notebook.names()
        close = difflib.get_close_matches(name.lower(), {text.lower(): text for text in known}, 1, 0.75)
        same = [text for text in known if close and text.lower() == close[0]]
        reason = f"there is no {name!r} in your notebook" + (f"; is it what you call {same[0]!r}?" if same else ".")
        errors = notebook.report.errors
        if errors and not same:
            first = min(errors, key=lambda n: (not errors[n].startswith(_UNREADABLE), n))
            reason += f" Code cell {first + 1} failed: {errors[first]}"
    return Score(question.name, 0, question.points, reason, reply.status, seconds)
