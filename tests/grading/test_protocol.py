"""The grader's parser: random, cut, deep and lying bytes give "broken", never an exception, never a long wait."""

import json
import random
import struct
import time

import numpy as np
import pytest
import torch
from torch import nn

from srlib.grading.sandbox import protocol, values
from srlib.grading.sandbox.protocol import FROM_STUDENT, HEAD, ProtocolError, Reply


def reply(header: object, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return HEAD.pack(len(text), len(body)) + text + body


def test_known_bytes():
    """The format, by hand: lengths of header (4 bytes) and body (8 bytes), little-endian, then both."""
    text = b'{"status":"value","value":["numbers",[2]]}'
    data = struct.pack("<IQ", len(text), 16) + text + struct.pack("<2d", 1.5, -2)
    found = protocol.read_reply(data, 1000)
    assert found.ok and found.value.tolist() == [1.5, -2]


def test_random_bytes_are_broken_replies():
    rng = random.Random(0)
    began = time.monotonic()
    for _ in range(5_000):
        data = rng.randbytes(rng.randrange(200))
        assert protocol.read_reply(data, 10_000).status == "broken"
    assert time.monotonic() - began < 5


def test_changed_replies_never_raise():
    """One to four bytes of a right reply are changed, put in or taken out."""
    rng = random.Random(1)
    tree, body = values.result({"a": torch.rand(3, 5), "b": (1, "text", None, [True])}, 10_000)
    right = protocol.frame({"status": "value", "value": tree}, body)
    assert protocol.read_reply(right, 10_000).ok
    for _ in range(5_000):
        data = bytearray(right)
        for _ in range(rng.randint(1, 4)):
            at, how = rng.randrange(len(data)), rng.randrange(3)
            data[at : at + (how != 1)] = rng.randbytes(how != 2)
        found = protocol.read_reply(bytes(data), 10_000)
        assert type(found) is Reply and found.status in (*FROM_STUDENT, "broken")


@pytest.mark.parametrize(
    "header, body",
    [
        ([], b""),
        ({}, b""),
        ({"status": "right"}, b""),
        ({"status": "time"}, b""),
        ({"status": ["value"]}, b""),
        ({"status": "raised", "reason": 3}, b""),
        ({"status": "value"}, b""),
        ({"status": "value", "value": {}}, b""),
        ({"status": "value", "value": ["numbers"]}, b""),
        ({"status": "value", "value": ["numbers", [2]]}, bytes(8)),
        ({"status": "value", "value": ["numbers", [1]]}, bytes(16)),
        ({"status": "value", "value": ["numbers", [-1, -1]]}, bytes(8)),
        ({"status": "value", "value": ["numbers", [2**39, 2**39, 2**39, 0, 2**39]]}, bytes(8)),
        ({"status": "value", "value": ["numbers", [True]]}, bytes(8)),
        ({"status": "value", "value": ["numbers", [1.0]]}, bytes(8)),
        ({"status": "value", "value": ["numbers", [1] * 9]}, bytes(8)),
        ({"status": "value", "value": ["numbers", [10**30]]}, b""),
        ({"status": "value", "value": ["int", 1e3]}, b""),
        ({"status": "value", "value": ["int", True]}, b""),
        ({"status": "value", "value": ["bool", 1]}, b""),
        ({"status": "value", "value": ["int", float("nan")]}, b""),
        ({"status": "value", "value": ["text", "x" * 20_000]}, b""),
        ({"status": "value", "value": ["pickle", "x"]}, b""),
        ({"status": "value", "value": ["bytes", 9]}, bytes(8)),
        ({"status": "value", "value": ["list", [["none"]] * 5_000]}, b""),
        ({"status": "value", "value": ["list", ["none"]]}, b""),
    ],
)
def test_lying_replies_are_broken(header, body):
    assert protocol.read_reply(reply(header, body), 1_000_000).status == "broken"


def test_deep_double_and_long_headers_are_broken():
    for text in (
        b"[" * 200_000,
        b'{"a":' * 50_000,
        b'{"status":"value","status":"value","value":["none"]}',
        b'{"status":"value","value":["int",' + b"9" * 5_000 + b"]}",
        b'{"status":"value","value":["text","\xff"]}',
    ):
        assert protocol.read_reply(HEAD.pack(len(text), 0) + text, 100).status == "broken"
    nested: list = ["none"]
    for _ in range(50):
        nested = ["list", [nested]]
    assert protocol.read_reply(reply({"status": "value", "value": nested}), 100).status == "broken"


def test_lengths_come_before_contents():
    for head in (b"", bytes(11), HEAD.pack(1, 0), HEAD.pack(2**32 - 1, 0), HEAD.pack(10, 2**63)):
        with pytest.raises(ProtocolError):
            protocol.lengths(head, 1_000)


def test_texts_are_harmless():
    found = protocol.read_reply(reply({"status": "raised", "reason": "a\u202eb\ud800\x1b[31m" + "x" * 900}), 10)
    assert found.reason.startswith("a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}") and len(found.reason) <= 501
    assert "\x1b" not in found.reason


@pytest.mark.parametrize(
    "value, expected",
    [
        (1.5, 1.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (torch.tensor(2, dtype=torch.uint8), 2.0),
        (torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True), np.ones((2, 3))),
        (torch.arange(6).reshape(2, 3).T, np.arange(6).reshape(2, 3).T),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (np.array([[1, 2]], dtype=">i4"), np.array([[1.0, 2.0]])),
        ((1, None, "é"), (1, None, "é")),
        ({"b": [True, "2"]}, {"b": [True, "2"]}),
        ([[1, 2.5], (True, 0)], np.array([[1, 2.5], [1, 0]])),
        ([], []),
    ],
)
def test_results_cross_as_float64(value, expected):
    tree, body = values.result(value, 10_000)
    found = protocol.read_reply(protocol.frame({"status": "value", "value": tree}, body), 10_000).value
    if isinstance(expected, float | np.ndarray):
        assert found.dtype == np.float64 and np.array_equal(found, expected) and found.shape == np.shape(expected)
    else:
        assert found == expected and type(found) is type(expected)


def test_arguments_cross_exactly():
    given = (
        1, 2.5, float("inf"), "x", None, [True, (1,)], {"k": torch.arange(3, dtype=torch.int32)},
        torch.rand(2, 3, requires_grad=True), np.arange(4, dtype=np.float32).reshape(2, 2), torch.zeros(0, 3),
    )  # fmt: skip
    tree, body = values.arguments(given)
    found = values.build(json.loads(json.dumps(tree)), memoryview(body))
    assert found[:6] == given[:6] and torch.equal(found[6]["k"], given[6]["k"])
    assert torch.equal(found[7], given[7]) and found[7].requires_grad
    assert found[8].dtype == np.float32 and np.array_equal(found[8], given[8]) and found[9].shape == (0, 3)


def test_generators_and_networks_cross():
    rng = torch.Generator().manual_seed(5)
    torch.rand(7, generator=rng)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8, eps=1e-3), nn.LeakyReLU(0.2)
    ).eval()
    net[1].running_mean.uniform_(-1, 1)
    tree, body = values.arguments((rng, net))
    other, copy = values.build(tree, memoryview(body))
    picture = torch.rand(1, 3, 5, 7)
    assert torch.equal(copy(picture), net(picture)) and not copy.training
    assert torch.equal(torch.rand(3, generator=other), torch.rand(3, generator=rng))


def test_an_argument_that_cannot_cross_is_the_graders_error():
    with pytest.raises(TypeError, match="cannot go to a notebook"):
        values.arguments((object(),))
    with pytest.raises(TypeError, match="GELU"):
        values.arguments((nn.Sequential(nn.GELU()),))
