"""Beginning with the weights of another network or scale."""

import os
from pathlib import Path

import torch
from torch import nn

from srlib.checkpoints import CheckpointError, read_card, read_tensors


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
