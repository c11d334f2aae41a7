"""The upscaler that a command line names: an interpolator, a shipped network, or a file."""

from pathlib import Path

from torch import nn

from srlib import checkpoints
from srlib.commands.arguments import UsageError
from srlib.models.interpolators import INTERPOLATORS

SCALE = 4  # if none is given and no card states one


def find(model: str, scale: float | None, *, clips: bool = False) -> nn.Module:
    """The upscaler of this name or file, in evaluation mode.

    Args:
        scale: None: 4, or the one on the card of a file.
        clips: whether a network may take clips.

    Raises: UsageError for an unknown name, for a fractional scale of a network, and for a network of clips where it may
        not be one; CheckpointError for a checkpoint that cannot be loaded or has another scale.
    """
    if model in INTERPOLATORS:
        return INTERPOLATORS[model](scale or SCALE).eval()
    path, names = Path(model), checkpoints.names()
    if not path.suffix and model not in names:
        choices = ", ".join([*INTERPOLATORS, *names])
        raise UsageError(f"no model {model!r}; there are {choices}, or a file.safetensors")
    if scale is not None and scale != int(scale):
        raise UsageError(f"{model} needs a whole --scale, got {scale}; interpolators such as bicubic take any")
    net = checkpoints.load(model, scale or (SCALE if model in names else None))
    if (frames := getattr(net, "frames", 1)) > 1 and not clips:
        raise UsageError(f"{model} takes clips of {frames} frames, and here are pictures; choose another model")
    return net
