"""`srlib export`: a network as an ONNX file, or under the names of BasicSR, for other programs and for browsers."""

import argparse
import io
from pathlib import Path

import torch
from safetensors.torch import save as serialise
from torch import Tensor, nn

from srlib import checkpoints, onnx_export
from srlib.commands import networks
from srlib.commands.arguments import UsageError, positive, scale
from srlib.io import atomic
from srlib.models.interpolators import INTERPOLATORS
from srlib.models.official import GROWTH, to_official
from srlib.onnx_export import ExportError

BASICSR = (".pth", ".pt", ".safetensors")


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser(
        "export",
        help="a network as an ONNX file, or with BasicSR's names, for other programs and browsers",
        description="A network for other programs. ONNX: a graph that onnxruntime, OpenCV and browsers run. BasicSR: "
        "weights by the names of its published files, which spandrel, Real-ESRGAN and programs built on them read; a "
        ".pth holds them under `params`, as theirs do, a .safetensors bare.",
    )
    command.add_argument("model", metavar="MODEL", help="name from `srlib models`, or a file.safetensors")
    command.add_argument("output", metavar="OUT", help="the file to write: .onnx, or .pth or .safetensors for BasicSR")
    command.add_argument("--scale", type=scale, default=None, help="default: 4, or that of the file")
    command.add_argument("--format", choices=("onnx", "basicsr"), help="default: as the suffix of OUT says")
    command.add_argument(
        "--size",
        nargs=2,
        type=positive,
        metavar=("H", "W"),
        help="ONNX: for pictures of this size alone, for runtimes without free sizes (default: any size)",
    )
    command.add_argument(
        "--float32", action="store_true", help="ONNX: store float32; default: float16 where the results stay equal"
    )
    command.add_argument(
        "--growth",
        type=positive,
        metavar="N",
        help=f"BasicSR: fill dense blocks up with zeros to so many maps; programs that assume {GROWTH} then read a "
        "network that grows by fewer",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Export, print what was written, and return the exit status.

    Raises: UsageError for words that do not go together; ExportError for a network that cannot be exported.
    """
    path = Path(options.output)
    form = options.format or ("basicsr" if path.suffix in BASICSR else "onnx")
    if form == "basicsr" and (options.size or options.float32):
        raise UsageError("--size and --float32 are for --format onnx")
    if form == "onnx" and options.growth:
        raise UsageError("--growth is for --format basicsr")
    if form == "basicsr" and path.suffix not in BASICSR:
        raise UsageError(f"{path}: weights with BasicSR's names are a .pth, .pt or .safetensors file")
    if form == "basicsr" and not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: no folder {path.parent}")
    net = networks.find(options.model, options.scale)
    name, card = options.model, {}
    if options.model not in INTERPOLATORS:
        source = checkpoints.locate(options.model, net.scale)
        card = checkpoints.read_card(source)
        name = card["model"]
        if path.exists() and path.samefile(source):
            raise UsageError(f"{path}: is the network itself; give the export another name")
    if form == "basicsr":
        return _basicsr(net, path, name, options.growth)
    about = {key: card[key] for key in ("sha256", "name", "source", "licence") if card.get(key)}
    size = tuple(options.size) if options.size else None
    done = onnx_export.export(net, path, name=name, half=not options.float32, size=size, about=about)
    checked = "not compared with torch: onnxruntime is not installed"
    if done.difference is not None:
        checked = f"at most {done.difference:.1e} off torch"
    sized = f" for {size[0]} x {size[1]} pixels" if size else ""
    print(f"{path}: {name} ×{net.scale}{sized}, {len(done.content):,} bytes, {checked}")
    return 0


def _basicsr(net: nn.Module, path: Path, name: str, growth: int | None) -> int:
    """Write the weights by BasicSR's names, and print what was written."""
    if bad := onnx_export.not_finite(net):
        raise ExportError(f"{name}: {bad} holds numbers that are not finite")
    try:
        state = {key: value.detach().contiguous() for key, value in to_official(net, growth=growth).items()}
    except ValueError as error:
        raise ExportError(f"{name}: {error}") from error
    content = serialise(state) if path.suffix == ".safetensors" else _pickled(state)
    atomic.write(path, content)
    print(f"{path}: {name} ×{net.scale}, {len(content):,} bytes{_told(net, growth)}")
    return 0


def _pickled(state: dict[str, Tensor]) -> bytes:
    """As BasicSR saves: nothing but tensors, in a dictionary in a dictionary."""
    buffer = io.BytesIO()
    torch.save({"params": state}, buffer)
    return buffer.getvalue()


def _told(net: nn.Module, growth: int | None) -> str:
    """What a reader of the file has to know that it does not say."""
    settings = net.settings
    if growth is None and settings.get("growth", GROWTH) != GROWTH:
        return f"; it grows by {settings['growth']}; for programs that assume {GROWTH}, give --growth {GROWTH}"
    if settings.get("residual_scale", 1.0) != 1.0:
        return f"; the residuals are scaled by {settings['residual_scale']}, which no such file says"
    return ""
