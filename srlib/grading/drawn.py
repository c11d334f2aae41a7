"""Everything that is drawn: probes, a student's own data, held-out pictures. The same seed draws the same, anywhere.

The seed is the instructor's; a public default (0) makes an assignment that anybody can grade for themselves.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from srlib.data import datasets
from srlib.data.dead_leaves import dead_leaves
from srlib.grading.questions import Assignment, MeasuredQuestion, ValueQuestion

SHARED = ""  # the student whose data stand in a notebook that everybody gets
_PALETTE = 24


def generator(seed: int, *names: str) -> Generator:
    """A generator for one purpose, which `names` say: part, question, student."""
    text = "\0".join((str(seed), *names))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def given(assignment: Assignment, seed: int, student: str) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """A student's own data for all questions that have any, and the truths; `SHARED` for what everybody sees."""
    data, truths = {}, {}
    for question in assignment.questions:
        if isinstance(question, ValueQuestion):
            draw = generator(seed, assignment.part, question.name, student)
            data[question.name], truths[question.name] = question.data(draw)
    return data, truths


def pictures(question: MeasuredQuestion, draw: Generator, folder: Path | None = None) -> list[Tensor]:
    """Held-out pictures, RGB in [0, 1], each (3, side, side).

    Args:
        question: says how many and how large.
        draw: decides on shapes and colours, or on the places of the crops.
        folder: pictures to take crops from; default: dead leaves in random colours, which stand in no file.

    Raises: ValueError if the folder has too few pictures that are large enough.
    """
    side = question.picture_size
    if folder is None:
        return [_leaves(side, draw) for _ in range(question.pictures)]
    found = [image for _, image in datasets.folder(folder) if min(image.shape[-2:]) >= side and image.shape[-3] == 3]
    if len(found) < question.pictures:
        raise ValueError(
            f"{folder}: {len(found)} RGB pictures of {side} pixels or more, {question.pictures} are needed"
        )
    order = torch.randperm(len(found), generator=draw)[: question.pictures]
    return [_crop(found[int(index)], side, draw) for index in order]


def _leaves(side: int, draw: Generator) -> Tensor:
    colours = torch.rand(1, 1, _PALETTE, 1, generator=draw) + 0.35 * (
        torch.rand(1, 3, _PALETTE, 1, generator=draw) - 0.5
    )
    return dead_leaves(side, draw, colours.clamp(0, 1), radius_min=1.0)[0]


def _crop(image: Tensor, side: int, draw: Generator) -> Tensor:
    image = image.reshape(image.shape[-3:])
    top, left = (int(torch.randint(size - side + 1, (1,), generator=draw)) for size in image.shape[-2:])
    return image[:, top : top + side, left : left + side].clone()


def digest_of(paths: Sequence[Path]) -> str:
    """One digest for the contents of files, by name and bytes, in order of their names."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.name.encode("utf-8", "surrogatepass") + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def plain(student: str) -> str:
    """A name for a file that can be nothing else: letters and digits of the student's, and a digest."""
    letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in student)[:40].strip("-")
    return f"{letters or 'student'}-{hashlib.sha256(student.encode('utf-8', 'replace')).hexdigest()[:8]}"
