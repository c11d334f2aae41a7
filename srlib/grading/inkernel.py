"""Judging inside the student's kernel, for otter and nbgrader, which run their tests there.

This is not safe: a notebook that wants to can change what it is judged by. `srlib grade` has no such tests; this is for
courses that are bound to one of the two.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from srlib import exercises
from srlib.grading import drawn, judge, weights
from srlib.grading.folders import Loaded, import_questions, load
from srlib.grading.marker import Marker
from srlib.grading.questions import AnswerError, FunctionQuestion, MeasuredQuestion, ValueQuestion
from srlib.grading.sandbox.host import Sandbox


def earned(
    part: str,
    question: str,
    *answers: Any,
    seed: int = 0,
    floor: float = 0.0,
    full: float = 0.0,
    show: bool = True,
    masters: str = "",
) -> float:
    """Points for an answer; prints the hint.

    Args:
        part: the assignment: its name, or its file of questions.
        question: its name.
        answers: the function, or the values; nothing for weights, which are read from `<question>.safetensors`.
        seed: of probes, data and pictures.
        floor, full: thresholds of a measured question.
        show: print the hint.
        masters: folder of an instructor's own assignments, where a name is given.

    Raises: ValueError for an unknown question or file.
    """
    if part.endswith(".py"):
        assignment = import_questions(Path(part))
    else:
        assignment = load(part, Path(masters) if masters else None).assignment
    asked = assignment.question(question)
    draw = drawn.generator(seed, assignment.part, question)
    if isinstance(asked, FunctionQuestion):
        share, hint = _function(asked, answers[0], draw)
    elif isinstance(asked, ValueQuestion):
        truth = drawn.given(assignment, seed, drawn.SHARED)[1][question]
        share, hint = asked.judge(truth, {name: _plain(v) for name, v in zip(asked.names, answers, strict=True)})
    else:
        pictures = drawn.pictures(asked, drawn.generator(seed, assignment.part, question, "pictures"))
        measuring = drawn.generator(seed, assignment.part, question, "measure")
        share, hint = _measured(asked, answers, pictures, measuring, floor, full)
    if show:
        print(f"{question}: {hint}")
    return round(min(max(share, 0.0), 1.0) * asked.points, 2)


def thresholds(loaded: Loaded, seed: int) -> dict[str, dict[str, float]]:
    """Floor and full of the measured questions, from the master's run in the sandbox.

    Raises: SandboxError; ValueError if the master does not answer one.
    """
    if not any(isinstance(question, MeasuredQuestion) for question in loaded.assignment.questions):
        return {}
    with Sandbox() as sandbox:
        marker = Marker(loaded, sandbox, seed=seed)
        marker.calibrate()
    return marker.thresholds_as_json()


def _function(asked: FunctionQuestion, answer: Callable, draw: torch.Generator) -> tuple[float, str]:
    key = judge.function_key(asked, asked.probes(draw))
    got = []
    for probe, right in zip(key.probes, key.right, strict=True):
        found = exercises.run(answer, probe)
        if isinstance(found, str):
            return 0.0, found
        got.append(judge.tensors(tuple(tensor.numpy() for tensor in found), right))
    return judge.compared(asked, key, got)


def _measured(asked: MeasuredQuestion, answers: tuple, pictures, draw, floor: float, full: float) -> tuple[float, str]:
    try:
        if asked.network is None:
            apply = _checked(answers[0])
        else:
            file = Path(f"{asked.name}.safetensors")
            if not file.is_file():
                return 0.0, f"there is no file {file}."
            apply, _ = weights.filled(asked, file.read_bytes())
        score = judge.measured(asked, apply, pictures, draw, floor, full)
    except AnswerError as error:
        return 0.0, str(error)
    return score.points / score.of, score.hint


def _checked(answer: Callable) -> Callable[..., Tensor]:
    def apply(*arguments: Any) -> Tensor:
        try:
            return torch.as_tensor(answer(*arguments)).detach().float()
        except Exception as error:  # a student's function may raise anything
            raise AnswerError(f"your function raised {type(error).__name__}: {' '.join(str(error).split())}") from None

    return apply


def _plain(value: Any) -> Any:
    return value.detach().cpu().double() if isinstance(value, Tensor) else value
