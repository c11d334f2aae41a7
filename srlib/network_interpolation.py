"""Network interpolation: blending the weights of two networks."""

import copy
import os

import torch
from torch import nn

from srlib.checkpoints import CheckpointError, load


@torch.no_grad()
def interpolate_networks(a: nn.Module | str | os.PathLike, b: nn.Module | str | os.PathLike, alpha: float) -> nn.Module:
    """(1 − α) · a + α · b, weight by weight, as a new network (Wang et al., ECCVW 2018, eq. 4).

    Only useful if one network was fine-tuned from the other: the weights of independent runs do not interpolate.

    Args:
        a, b: networks, or anything `load` accepts.
        alpha: 0 gives exactly a, and 1 exactly b.

    Raises: ValueError for an alpha outside [0, 1]; CheckpointError for networks of different architectures, and as
        `load`.
    Differs from the paper: batch norm's statistics, which the paper's network does not have, are interpolated too;
        integers, such as its batch count, are taken from the nearer network.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie between 0 (the first network) and 1 (the second), got {alpha}")
    a, b = (net if isinstance(net, nn.Module) else load(net) for net in (a, b))
    theirs = b.state_dict()
    mixed = copy.deepcopy(a).eval().requires_grad_(False)
    alike = str(a) == str(b) and getattr(a, "scale", None) == getattr(b, "scale", None)
    if not alike or mixed.state_dict().keys() != theirs.keys():
        raise CheckpointError(f"cannot interpolate {_kind(a)} and {_kind(b)}: their architectures differ")
    for name, value in mixed.state_dict().items():
        if value.is_floating_point():
            value.lerp_(theirs[name].to(value), alpha)
        elif alpha > 0.5:
            value.copy_(theirs[name])
    return mixed


def _kind(net: nn.Module) -> str:
    parameters = sum(p.numel() for p in net.parameters())
    return f"{type(net).__name__} ×{getattr(net, 'scale', '?')} of {parameters:,} parameters"
