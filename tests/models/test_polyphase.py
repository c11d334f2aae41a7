"""Polyphase: bicubic enlarging as a convolution equals `resize`, borders and pictures of one pixel included."""

from itertools import product

import pytest
import torch

from srlib.models.polyphase import Polyphase
from srlib.resample import resize, weights
from tests.conftest import every


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8])
def test_it_is_resize(scale):
    def same(size, channels):
        lr = torch.rand(2, channels, *size, generator=torch.Generator().manual_seed(0))
        sr = Polyphase(scale=scale, channels=channels)(lr)
        torch.testing.assert_close(sr, resize(lr, scale), atol=1e-6, rtol=0)

    every(same, product([(17, 11), (2, 3), (3, 1), (1, 1)], [1, 3]))


def test_each_place_in_a_block_has_its_kernel():
    kernels = Polyphase(scale=2, channels=1).kernels
    assert kernels.shape == (4, 1, 5, 5)
    # −1/4 pixel: Keys' cubic at 1.75, 0.75, 0.25 and 1.25
    row = torch.tensor([-0.0234375, 0.2265625, 0.8671875, -0.0703125, 0])
    torch.testing.assert_close(kernels[0, 0], torch.outer(row, row))
    torch.testing.assert_close(kernels[3, 0], torch.outer(row, row).flip(0, 1))
    torch.testing.assert_close(row[None], weights(9, 18, 2)[8:9, 2:7].float())


def test_it_has_nothing_to_learn_and_nothing_to_store():
    layer = Polyphase(scale=3, channels=3)
    assert list(layer.parameters()) == [] and layer.state_dict() == {}


def test_wrong_scales_and_pictures_are_named():
    with pytest.raises(ValueError, match="positive integer"):
        Polyphase(scale=1.5, channels=1)
    with pytest.raises(ValueError, match=r"\(N, 1, h, w\)"):
        Polyphase(scale=2, channels=1)(torch.rand(1, 3, 5, 5))
