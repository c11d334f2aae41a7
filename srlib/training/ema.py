"""EMA: the exponential moving average of a network's weights, which is evaluated and kept in place of the last ones."""

import copy

import torch
from torch import nn


def start_ema(net: nn.Module) -> nn.Module:
    """A copy of a network to average into, in evaluation mode, without gradients."""
    return copy.deepcopy(net).eval().requires_grad_(False)


@torch.no_grad()
def update_ema(averaged: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """averaged ← decay · averaged + (1 − decay) · net; a shorter memory at first, so that the start is forgotten.

    Batch norm's running statistics are averaged as the weights are: they remember some ten batches, and with batches of
    4 they shook a network without a long skip by 2 dB from one evaluation to the next. Counts are copied.

    Args:
        step: number of this update, from 0; the decay is at most (step + 1) / (step + 10).
    """
    decay = min(decay, (step + 1) / (step + 10))
    means, values = ([*averaged.parameters()], [*net.parameters()])
    for mean, value in zip(averaged.buffers(), net.buffers(), strict=True):
        if value.is_floating_point():
            means.append(mean)
            values.append(value)
        else:
            mean.copy_(value)
    torch._foreach_lerp_(means, values, 1 - decay)  # one call: on a GPU many small ones take longer than the arithmetic
