"""Weights that were handed in: only a right safetensors file is filled in; copies are recognised."""

import json

import pytest
import torch
from safetensors.torch import save

from srlib.grading import folders, similar, weights
from srlib.grading.questions import AnswerError
from tests.grading import tiny


@pytest.fixture(scope="module")
def question(tmp_path_factory):
    return folders.load("tiny", tiny.make(tmp_path_factory.mktemp("weights"))).assignment.question("net")


def header(text: bytes, body: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + body


def with_header(change) -> bytes:
    data = tiny.weights()
    length = int.from_bytes(data[:8], "little")
    found = json.loads(data[8 : 8 + length])
    return header(json.dumps(change(found) or found).encode(), data[8 + length :])


def test_right_weights_fill_the_network(question):
    network, sketch = weights.filled(question, tiny.weights())
    picture = torch.rand(3, 5, 7)
    torch.testing.assert_close(network(picture[None])[0], 2 * picture)
    assert sketch.count == 24 and not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "no safetensors file"),
        (b"not weights at all", "no safetensors file"),
        (tiny.weights()[:-3], "damaged"),
        (tiny.weights() + b"x", "damaged"),
        (bytes(1_000_001), "at most 1000000"),
        (header(b"[" * 50_000), "header is no JSON"),
        (header(b'{"__metadata__": {"width": 3}}'), "settings in the file of weights are not texts"),
        (header(b'{"__metadata__": []}'), "settings in the file of weights are not texts"),
        (with_header(lambda h: h["__metadata__"].update(width="7")), "width must be 1, 2 or 3"),
        (with_header(lambda h: h.pop("__metadata__") and None), "width must be 1, 2 or 3"),
        (with_header(lambda h: h["0.bias"].update(shape=[2**40])), "damaged"),
        (with_header(lambda h: h["0.bias"].update(data_offsets=[4, 16])), "damaged"),
        (with_header(lambda h: h["0.bias"].update(dtype="F99")), "damaged"),
        (tiny.weights(**{"0.bias": None}), "lacks '0.bias'"),
        (tiny.weights(**{"2.bias": torch.zeros(1)}), "has '2.bias', which the network has not"),
        (tiny.weights(**{"0.bias": torch.zeros(1, 3)}), r"\(1, 3\) float32, the network needs \(3,\)"),
        (tiny.weights(**{"0.bias": torch.zeros(3, dtype=torch.float16)}), "float16"),
        (tiny.weights(**{"0.bias": torch.tensor([0.0, float("nan"), 0.0])}), "not all finite"),
        (tiny.weights(**{"0.bias": torch.tensor([0.0, float("inf"), 0.0])}), "not all finite"),
        (save({}, metadata={"width": "2"}), "lacks"),
    ],
)
def test_wrong_weights_are_told(question, data, message):
    with pytest.raises(AnswerError, match=message):
        weights.filled(question, data)


def test_too_many_parameters_are_told(question):
    from dataclasses import replace

    with pytest.raises(AnswerError, match="24 parameters; at most 20 are allowed"):
        weights.filled(replace(question, parameters=20), tiny.weights())


def test_near_copies_are_recognised_and_other_trainings_not():
    rng = torch.Generator().manual_seed(1)
    first = {"a": torch.randn(40, 9, generator=rng), "b": torch.randn(7, generator=rng)}
    touched = {name: tensor + 1e-4 * torch.randn(tensor.shape, generator=rng) for name, tensor in first.items()}
    other = {name: torch.randn(tensor.shape, generator=rng) for name, tensor in first.items()}
    sketches = {name: weights.sketch(s) for name, s in (("ada", first), ("bob", touched), ("eve", other))}
    assert [(pair.first, pair.second) for pair in similar.weights(sketches, "net")] == [("ada", "bob")]
    shorter = weights.sketch({"a": first["a"]})
    assert not shorter.nearly(sketches["ada"])
