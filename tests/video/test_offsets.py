"""Offsets of a deformable convolution leave zero by themselves, when what guides them compares the two frames."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from srlib import warp
from srlib.resample import resize
from srlib.video.deformable import deformable_conv2d
from srlib.video.flow import cost_volume


def pairs(count, seed, size=28):
    """Textures, the same moved by up to 2 pixels in any direction, and the shifts: without offsets 1.33 pixels off."""
    draw = torch.Generator().manual_seed(seed)
    textures = resize(torch.rand(count, 1, 18, 18, generator=draw), 3)[..., 3:-3, 3:-3]
    angle, far = 2 * math.pi * torch.rand(count, generator=draw), 2 * torch.rand(count, generator=draw).sqrt()
    shifts = torch.stack([far * angle.sin(), far * angle.cos()], 1)
    moved = [warp.translate(each[None], *shift.tolist()) for each, shift in zip(textures, shifts, strict=True)]
    inside = (..., slice(8, 8 + size), slice(8, 8 + size))
    return textures[inside], torch.cat(moved)[inside], shifts


class Aligner(nn.Module):
    """Moves a frame onto another one; its offsets are zero at first."""

    def __init__(self):
        super().__init__()
        self.guide = nn.Conv2d(49, 18, 1)
        nn.init.zeros_(self.guide.weight)
        nn.init.zeros_(self.guide.bias)
        self.register_buffer("weight", F.pad(torch.ones(1, 1, 1, 1), (1, 1, 1, 1)))

    def forward(self, centre, other):
        offset = self.guide((-60 * cost_volume(centre, other, radius=3, window=7)).softmax(1))
        return deformable_conv2d(other, offset, None, self.weight, padding=1), offset[:, 8:10]


def test_offsets_find_a_shift_that_nobody_tells_in_less_than_200_steps():
    centre, other, shifts = pairs(32, seed=10**6)

    def end_point_error(net):
        with torch.no_grad():
            offset = net(centre, other)[1][..., 5:-5, 5:-5]
        return (offset - shifts[:, :, None, None]).norm(dim=1).mean().item()

    torch.manual_seed(0)
    net = Aligner()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-2)
    assert abs(end_point_error(net) - 4 / 3) < 0.2
    for k in range(150):
        frame, moved, _ = pairs(4, seed=k)
        loss = (net(frame, moved)[0] - frame)[..., 3:-3, 3:-3].abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert end_point_error(net) < 0.4
