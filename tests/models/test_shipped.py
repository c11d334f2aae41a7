"""What ships keeps colours: flat ones, white and black, and grey pictures stored as RGB, as well as its kind should."""

import itertools

import pytest
import torch

from srlib import checkpoints
from srlib.inference import upscale
from srlib.models.catalogue import CATALOGUE, TEXTURED, TRUE

CORNERS = list(itertools.product((0.0, 1.0), repeat=3))
FLAT = torch.tensor([*CORNERS, (0.25,) * 3, (0.5,) * 3, (0.75,) * 3, (0.9, 0.7, 0.6), (0.2, 0.5, 0.8), (0.3, 0.6, 0.2)])
EDGE = 7  # lr pixels; nearer to the border the padding is felt
SHIPPED = [
    (path, scale) for path in checkpoints.shipped() for scale in checkpoints.scales_of(checkpoints.read_card(path))
]


def waves(height, width):
    """A grey picture with slopes in all directions."""
    rows, columns = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    plane = 0.5 + 0.22 * torch.sin(0.31 * rows + 0.17 * columns) + 0.18 * torch.cos(0.09 * rows - 0.4 * columns + 1)
    return plane.expand(1, 3, height, width)


def measured(net):
    """As `Colours`."""
    sr = upscale(net, FLAT[:, :, None, None].expand(-1, 3, 17, 19).contiguous()).clamp(0, 1)
    inside = sr[..., EDGE * net.scale : -EDGE * net.scale, EDGE * net.scale : -EDGE * net.scale]
    moved = 255 * (inside - FLAT[:, :, None, None]).abs().amax((1, 2, 3))
    grey = upscale(net, waves(37, 45)).clamp(0, 1)
    spread = 255 * (grey.amax(1) - grey.amin(1)).max()
    return moved.max().item(), spread.item(), moved[[0, 7]].max().item()


@pytest.mark.parametrize(("path", "scale"), SHIPPED, ids=[f"{path.stem}-{scale}" for path, scale in SHIPPED])
def test_colours_stay(path, scale):
    bound = CATALOGUE[checkpoints.name_of(path)].colours
    flat, grey, ends = measured(checkpoints.load(path, scale))
    assert flat <= bound.flat and grey <= bound.grey and ends <= bound.ends, (flat, grey, ends)


def test_what_is_excused_is_not_held_tighter_than_its_kind():
    for name, entry in CATALOGUE.items():
        kind = TEXTURED if entry.kind == "textured" else TRUE
        assert entry.colours == kind if entry.tint is None else entry.tint != kind, name


class Tinting(torch.nn.Module):
    """Enlarges by repetition, and adds to one channel."""

    scale, channels = 2, 3

    def __init__(self, much):
        super().__init__()
        self.much = much

    def forward(self, lr):
        sr = lr.repeat_interleave(2, -1).repeat_interleave(2, -2)
        return sr + torch.tensor([0, self.much, 0])[:, None, None]


@pytest.mark.parametrize(("much", "found"), [(0.0, (0, 0, 0)), (4 / 255, (4, 4, 4)), (-9 / 255, (9, 9, 9))])
def test_a_tint_is_measured(much, found):
    assert measured(Tinting(much)) == pytest.approx(found, abs=1e-3)
