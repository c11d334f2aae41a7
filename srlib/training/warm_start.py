"""Beginning with the weights of another network or scale."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn

from srlib.checkpoints import CheckpointError, build, read_card, read_tensors


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


def sized_as(make: Callable[[], nn.Module], path: str | os.PathLike) -> Callable[[], nn.Module]:
    """A recipe's maker of a network, in the size of the checkpoint that it begins with, where both are of one model.

    Weights of others come in many sizes: a Compact of 32 convolutions goes on as one of 32.

    Args:
        make: as recipes have it, partial(checkpoints.build, model, scale).

    Raises: CheckpointError as `read_card`.
    """
    card = read_card(path)
    same = isinstance(make, partial) and make.func is build and make.args[0] == card["model"]
    return partial(make, settings=card["network"]) if same and "network" in card else make
