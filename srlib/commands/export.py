"""`srlib export`: a network as an ONNX file, for other programs and for browsers."""

import argparse

from srlib import checkpoints, onnx_export
from srlib.commands import networks
from srlib.commands.arguments import scale
from srlib.models.interpolators import INTERPOLATORS


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser("export", help="a network as an ONNX file, for other programs and browsers")
    command.add_argument("model", metavar="MODEL", help="name from `srlib models`, or a file.safetensors")
    command.add_argument("output", metavar="OUT.onnx", help="the file to write")
    command.add_argument("--scale", type=scale, default=None, help="default: 4, or that of the file")
    command.add_argument(
        "--float32", action="store_true", help="store float32; default: float16 where the results stay equal"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Export, print what was written, and return the exit status."""
    net = networks.find(options.model, options.scale)
    name, sha256 = options.model, None
    if options.model not in INTERPOLATORS:
        card = checkpoints.read_card(checkpoints.locate(options.model, net.scale))
        name, sha256 = card["model"], card["sha256"]
    done = onnx_export.export(net, options.output, name=name, half=not options.float32, sha256=sha256)
    checked = "not compared with torch: onnxruntime is not installed"
    if done.difference is not None:
        checked = f"at most {done.difference:.1e} off torch"
    print(f"{options.output}: {name} ×{net.scale}, {len(done.content):,} bytes, {checked}")
    return 0
