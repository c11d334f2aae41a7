"""The interpolators keep the contract of a network."""

import pytest
import torch

from srlib.models.interpolators import Interpolator, bicubic, bilinear, lanczos, nearest
from srlib.resample import resize


@pytest.mark.parametrize(
    "make, kernel", [(nearest, "nearest"), (bilinear, "bilinear"), (bicubic, "bicubic"), (lanczos, "lanczos3")]
)
def test_contract(make, kernel):
    for scale in (1, 4, 1.5):
        net = make(scale)
        lr = torch.rand(2, 3, 17, 11)
        sr = net(lr)
        assert net.scale == scale and list(net.parameters()) == []
        torch.testing.assert_close(sr, resize(lr, scale, kernel=kernel))
        torch.testing.assert_close(sr, torch.cat([net(lr[:1]), net(lr[1:])]))


def test_errors():
    with pytest.raises(ValueError, match="bicubic"):
        Interpolator(scale=2, kernel="cubic")
    with pytest.raises(ValueError, match="positive"):
        bicubic(0)
