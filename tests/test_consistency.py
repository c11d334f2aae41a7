"""Projections onto the pictures that shrink to lr, against dense linear algebra and their defining properties."""

import pytest
import torch

from srlib.consistency import back_project, inconsistency, invisible, nearest_consistent, shrink
from srlib.resample import resize, weights

CASES = [(2, 6, 10), (3, 5, 7), (4, 4, 9), (8, 3, 4)]


def pictures(scale: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(scale)
    hr = torch.rand(2, 3, scale * height, scale * width, generator=made, dtype=torch.float64)
    return hr, shrink(torch.rand(hr.shape, generator=made, dtype=torch.float64), scale)


@pytest.mark.parametrize(("scale", "height", "width"), CASES)
def test_the_invisible_part_is_the_dense_projection(scale, height, width):
    hr, _ = pictures(scale, height, width)
    rows, columns = (weights(scale * n, n, 1 / scale) for n in (height, width))
    dense = torch.kron(rows, columns)  # A on pictures written as one column
    projection = torch.eye(dense.shape[1], dtype=torch.float64) - torch.linalg.pinv(dense) @ dense
    expected = (hr.flatten(2) @ projection.mT).view(hr.shape)
    assert torch.allclose(invisible(hr, scale), expected, atol=1e-9)
    assert shrink(expected, scale).abs().max() < 1e-9
    rank = torch.linalg.matrix_rank(dense)
    assert rank == height * width  # of scale² as many unknowns


@pytest.mark.parametrize(("scale", "height", "width"), CASES)
def test_the_nearest_consistent_picture(scale, height, width):
    sr, lr = pictures(scale, height, width)
    found = nearest_consistent(sr, lr)
    assert inconsistency(found, lr).max() < 1e-12
    assert invisible(found - sr, scale).abs().max() < 1e-9  # it moves at right angles to all consistent pictures
    assert torch.allclose(nearest_consistent(found, lr), found)


def test_the_true_picture_is_never_farther_afterwards():
    made = torch.Generator().manual_seed(5)
    hr = torch.rand(1, 3, 32, 48, generator=made, dtype=torch.float64)
    lr = shrink(hr, 4)
    for strength in (0.01, 0.3):
        sr = hr + strength * torch.randn(hr.shape, generator=made, dtype=torch.float64)
        assert (nearest_consistent(sr, lr) - hr).square().mean() < (sr - hr).square().mean()


@pytest.mark.parametrize("scale", [2, 4])
def test_back_projection_walks_there(scale):
    sr, lr = pictures(scale, 7, 11)
    errors = [inconsistency(back_project(sr, lr, steps=steps), lr).max() for steps in (0, 1, 10, 60)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2] > 8 * errors[3]
    by_hand = sr + resize(lr - shrink(sr, scale), scale)
    assert torch.equal(back_project(sr, lr), by_hand)


def test_a_true_picture_is_left_alone():
    hr = pictures(4, 5, 6)[0]
    lr = shrink(hr, 4)
    assert torch.equal(inconsistency(hr, lr), torch.zeros(2, dtype=torch.float64))
    assert torch.allclose(back_project(hr, lr, steps=3), hr)
    assert torch.allclose(nearest_consistent(hr, lr), hr)


def test_single_precision_and_gradients():
    sr, lr = (x.float() for x in pictures(4, 6, 5))
    assert nearest_consistent(sr, lr).dtype == torch.float32
    assert inconsistency(nearest_consistent(sr, lr), lr).max() < 1e-5
    small = torch.rand(1, 1, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: nearest_consistent(x, torch.zeros(1, 1, 2, 3, dtype=x.dtype)), (small,))


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(ValueError, match=r"multiple of the scale, got scale 4"):
        invisible(torch.rand(1, 1, 10, 8), 4)
    for shape in [(1, 3, 8, 9), (1, 1, 8, 8), (2, 3, 8, 8), (1, 3, 2, 2)]:
        with pytest.raises(ValueError, match="sr and lr must be"):
            inconsistency(torch.rand(shape), torch.rand(1, 3, 4, 4))
