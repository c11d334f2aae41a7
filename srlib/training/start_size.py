"""The size of a network that begins with weights of others."""

import os
from collections.abc import Callable
from functools import partial

from torch import nn

from srlib.checkpoints import build, read_card


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
