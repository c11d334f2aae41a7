"""Values on the sandbox's side: arguments are built from a frame, results become a frame of float64, or a reason.

The grader encodes arguments with `arguments`; a notebook's call decodes them with `build`, calls the function and
encodes what came back with `result`. Only exact types are looked at: no method of a student's object is asked whether
it is equal, how long it is, or what it looks like.
"""

import io
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from srlib.grading.sandbox import protocol

_TENSORS = {str(t).removeprefix("torch."): t for t in (
    torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.uint8, torch.bool,
)}  # fmt: skip
_CONVOLUTION = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
_MODULES: dict[str, tuple[str, ...]] = {  # class of torch.nn -> the arguments that its attributes give
    "Conv2d": _CONVOLUTION,
    "ConvTranspose2d": (*_CONVOLUTION[:5], "output_padding", "groups", "dilation"),
    "BatchNorm2d": ("num_features", "eps", "momentum", "affine", "track_running_stats"),
    "Linear": ("in_features", "out_features"),
    "ReLU": (),
    "LeakyReLU": ("negative_slope",),
    "Sigmoid": (),
    "Flatten": (),
    "Identity": (),
    "PixelShuffle": ("upscale_factor",),
    "AdaptiveAvgPool2d": ("output_size",),
}

_PLAIN = (float, int, bool, np.float64, np.float32, np.int64)


class Unusable(Exception):
    """A result that is no data, with the reason for the student."""


def arguments(values: tuple) -> tuple[list, bytes]:
    """A tuple of arguments as a tree of nodes and a body.

    Raises: TypeError for a value that cannot cross.
    """
    parts: list[bytes] = []
    tree = [_argument(value, parts) for value in values]
    return tree, b"".join(parts)


def build(tree: list, body: memoryview) -> tuple:
    """The arguments that `arguments` wrote (inside the sandbox; the grader is trusted)."""
    stream = io.BytesIO(body)
    return tuple(_build(node, stream) for node in tree)


