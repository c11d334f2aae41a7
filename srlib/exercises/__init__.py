"""Exercises with instant feedback: `check("interpolation-cubic", my_cubic)` says that it is right, or explains why not.

An exercise has the reference function and the common mistakes. A learner's function runs on small probes; if it is
wrong but equals a known mistake on every probe, the hint explains that mistake. The exercises of chapter X are the
`EXERCISES` of `srlib.exercises.X`.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Exercise:
    """One task.

    Args:
        reference: the right function.
        probes: tuples of arguments to test with; small, fixed, and such that no mistake agrees with the reference.
        mistakes: hint -> the wrong function it explains. The hint says what was done and why that is wrong.
        tolerance: largest absolute difference that counts as right.
    """

    reference: Callable
    probes: Sequence[tuple]
    mistakes: Mapping[str, Callable] = field(default_factory=dict)
    tolerance: float = 1e-4


@dataclass(frozen=True)
class Result:
    """The result of `check`; true if the answer is right. A notebook shows the hint."""

    name: str
    passed: bool
    hint: str

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"{'✓' if self.passed else '✗'} {self.name}: {self.hint}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>"  # a paragraph wraps; plain output would run off the page


def names() -> list[str]:
    """All exercises, as "chapter-task", sorted by chapter."""
    chapters = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    return [f"{chapter}-{task}" for chapter in chapters for task in _chapter(chapter)]


def find(name: str) -> Exercise:
    """The exercise called "chapter-task".

    Raises: ValueError for an unknown name; the message lists all names.
    """
    chapter, _, task = name.partition("-")
    known = _chapter(chapter) if (Path(__file__).parent / f"{chapter}.py").is_file() else {}
    if task not in known:
        raise ValueError(f"no exercise {name!r}; there are {', '.join(names())}")
    return known[task]


def check(name: str, answer: Callable) -> Result:
    """Test `answer` on the exercise's probes and say in one sentence whether it is right, or what is wrong.

    Args:
        name: "chapter-task", as given in the exercise's text.
        answer: the function you wrote. An exception that it raises becomes part of the hint.

    Raises: ValueError for an unknown name; TypeError if `answer` is not a function.
    """
    exercise = find(name)
    if not callable(answer):
        raise TypeError(f"check({name!r}, …) needs your function itself, not its result; got {type(answer).__name__}")
    got = []
    for probe in exercise.probes:
        outcome = run(answer, probe)
        if isinstance(outcome, str):
            return Result(name, False, outcome)
        got.append(outcome)
    expected = [as_tensors(exercise.reference(*copy(probe))) for probe in exercise.probes]
    if agree(got, expected, exercise.tolerance):
        return Result(name, True, "right.")
    for hint, mistake in exercise.mistakes.items():
        wrong = [as_tensors(mistake(*copy(probe))) for probe in exercise.probes]
        if agree(got, wrong, exercise.tolerance):
            return Result(name, False, hint)
    return Result(name, False, first_difference(got, expected, exercise.tolerance))


def _chapter(chapter: str) -> dict[str, Exercise]:
    return importlib.import_module(f"srlib.exercises.{chapter}").EXERCISES


def copy(probe: tuple) -> tuple:
    """A copy of the arguments, generators included, since an answer may modify them."""

    def fresh(value: Any) -> Any:
        if isinstance(value, torch.Generator):
            return value.clone_state()
        if isinstance(value, list | tuple):
            return type(value)(fresh(item) for item in value)
        return value.clone() if isinstance(value, Tensor) else value

    return tuple(fresh(value) for value in probe)


def run(answer: Callable, probe: tuple) -> list[Tensor] | str:
    """The answer's result as tensors, or a hint why it cannot be compared."""
    arguments = copy(probe)
    try:
        value = answer(*arguments)
    except NotImplementedError:
        return "not written yet: replace the line that raises NotImplementedError."
    except Exception as error:  # a learner's function may raise anything, and the hint shows it
        return f"your function raised {type(error).__name__}: {' '.join(str(error).split())}"
    if value is None or value is Ellipsis:
        return "your function returned nothing: is the return missing?"
    pairs = zip(_flat(probe), _flat(arguments), strict=True)
    if any(not torch.equal(before, after) for before, after in pairs):
        return "your function changed its argument; work on a copy (clone)."
    try:
        return as_tensors(value)
    except (TypeError, ValueError, RuntimeError):
        return f"your function returned a {type(value).__name__}; return numbers or tensors."


def _flat(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [tensor for item in value for tensor in _flat(item)] if isinstance(value, list | tuple) else []


def as_tensors(value: Any) -> list[Tensor]:
    """A number, array or tensor, or a tuple of them, as float64 tensors."""
    values = value if isinstance(value, tuple) else (value,)
    return [torch.as_tensor(item).detach().cpu().to(torch.float64) for item in values]


def agree(got: list[list[Tensor]], expected: list[list[Tensor]], tolerance: float) -> bool:
    """Whether all values have the right shapes and differ by no more than the tolerance; NaN equals NaN."""
    return all(
        len(mine) == len(right)
        and all(
            a.shape == b.shape and torch.allclose(a, b, atol=tolerance, rtol=0, equal_nan=True)
            for a, b in zip(mine, right, strict=True)
        )
        for mine, right in zip(got, expected, strict=True)
    )


def first_difference(got: list[list[Tensor]], expected: list[list[Tensor]], tolerance: float) -> str:
    """The first difference, for an answer that matches no known mistake."""
    for mine, right in zip(got, expected, strict=True):
        if len(mine) != len(right):
            return f"your function returned {len(mine)} value(s), expected {len(right)}."
        for a, b in zip(mine, right, strict=True):
            if a.shape != b.shape:
                return f"the shape is {tuple(a.shape)}, expected {tuple(b.shape) if b.ndim else 'one number'}."
            if a.isnan().any() and not b.isnan().any():
                return f"{int(a.isnan().sum())} of {a.numel()} values are NaN: look for 0/0 or the root of a negative."
            off = (a - b).abs()
            if off.max() > tolerance:
                place = [int(i) for i in torch.unravel_index(off.argmax(), off.shape)] if off.ndim else []
                where = f" at {place}" if place else ""
                return f"the values differ: {a[tuple(place)]:.6g}{where}, expected {b[tuple(place)]:.6g}."
    return "the values differ."
