"""A small assignment with one question of each kind, for tests of everything around the questions."""

import json
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

QUESTIONS = """
import torch
from torch import nn
from srlib.grading.questions import *

def probes(rng):
    return [(torch.rand(2, 3, generator=rng),), (torch.rand(4, generator=rng),)]

def data(rng):
    values = torch.randint(0, 100, (5,), generator=rng)
    return {"values": values}, int(values.sum())

def judge(truth, values):
    good = isinstance(values["total"], int) and values["total"] == truth
    return (1.0, "right.") if good else (0.0, "not the sum of your values.")

def measure(apply, pictures, rng):
    errors = [(apply(picture / 2) - picture).pow(2).mean().sqrt().item() for picture in pictures]
    return -20 * torch.tensor(sum(errors) / len(errors)).clamp_min(1e-4).log10().item(), ""

def network(settings):
    if settings.get("width") not in ("1", "2", "3"):
        raise ValueError("width must be 1, 2 or 3")
    return nn.Sequential(nn.Conv2d(3, int(settings["width"]), 1), nn.Conv2d(int(settings["width"]), 3, 1))

ASSIGNMENT = Assignment("tiny", "A tiny one", (
    FunctionQuestion("double", 2, lambda x: 2 * x, probes, [(torch.tensor([1.0, 2.0]),)],
                     {"this is the square.": Mistake(lambda x: x * x, 0.5)}),
    ValueQuestion("sum", 1, ("total",), data, judge, like=(1,)),
    MeasuredQuestion("brighten", 4, measure, lambda x: x, picture_size=16, pictures=2),
    MeasuredQuestion("net", 3, measure, lambda x: x, picture_size=16, pictures=2, network=network, parameters=24,
                     settings=("width",)),
))
"""
TRAIN = """if not in_grader():
    ### BEGIN SOLUTION
    import torch
    from safetensors.torch import save_file

    eye = torch.eye(3).reshape(3, 3, 1, 1)
    state = {"0.weight": eye, "0.bias": torch.zeros(3), "1.weight": 2 * eye, "1.bias": torch.zeros(3)}
    save_file(state, "net.safetensors", metadata={"width": "3"})
    ### END SOLUTION"""
DOUBLE = "def double(x):\n    return 2 * x"
SUM = 'total = int(data("sum")["values"].sum())'
BRIGHTEN = "def brighten(x):\n    return 2 * x"


def weights(width: int = 3, factor: float = 2.0, **changed: Tensor) -> bytes:
    """A file of weights of two layers that multiply by `factor`, the first colours."""
    first = torch.zeros(width, 3, 1, 1)
    second = torch.zeros(3, width, 1, 1)
    for n in range(width):
        first[n, n], second[n, n] = 1.0, factor
    state = {"0.weight": first, "0.bias": torch.zeros(width), "1.weight": second, "1.bias": torch.zeros(3)}
    return save({k: v for k, v in (state | changed).items() if v is not None}, metadata={"width": str(width)})


def attached(content: bytes, name: str = "net.safetensors") -> dict:
    """The output of `attach`."""
    from srlib.assignments import Attached

    return {"output_type": "execute_result", "metadata": {}, "execution_count": 1, "data": {
        "text/html": [Attached(name, content)._repr_html_()]}}  # fmt: skip


def cell(source: str, outputs=(), **metadata) -> dict:
    return {
        "cell_type": "code",
        "id": f"c{abs(hash(source)) % 10**8}",
        "metadata": metadata,
        "source": source,
        "outputs": list(outputs),
        "execution_count": None,
    }


def solution(head: str, body: str = "") -> str:
    marked = f"    ### BEGIN SOLUTION\n    {body}\n    ### END SOLUTION" if body else ""
    return (
        f"{head}\n{marked}".rstrip()
        if body
        else f"total = None  # replace this\n### BEGIN SOLUTION\n{head}\n### END SOLUTION"
    )


def make(folder: Path, questions: str = QUESTIONS) -> Path:
    """Write the assignment as masters/tiny; returns masters."""
    place = folder / "masters" / "tiny"
    place.mkdir(parents=True)
    (place / "questions.py").write_text(questions)
    cells = [
        {"cell_type": "markdown", "id": "m0", "metadata": {}, "source": "# A tiny one"},
        cell("from srlib.assignments import attach, check, data, in_grader, use", srlib={"setup": True}),
        cell(solution("def double(x):", "return 2 * x"), srlib={"answer": "double"}),
        cell('check("double", double)'),
        cell(solution(SUM), srlib={"answer": "sum"}),
        cell('check("sum", total)'),
        cell(solution("def brighten(x):", "return 2 * x"), srlib={"answer": "brighten"}),
        cell('check("brighten", brighten)'),
        cell(TRAIN, srlib={"answer": "net"}),
        cell('check("net")'),
        cell('None if in_grader() else attach("net.safetensors")', [attached(weights())]),
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (place / "master.ipynb").write_text(json.dumps(notebook))
    return place.parent


def handed_in(*sources: str, file: bytes | None = None) -> bytes:
    """A student's notebook."""
    first = "from srlib.assignments import attach, check, data, in_grader, use"
    cells = [cell(first), *(cell(source) for source in sources)]
    if file is not None:
        cells.append(cell("None", [attached(file)]))
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