def contents(value: Any) -> list[bytes]:
    """The bytes of all tensors and arrays in arguments, to see whether a call has changed them."""
    if isinstance(value, Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        return [value.tobytes()]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [found for part in parts for found in contents(part)]


def result(value: Any, longest: int) -> tuple[list, bytes]:
    """What a student's function returned, as a tree and float64 bytes.

    Args:
        value: anything at all.
        longest: the largest body in bytes.

    Raises: Unusable, with a reason that the student can act on.
    """
    parts: list[bytes] = []
    tree = _result(value, parts, [longest, protocol.MAX_NODES], 0)
    return tree, b"".join(parts)


def _argument(value: Any, parts: list[bytes]) -> list:
    if value is None or type(value) in (bool, int, str):
        return ["plain", value]
    if type(value) is float:
        return ["float", value.hex()]
    if type(value) in (list, tuple):
        return [type(value).__name__, [_argument(item, parts) for item in value]]
    if type(value) is dict and all(type(key) is str for key in value):
        return ["dict", {key: _argument(item, parts) for key, item in value.items()}]
    if isinstance(value, Tensor):
        name, array = str(value.dtype).removeprefix("torch."), value.detach().cpu().contiguous().numpy()
        if name not in _TENSORS:
            raise TypeError(f"a tensor of {name} cannot go to a notebook; use {', '.join(_TENSORS)}")
        parts.append(array.tobytes())
        return ["tensor", [name, list(value.shape), bool(value.requires_grad)]]
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        parts.append(np.ascontiguousarray(value).tobytes())
        return ["array", [value.dtype.str, list(value.shape)]]
    if isinstance(value, torch.Generator):
        state = value.get_state().numpy().tobytes()
        parts.append(state)
        return ["generator", len(state)]
    if isinstance(value, nn.Module):
        return _module(value, parts)
    raise TypeError(f"a {type(value).__name__} cannot go to a notebook")


def _module(module: nn.Module, parts: list[bytes]) -> list:
    name = type(module).__name__
    if type(module) is nn.Sequential:
        return ["Sequential", [[_module(part, parts) for part in module], module.training]]
    if name not in _MODULES or type(module) is not getattr(nn, name):
        raise TypeError(f"a network with {name} cannot go to a notebook; use {', '.join(['Sequential', *_MODULES])}")
    settings = {key: _argument(getattr(module, key), parts) for key in _MODULES[name]}
    if hasattr(module, "bias"):
        settings["bias"] = ["plain", module.bias is not None]
    if name == "BatchNorm2d":
        settings.pop("bias")
    state = {key: _argument(tensor, parts) for key, tensor in module.state_dict().items()}
    return ["module", [name, settings, state, module.training]]


def _build(node: list, stream: io.BytesIO) -> Any:
    kind, content = node
    if kind == "plain":
        return content
    if kind == "float":
        return float.fromhex(content)
    if kind in ("list", "tuple"):
        parts = [_build(part, stream) for part in content]
        return tuple(parts) if kind == "tuple" else parts
    if kind == "dict":
        return {key: _build(part, stream) for key, part in content.items()}
    if kind == "tensor":
        name, shape, gradient = content
        empty = torch.empty(shape, dtype=_TENSORS[name])
        data = stream.read(empty.numel() * empty.element_size())
        filled = torch.frombuffer(bytearray(data), dtype=_TENSORS[name]).reshape(shape) if data else empty
        return filled.requires_grad_(gradient)
    if kind == "array":
        dtype, shape = np.dtype(content[0]), content[1]
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(stream.read(count * dtype.itemsize), dtype).reshape(shape).copy()
    if kind == "generator":
        generator = torch.Generator()
        generator.set_state(torch.frombuffer(bytearray(stream.read(content)), dtype=torch.uint8))
        return generator
    if kind == "Sequential":
        network = nn.Sequential(*(_build(part, stream) for part in content[0]))
        network.training = content[1]  # its parts have their own
        return network
    name, settings, state, training = content
    module = getattr(nn, name)(**{key: _build(part, stream) for key, part in settings.items()})
    module.load_state_dict({key: _build(part, stream) for key, part in state.items()})
    return module.train(training)


def _result(value: Any, parts: list[bytes], left: list[int], depth: int) -> list:
    left[1] -= 1
    if left[1] < 0 or depth > protocol.MAX_DEPTH:
        raise Unusable("your function returned a value of too many parts; return one tensor, or a few.")
    kind = type(value)
    if value is None or value is Ellipsis:
        return ["none"]
    if kind is bool:
        return ["bool", value]
    if kind is int:
        if abs(value) > protocol.MAX_INTEGER:
            raise Unusable("your function returned an integer of more than 18 digits.")
        return ["int", value]
    if kind is str:
        return ["text", value[: protocol.MAX_TEXT].encode("utf-8", "replace").decode()]
    if kind is list and (shape := _regular(value, left[0] // 8, 0)):
        value = np.array(value, dtype="<f8").reshape(shape)
        kind = np.ndarray
    if kind in (list, tuple):
        return [kind.__name__, [_result(item, parts, left, depth + 1) for item in value]]
    if kind is dict and all(type(key) is str for key in value):
        return ["dict", {key[:200]: _result(item, parts, left, depth + 1) for key, item in value.items()}]
    array = _numbers(value, kind, left[0])
    data = array.tobytes()
    left[0] -= len(data)
    parts.append(data)
    return ["numbers", list(array.shape)]


def _regular(value: list, longest: int, depth: int) -> tuple[int, ...]:
    """The shape of lists of plain numbers in lists, () for what is no array; nothing of a student's is called."""
    if depth >= protocol.MAX_AXES or not 0 < len(value) <= longest:
        return ()
    first = type(value[0])
    if first not in (list, tuple):
        plain = all(type(item) in _PLAIN for item in value) and all(
            type(item) is not int or abs(item) <= protocol.MAX_INTEGER for item in value
        )
        return (len(value),) if plain else ()
    below = ()
    for item in value:
        shape = _regular(item, longest // len(value), depth + 1) if type(item) in (list, tuple) else ()
        if not shape or below and shape != below:
            return ()
        below = shape
    return (len(value), *below)


def _numbers(value: Any, kind: type, longest: int) -> np.ndarray:
    """A number, array or tensor as a float64 array."""
    if kind in (float, np.float64) or issubclass(kind, np.number | np.bool_):
        value = np.asarray(value)
    elif issubclass(kind, Tensor):
        value = _dense(value, longest)
    elif not issubclass(kind, np.ndarray):
        raise Unusable(f"your function returned a {_name(kind)}; return numbers, arrays or tensors.")
    value = np.asarray(value)
    if value.dtype.kind not in "fiub":
        raise Unusable(f"your function returned an array of {value.dtype}; return real numbers.")
    if value.ndim > protocol.MAX_AXES:
        raise Unusable(f"your function returned an array of {value.ndim} axes.")
    if value.size * 8 > longest:
        raise Unusable(f"your function returned {value.size} numbers; at most {longest // 8} can be judged.")
    return np.ascontiguousarray(value, dtype="<f8").reshape(value.shape)


def _dense(value: Tensor, longest: int) -> np.ndarray:
    value = Tensor.detach(value)
    if value.is_complex() or value.is_quantized or value.layout != torch.strided or value.device.type == "meta":
        raise Unusable("your function returned a tensor of complex numbers, or one without plain values.")
    if value.numel() * 8 > longest:
        raise Unusable(f"your function returned {value.numel()} numbers; at most {longest // 8} can be judged.")
    return value.cpu().to(torch.float64).numpy()


def _name(kind: type) -> str:
    name = type.__dict__["__name__"].__get__(kind)
    return name[:60] if type(name) is str else "thing"
