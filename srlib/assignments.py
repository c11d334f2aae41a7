"""What a student's assignment notebook uses: the given data, checks on public examples, and weights to hand in.

    from srlib.assignments import attach, check, data, in_grader, use

`use` is the notebook's first call: it unpacks the examples and the data that `srlib assign` put into it. The checks
compare with right values on a few examples. The grader uses other ones, so a check that passes is no promise.
"""

import base64
import os
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from srlib.grading import handout

_notebook: dict[str, Any] = {}


class Checked:
    """What a check says; true if it passed. A notebook shows the sentence."""

    def __init__(self, passed: bool, text: str):
        self.passed, self.text = passed, text

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"{'✓' if self.passed else '✗'} {self.text}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>"


def in_grader() -> bool:
    """Whether the notebook is being graded, where a training would only cost its time."""
    return os.environ.get("SRLIB_SANDBOX") == "1"


def use(packed: str) -> None:
    """Take in what `srlib assign` put into this notebook.

    Raises: ValueError if the text is not whole.
    """
    if in_grader():
        return
    try:
        found = handout.unpack(packed)
    except ValueError:
        raise ValueError("the notebook's first cell is damaged: copy it again from the assignment") from None
    _notebook.clear()
    _notebook.update(found)


def data(question: str) -> dict[str, Tensor]:
    """The data of a question: a dictionary of tensors. When the notebook is graded, these are your own, by your name.

    Raises: ValueError for a question without data; RuntimeError if the notebook's first cell has not been run.
    """
    given = _given_by_grader() if in_grader() else _unpacked()["given"]
    if question not in given:
        raise ValueError(f"question {question!r} has no data; there are {', '.join(given)}")
    return {name: tensor.clone() for name, tensor in given[question].items()}


def check(question: str, *answers: Any) -> Checked:
    """Test an answer on the examples of a question.

    Args:
        question: its name.
        answers: your function; for a question that asks for values, the values; for weights, nothing.

    Raises: ValueError for an unknown question; RuntimeError if the notebook's first cell has not been run.
    """
    if in_grader():
        return Checked(True, f"{question}: not checked here.")
    examples = _unpacked()["examples"]
    if question not in examples:
        raise ValueError(f"no question {question!r}; there are {', '.join(examples)}")
    example = examples[question]
    kind = {"function": _function, "values": _values, "measured": _measured, "weights": _weights}[example["kind"]]
    passed, text = kind(question, example, answers)
    return Checked(passed, f"{question}: {text}")


def attach(file: str) -> "Attached":
    """Show a file of weights in such a way that it is handed in inside the notebook; write it as a cell's last line.

    Raises: FileNotFoundError; ValueError for a name or size that the grader would not take.
    """
    path = Path(file)
    if path.name != file or not file.isascii() or path.suffix != ".safetensors":
        raise ValueError(f"{file!r}: give the name of a .safetensors file beside the notebook")
    size = path.stat().st_size
    if size > handout.MAX_FILE:
        raise ValueError(f"{file} has {size} bytes; at most {handout.MAX_FILE} can be handed in")
    return Attached(file, path.read_bytes())


class Attached:
    """A file inside a notebook: the cell's output carries it."""

    def __init__(self, name: str, content: bytes):
        self.name, self.content = name, content

    def __repr__(self) -> str:
        return f"{self.name}: {len(self.content)} bytes, handed in with this notebook once it is saved"

    def _repr_html_(self) -> str:
        text = base64.b64encode(self.content).decode()
        return f'<p>{escape(repr(self))}</p><div hidden data-srlib-file="{escape(self.name)}">{text}</div>'


def _given_by_grader() -> dict:
    path = Path(handout.GIVEN)
    return handout.unpack_given(path.read_bytes()) if path.is_file() else {}


def _unpacked() -> dict:
    if not _notebook:
        raise RuntimeError("run the cell with use(…), near the notebook's top, before this one")
    return _notebook


def _function(question: str, example: dict, answers: tuple) -> tuple[bool, str]:
    from srlib import exercises
    from srlib.grading import judge

    if len(answers) != 1 or not callable(answers[0]):
        return False, f"give the function itself: check({question!r}, {question})."
    answer: Callable = answers[0]
    right, *wrong = [[exercises.as_tensors(value) for value in row] for row in (example["right"], *example["wrong"])]
    got = []
    for arguments, wanted in zip(example["arguments"], right, strict=True):
        found = exercises.run(answer, arguments)
        if isinstance(found, str):
            return False, found
        got.append(judge.tensors(tuple(tensor.numpy() for tensor in found), wanted))
    tolerance = example["tolerance"]
    if exercises.agree(got, right, tolerance):
        return True, f"right on {len(got)} example{'s' * (len(got) > 1)}; the grader uses others."
    for hint, row in zip(example["hints"], wrong, strict=True):
        if exercises.agree(got, row, tolerance):
            return False, hint
    return False, exercises.first_difference(got, right, tolerance)


def _values(question: str, example: dict, answers: tuple) -> tuple[bool, str]:
    names = example["names"]
    if len(answers) != len(names):
        return False, f"give check({question!r}, {', '.join(names)})."
    for name, value in zip(names, answers, strict=True):
        if value is None or value is Ellipsis:
            return False, f"{name} has no value yet."
    for name, value, like in zip(names, answers, example["like"], strict=False):
        if (form := _form(value)) != (wanted := _form(like)):
            return False, f"{name} is {form}, expected {wanted}."
    return True, f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} the right form; the grader says how good."


def _form(value: Any) -> str:
    """What kind of thing a value is, in words that are equal for things that serve as well."""
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        return f"a list of {len(value)} texts"
    try:
        found = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        return f"a {type(value).__name__}"
    return "one number" if found.numel() == 1 else f"numbers of shape {tuple(found.shape)}"


def _measured(question: str, example: dict, answers: tuple) -> tuple[bool, str]:
    if len(answers) != 1 or not callable(answers[0]):
        return False, f"give the function itself: check({question!r}, {question})."
    from srlib import exercises

    found = exercises.run(answers[0], example["arguments"])
    if isinstance(found, str):
        return False, found
    if len(found) != 1:
        return False, f"your function returned {len(found)} values, expected one tensor."
    if list(found[0].shape) != example["shape"]:
        return False, f"the shape is {tuple(found[0].shape)}, expected {tuple(example['shape'])}."
    if not bool(torch.isfinite(found[0]).all()):
        return False, "some values are NaN or infinite."
    return True, "gives a picture of the right shape; the grader measures how good it is."


def _weights(question: str, example: dict, answers: tuple) -> tuple[bool, str]:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    file = Path(f"{question}.safetensors")
    if not file.is_file():
        return False, f"there is no file {file} yet."
    if file.stat().st_size > handout.MAX_FILE:
        return False, f"{file} has {file.stat().st_size} bytes; at most {handout.MAX_FILE} are taken."
    try:
        tensors = load_file(file)
        with safe_open(file, "pt") as opened:
            settings = opened.metadata() or {}
    except (SafetensorError, ValueError, KeyError) as error:
        return False, f"{file} is damaged: {error}."
    if missing := [name for name in example["settings"] if name not in settings]:
        return False, f"{file} has no {missing[0]!r} in its metadata; give it to save_file(..., metadata=...)."
    count = sum(tensor.numel() for tensor in tensors.values())
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        return False, f"{file} has weights that are NaN or infinite."
    if count > example["parameters"]:
        return False, f"{file} has {count} numbers, at most {example['parameters']} are allowed."
    return True, f"{count} of at most {example['parameters']} numbers; the grader measures how good they are."
