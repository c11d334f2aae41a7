"""Networks as ONNX files, which other programs and browsers run: for pictures of any size, 16 bits a number."""

import copy
import importlib.util
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from srlib import onnx_graph
from srlib.inference import receptive_radius
from srlib.io import atomic
from srlib.models.esrgan import Unshuffle
from srlib.models.interpolators import Interpolator
from srlib.models.polyphase import Polyphase, StridedUnshuffle

if TYPE_CHECKING:
    import onnx

OPSET = 18  # what torch's exporter is written in; every onnxruntime of the last years reads it
TOLERANCE = 1e-4  # of a range of 1: a fortieth of a step of 8 bits
_TRACED = (18, 23)  # lr height and width while tracing; nothing of it may stay in the graph
_TRIED = ((33, 17), (20, 48))
_NEEDED = ("onnx", "onnxscript")
_CHATTER = ("torch.onnx", "torch.export", "torch.fx", "onnxscript", "onnx_ir")


class ExportError(ValueError):
    """A network that cannot be exported, in one line that says why."""


@dataclass(frozen=True)
class Exported:
    """An ONNX file as bytes.

    `receptive_radius`: how far tiles must overlap. `difference`: the largest to torch's result; None where there is no
    onnxruntime.
    """

    content: bytes
    receptive_radius: int
    difference: float | None


def export(
    net: nn.Module,
    path: str | os.PathLike,
    *,
    name: str | None = None,
    half: bool = True,
    sha256: str | None = None,
    size: tuple[int, int] | None = None,
    about: Mapping[str, str] | None = None,
) -> Exported:
    """Write a network to `path` (.onnx): input "lr" (1, channels, h, w), output "sr" (1, channels, scale·h, scale·w).

    Heights and widths are free, from one pixel. The file says in its metadata what it is: model, scale, channels,
    receptive_radius (how far tiles must overlap), multiple (at whose multiples tiles must begin), parameters, and the
    sha256 of the checkpoint if given. It is written whole or not at all, after onnx has checked it and, where
    onnxruntime is installed, after its results equal those of torch to `TOLERANCE` at two sizes.

    The graph is as plain as the network allows: constants are folded, and the IR version is the lowest of its opset, so
    that older runtimes and OpenCV read it. `benchmarks/runtimes.py` has a table of who reads what.

    Args:
        name: of the model, for the metadata; default: that of the class.
        half: store numbers that fit 16 bits in 16 bits, with a cast to 32 in the graph. Nothing is rounded: a shipped
            checkpoint's all fit, those of a network just trained do not. See `to_half`.
        size: (height, width), for pictures of this size alone; None: free.
        about: more metadata, such as source and licence.

    Raises: ExportError where onnx or onnxscript is missing, for another suffix or folder, and for a network that takes
        clips, whose weights are not finite, that cannot be exported or whose file computes something else; OSError as
        for writing a file.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise ExportError(f"{path}: an ONNX file must end in .onnx")
    if not path.absolute().parent.is_dir():
        raise ExportError(f"{path}: no folder {path.parent}")
    exported = convert(net, name=name, half=half, sha256=sha256, size=size, about=about)
    atomic.write(path, exported.content)
    return exported


def convert(
    net: nn.Module,
    *,
    name: str | None = None,
    half: bool = True,
    sha256: str | None = None,
    size: tuple[int, int] | None = None,
    about: Mapping[str, str] | None = None,
) -> Exported:
    """As `export`, in memory.

    Raises: ExportError as for `export`.
    """
    if missing := [package for package in _NEEDED if importlib.util.find_spec(package) is None]:
        raise ExportError(f'exporting needs onnx and onnxscript, no {missing[0]} here: pip install "srlib[web]"')
    name = name or type(net).__name__
    if getattr(net, "frames", 1) > 1:
        raise ExportError(f"{name} takes clips of {net.frames} frames; networks of one picture can be exported")
    if bad := not_finite(net):
        raise ExportError(f"{name}: {bad} holds numbers that are not finite")
    plain = _plain(net)
    with torch.no_grad():
        if not plain(torch.rand(1, plain.channels, *_TRACED)).isfinite().all():
            raise ExportError(f"{name}: its result for a picture holds numbers that are not finite")
    model = _traced(plain, size)
    onnx_graph.simplify(model)
    onnx_graph.strip(model)
    if half:
        onnx_graph.halve(model)
    radius = receptive_radius(plain, plain.channels)
    extra = {"sha256": sha256} if sha256 else {}
    extra |= {"size": f"{size[0]} x {size[1]}"} if size else {}
    _describe(model, plain, name, radius, extra | dict(about or {}))
    content = model.SerializeToString()
    _check(content)
    difference = _difference(plain, content, (size,) if size else _TRIED)
    if difference is not None and not difference <= TOLERANCE:
        raise ExportError(f"{name}: onnxruntime's result is {difference:.1e} off torch's")
    return Exported(content, radius, difference)


def onnx_runner(content: bytes) -> Callable[[Tensor], Tensor]:
    """A function lr -> sr that computes with onnxruntime what a file holds."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(lr: Tensor) -> Tensor:
        return torch.from_numpy(session.run(["sr"], {"lr": lr.numpy()})[0])

    return run


