"""warp: the group of the square, and translations with a known answer."""

import pytest
import torch

from srlib.warp import DIHEDRAL, dihedral, inverse_dihedral, translate


def test_eight_different_symmetries_and_their_inverses():
    image = torch.rand(2, 3, 5, 7)
    seen = {tuple(dihedral(image, k).flatten().tolist()) for k in DIHEDRAL}
    assert len(seen) == 8
    for k in DIHEDRAL:
        assert dihedral(image, k).shape[-2:] == ((7, 5) if k >= 4 else (5, 7))
        assert torch.equal(inverse_dihedral(dihedral(image, k), k), image)


def test_known_members():
    image = torch.tensor([[1, 2], [3, 4]])
    assert dihedral(image, 1).tolist() == [[2, 1], [4, 3]]
    assert dihedral(image, 2).tolist() == [[3, 4], [1, 2]]
    assert dihedral(image, 4).tolist() == [[1, 3], [2, 4]]
    with pytest.raises(ValueError, match="0 to 7"):
        dihedral(image, 8)
    with pytest.raises(ValueError, match="0 to 7"):
        inverse_dihedral(image, -1)


def test_translation_moves_content_down_and_right():
    image = torch.rand(1, 1, 9, 8)
    torch.testing.assert_close(translate(image, 2, 1)[..., 2:, 1:], image[..., :-2, :-1])
    ramp = torch.arange(20.0).expand(1, 1, 6, 20)
    torch.testing.assert_close(translate(ramp, 0, 0.3)[..., 3:-3], ramp[..., 3:-3] - 0.3)
