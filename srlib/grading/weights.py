"""Weights that were handed in: read as safetensors only, checked, and filled into a network of the grader's own."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from srlib.grading.handout import MAX_FILE
from srlib.grading.questions import AnswerError, MeasuredQuestion

_SAMPLE = 512  # numbers of a sketch


@dataclass(frozen=True)
class Sketch:
    """Enough of a file of weights to recognise a near copy: how many numbers, and some, always the same places."""

    count: int
    numbers: Tensor

    def nearly(self, other: "Sketch") -> bool:
        """Whether the two are equal up to a thousandth of their size: another seed gives other numbers altogether."""
        if self.count != other.count:
            return False
        size = self.numbers.norm().clamp_min(1e-12)
        return bool((self.numbers - other.numbers).norm() < 1e-2 * size)


def filled(question: MeasuredQuestion, data: bytes) -> tuple[nn.Module, Sketch]:
    """The grader's own network with the weights of a file.

    Raises: AnswerError, for the student: no safetensors file, too large, other names, shapes or types than the network
        has, more parameters than allowed, numbers that are not finite.
    """
    if len(data) > MAX_FILE:
        raise AnswerError(f"the file of weights has {len(data)} bytes; at most {MAX_FILE} are read.")
    settings = _settings(data)
    try:
        found = load_tensors(data)
    except Exception as error:  # RuntimeError, too, from torch: strides that overflow
        raise AnswerError(f"the file of weights is damaged ({type(error).__name__}).") from None
    try:
        made = question.network(settings)
    except ValueError as error:
        raise AnswerError(f"the settings in the file of weights make no network: {error}") from None
    wanted = made.state_dict()
    if missing := sorted(wanted.keys() - found.keys()):
        raise AnswerError(f"the file of weights lacks {missing[0]!r}.")
    if more := sorted(found.keys() - wanted.keys()):
        raise AnswerError(f"the file of weights has {more[0][:80]!r}, which the network has not.")
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape or tensor.dtype != wanted[name].dtype:
            has, needs = _told(tensor), _told(wanted[name])
            raise AnswerError(f"the weights {name!r} are {has}, the network needs {needs}.")
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise AnswerError(f"the weights {name!r} are not all finite.")
    count = sum(parameter.numel() for parameter in made.parameters())
    if count > question.parameters:
        raise AnswerError(f"the network has {count} parameters; at most {question.parameters} are allowed.")
    made.load_state_dict(found)
    return made.eval().requires_grad_(False), sketch(found)


def sketch(tensors: Mapping[str, Tensor]) -> Sketch:
    """A sketch of weights by name."""
    numbers = torch.cat([tensors[name].double().flatten() for name in sorted(tensors)])
    places = torch.linspace(0, len(numbers) - 1, min(_SAMPLE, len(numbers))).long()
    return Sketch(len(numbers), numbers[places])


def digest(data: bytes) -> str:
    """A short digest of a file."""
    return hashlib.sha256(data).hexdigest()[:16]


def _settings(data: bytes) -> dict[str, str]:
    """The texts in the file's header, which safetensors' own reader gives for files on disk only."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= length <= min(100_000, len(data) - 8):
        raise AnswerError("the file of weights is no safetensors file, or is cut off.")
    try:
        header = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError):
        raise AnswerError("the file of weights is no safetensors file: its header is no JSON.") from None
    found = header.get("__metadata__", {}) if type(header) is dict else {}
    if type(found) is not dict or any(type(value) is not str or len(value) > 200 for value in found.values()):
        raise AnswerError("the settings in the file of weights are not texts.")
    return found


def _told(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
