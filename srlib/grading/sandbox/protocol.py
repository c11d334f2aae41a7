"""What crosses between grader and sandbox: frames of a JSON header and bytes. Never a pickle, never a verdict.

A frame is: 4 bytes length of the header, 8 bytes length of the body, the header, the body. A *value* is a frame whose
header is a tree of nodes and whose body holds the numbers: whatever a function returns arrives as float64 in the order
of the tree. Everything that comes from the sandbox is parsed as if an enemy had written it: lengths before contents,
known words only, no float in JSON, sizes that must add up to the last byte.
"""

import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

HEAD = struct.Struct("<IQ")
MAX_HEADER = 262_144
MAX_NODES = 2_000
MAX_DEPTH = 6
MAX_AXES = 8
MAX_TEXT = 10_000
MAX_INTEGER = 10**18


class ProtocolError(ValueError):
    """What arrived is no frame, or no value."""


@dataclass(frozen=True)
class Reply:
    """What one request gave.

    Args:
        status: "value", "missing" (no such name), "raised", "unusable" (returned something that is no data),
            "time", "memory", "died", "too large" or "broken" (what arrived was no reply).
        reason: one sentence for the student; empty where there is a value.
        value: float64 arrays (numbers are arrays of no axes), integers, booleans, texts, None, in tuples, lists and
            dictionaries.
        seconds: wall time of the call.
    """

    status: str
    reason: str = ""
    value: Any = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.status == "value"


STATUSES = ("value", "missing", "raised", "unusable", "time", "memory", "died", "too large", "broken")
FROM_STUDENT = ("value", "missing", "raised", "unusable")


def frame(header: dict, body: bytes | memoryview = b"") -> bytes:
    """One frame.

    Raises: ProtocolError if the header is too long.
    """
    text = json.dumps(header, ensure_ascii=True, allow_nan=False).encode("ascii")
    if len(text) > MAX_HEADER:
        raise ProtocolError(f"a header of {len(text)} bytes; at most {MAX_HEADER}")
    return b"".join((HEAD.pack(len(text), len(body)), text, body))


def lengths(head: bytes, max_body: int) -> tuple[int, int]:
    """Header and body length from a frame's first bytes.

    Raises: ProtocolError if one is larger than allowed.
    """
    if len(head) != HEAD.size:
        raise ProtocolError("the frame is cut off")
    header, body = HEAD.unpack(head)
    if not 2 <= header <= MAX_HEADER or body > max_body:
        raise ProtocolError(f"a frame of {header} + {body} bytes; at most {MAX_HEADER} + {max_body}")
    return header, body


def parse(text: bytes) -> dict:
    """A header: a JSON object of plain ASCII without floats.

    Raises: ProtocolError for anything else, however deep, long or odd it is.
    """
    try:
        found = json.loads(
            text.decode("ascii"),
            parse_float=_refuse,
            parse_constant=_refuse,
            parse_int=_integer,
            object_pairs_hook=_pairs,
        )
    except (ValueError, RecursionError, MemoryError) as error:
        raise ProtocolError(f"no header: {type(error).__name__}") from None
    if type(found) is not dict:
        raise ProtocolError("the header is no object")
    return found


def split(data: bytes, max_body: int) -> tuple[dict, memoryview]:
    """Header and body of one whole frame.

    Raises: ProtocolError unless it is exactly one.
    """
    header, body = lengths(data[: HEAD.size], max_body)
    if len(data) != HEAD.size + header + body:
        raise ProtocolError("the frame is cut off, or something follows it")
    return parse(data[HEAD.size : HEAD.size + header]), memoryview(data)[HEAD.size + header :]


def read_reply(data: bytes, max_body: int) -> Reply:
    """The reply that a student's process wrote; status "broken" for whatever is none.

    Args:
        data: all that came through the call's pipe.
        max_body: the largest body.

    Raises: nothing, whatever the data are.
    """
    try:
        header, body = split(data, max_body)
        status, reason = header.get("status"), header.get("reason", "")
        if status not in FROM_STUDENT or type(reason) is not str:
            raise ProtocolError("an unknown status")
        if status != "value":
            return Reply(status, clean(reason, 500))
        return Reply("value", value=decode(header.get("value"), body))
    except (ValueError, OverflowError, MemoryError) as error:  # ProtocolError, and whatever was not thought of
        return Reply("broken", f"what came back is no reply: {error}"[:300])


def decode(tree: Any, body: bytes | memoryview) -> Any:
    """The value of a tree of nodes and its numbers.

    Raises: ProtocolError if a node is unknown, or the sizes do not add up to the body's.
    """
    reader = _Reader(memoryview(body))
    value = reader.node(tree, 0)
    if reader.at != len(reader.body):
        raise ProtocolError("more numbers than the header names")
    return value


def clean(text: str, longest: int = MAX_TEXT) -> str:
    """A student's text without control, direction and half characters, cut."""
    kept = (c if c.isprintable() or c == " " else "\N{REPLACEMENT CHARACTER}" for c in text[:longest])
    return "".join(kept) + ("…" if len(text) > longest else "")


class _Reader:
    def __init__(self, body: memoryview):
        self.body, self.at, self.nodes = body, 0, 0

    def node(self, node: Any, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ProtocolError("a value of too many parts")
        if type(node) is not list or not 1 <= len(node) <= 2 or type(node[0]) is not str:
            raise ProtocolError("a node that is none")
        kind, content = node[0], node[1] if len(node) == 2 else None
        if kind == "numbers":
            return self.numbers(content)
        if kind in ("tuple", "list") and type(content) is list:
            parts = [self.node(part, depth + 1) for part in content]
            return tuple(parts) if kind == "tuple" else parts
        if kind == "dict" and type(content) is dict:
            return {clean(key, 200): self.node(part, depth + 1) for key, part in content.items()}
        if kind == "text" and type(content) is str and len(content) <= MAX_TEXT:
            return clean(content)
        if kind == "int" and type(content) is int or kind == "bool" and type(content) is bool:
            return content
        if kind == "bytes" and type(content) is int and 0 <= content <= len(self.body) - self.at:
            self.at += content
            return bytes(self.body[self.at - content : self.at])
        if kind == "none" and content is None:
            return None
        raise ProtocolError("a node of an unknown kind")

    def numbers(self, shape: Any) -> np.ndarray:
        if type(shape) is not list or len(shape) > MAX_AXES:
            raise ProtocolError("a shape that is none")
        if any(type(size) is not int or not 0 <= size < 2**40 for size in shape):
            raise ProtocolError("a shape that is none")
        if math.prod(size or 1 for size in shape) >= 2**48:  # an empty array, too, has a largest shape
            raise ProtocolError("a shape that is none")
        count = math.prod(shape)
        if count * 8 > len(self.body) - self.at:
            raise ProtocolError("fewer numbers than the header names")
        found = np.frombuffer(self.body, "<f8", count, self.at).reshape(shape).copy() if count else np.zeros(shape)
        self.at += count * 8
        return found


def _refuse(_: str) -> None:
    raise ValueError("a float")


def _integer(text: str) -> int:
    if len(text) > 19:
        raise ValueError("an integer too long")
    value = int(text)
    if abs(value) > MAX_INTEGER:
        raise ValueError("an integer too large")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)
