"""Beginning with the weights of another network or scale."""

import os
from pathlib import Path

import torch
from torch import nn

from srlib import checkpoints
from srlib.checkpoints import CheckpointError, read_card, read_tensors


def find_start(model: str | os.PathLike, scale: int | None = None) -> Path:
    """The checkpoint to begin with: a file, or a shipped network by its name, "edsr_small" or "edsr_small_x2".

    Args:
        scale: of the network that begins with it; a name that ships for several scales means this one. A name that
            ships in a single file means that one.

    Raises: CheckpointError for a name that is not shipped, and for one of which none is for this scale.
    """
    name = os.fspath(model)
    cards = {path: read_card(path) for path in checkpoints.shipped() if name in (path.stem, checkpoints.name_of(path))}
    fitting = [path for path, card in cards.items() if scale in checkpoints.scales_of(card)]
    if len(cards) > 1 and len(fitting) != 1:
        choices = ", ".join(path.stem for path in cards)
        raise CheckpointError(f"{name} is not shipped for ×{scale}; begin with one of {choices}")
    return next(iter(fitting or cards), None) or checkpoints.locate(model)


def warm_start(net: nn.Module, path: str | os.PathLike) -> tuple[list[str], list[str]]:
    """Copy what fits by name and shape from a checkpoint of another network or scale: (copied, left as they were).

    EDSR for ×3 and ×4 starts from the body of ×2 in this way (Lim et al., CVPRW 2017, sec. 3.2).

    Raises: CheckpointError for a file that `load` would refuse, and where nothing fits.
    Differs from the paper: nothing known.
    """
    path = Path(path)
    tensors, own = read_tensors(path, read_card(path)), net.state_dict()
    copied = [name for name, value in own.items() if name in tensors and tensors[name].shape == value.shape]
    if not copied:
        raise CheckpointError(f"{path}: nothing in it fits {type(net).__name__}")
    with torch.no_grad():
        for name in copied:
            own[name].copy_(tensors[name])
    return copied, [name for name in own if name not in copied]