def not_finite(net: nn.Module) -> str | None:
    """The first of its tensors that holds NaN or infinity."""
    held = net.state_dict().items()
    return next((name for name, value in held if value.is_floating_point() and not value.isfinite().all()), None)


def is_available() -> bool:
    """Whether onnx and onnxscript are installed."""
    return all(importlib.util.find_spec(package) for package in _NEEDED)


def to_half(net: nn.Module) -> nn.Module:
    """A copy whose numbers are rounded to 16 bits, so that its file is half as large; some 0.001 dB."""
    return copy.deepcopy(net).half().float()


def _plain(net: nn.Module) -> nn.Module:
    """A copy to trace: on the processor, in evaluation mode, with convolutions for what few runtimes have."""
    if isinstance(net, Interpolator):
        return _polyphase(net, 3)
    plain = copy.deepcopy(net).cpu().float().eval().requires_grad_(False)
    for parent in list(plain.modules()):
        for name, child in parent.named_children():
            if isinstance(child, Interpolator):
                setattr(parent, name, _polyphase(child, plain.channels))
            elif isinstance(child, Unshuffle):
                setattr(parent, name, StridedUnshuffle(fold=child.fold, channels=plain.channels))
    return plain


def _polyphase(layer: Interpolator, channels: int) -> Polyphase:
    if layer.kernel != "bicubic" or layer.scale != int(layer.scale):
        raise ExportError(f"{layer.kernel} ×{layer.scale:g}: of the interpolators only bicubic by a whole scale goes")
    return Polyphase(scale=int(layer.scale), channels=channels)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports on itself and on libraries that are not there; its errors are raised all the same."""
    loggers = [logging.getLogger(name) for name in _CHATTER]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _traced(net: nn.Module, size: tuple[int, int] | None) -> "onnx.ModelProto":
    """The graph, as the layers stand: onnxruntime fuses them when it loads a file, and the numbers stay as they are."""
    lr = torch.rand(1, net.channels, *(size or _TRACED), generator=torch.Generator().manual_seed(0))
    free = None if size else ({2: torch.export.Dim("h", min=2), 3: torch.export.Dim("w", min=2)},)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                net, (lr,), dynamo=True, input_names=["lr"], output_names=["sr"], dynamic_shapes=free,
                opset_version=OPSET, optimize=False, verbose=False,
            )  # fmt: skip
    except (RuntimeError, torch.onnx.OnnxExporterError) as error:
        raise ExportError(f"{type(net).__name__} cannot be written as a graph of ONNX") from error
    return program.model_proto


def _describe(model: "onnx.ModelProto", net: nn.Module, name: str, radius: int, extra: Mapping[str, str]) -> None:
    from onnx import helper

    model.producer_name = "srlib"
    model.ClearField("producer_version")
    entries = {
        "model": name,
        "scale": str(net.scale),
        "channels": str(net.channels),
        "receptive_radius": str(radius),
        "multiple": str(getattr(net, "multiple", 1)),
        "parameters": str(sum(p.numel() for p in net.parameters())),
    }
    helper.set_model_props(model, entries | extra)


def _check(content: bytes) -> None:
    import onnx

    try:
        onnx.checker.check_model(content, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError("onnx does not accept the graph that torch's exporter made") from error


@torch.no_grad()
def _difference(net: nn.Module, content: bytes, sizes: Sequence[tuple[int, int]]) -> float | None:
    """The largest between onnxruntime and torch at these sizes, relative to the result where that exceeds 1."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    rng = torch.Generator().manual_seed(0)
    found = [torch.zeros(())]
    run = onnx_runner(content)
    for size in sizes:
        lr = torch.rand(1, net.channels, *size, generator=rng)
        sr = net(lr)
        found.append((run(lr) - sr).abs().max() / sr.abs().max().clamp_min(1))
    return torch.stack(found).max().item()  # NaN, if one is
