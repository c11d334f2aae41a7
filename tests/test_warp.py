"""warp: the group of the square, and translations with a known answer."""

import pytest
import torch

from srlib.warp import DIHEDRAL, adjoint, affine, dihedral, flow, inverse_dihedral, rigid, sample, translate, turned


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


def test_rigid_moves_down_and_right_and_turns_anticlockwise():
    image = torch.rand(1, 1, 9, 9, dtype=torch.float64)
    torch.testing.assert_close(rigid(image, 2, -1)[..., 2:, :-1], image[..., :-2, 1:])
    torch.testing.assert_close(rigid(image, 0, 0, 90), image.rot90(1, (-2, -1)))
    torch.testing.assert_close(
        rigid(rigid(image, 1, 2, 90), 1, 2, 90, inverse=True)[..., 3:-3, 3:-3], image[..., 3:-3, 3:-3]
    )


def test_flow_is_where_each_pixel_looks():
    image = torch.rand(2, 3, 7, 6, dtype=torch.float64)
    motion = torch.zeros(2, 7, 6, dtype=torch.float64)
    assert torch.equal(flow(image, motion), image)
    motion[0] = 1
    torch.testing.assert_close(flow(image, motion)[..., :-1, :], image[..., 1:, :])
    motion[1, 2, 3] = -0.25
    expected = 0.75 * image[..., 3, 3] + 0.25 * image[..., 3, 2]
    torch.testing.assert_close(flow(image, motion)[..., 2, 3], expected)


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "lanczos3"])
def test_warps_are_linear_and_have_an_adjoint(kernel):
    rng = torch.Generator().manual_seed(0)
    x, y = (torch.randn(1, 2, 11, 8, dtype=torch.float64, generator=rng) for _ in range(2))
    motion = 3 * torch.randn(2, 11, 8, dtype=torch.float64, generator=rng)
    matrix = torch.tensor([[0.9, 0.2, 0.3], [-0.1, 1.1, -0.7]])
    for operator in (
        lambda v: affine(v, matrix, kernel),
        lambda v: flow(v, motion, kernel),
        lambda v: translate(v, 0.4, 2.3),
    ):
        forward, backward = (operator(x) * y).sum(), (x * adjoint(operator, x.shape)(y)).sum()
        assert abs(forward - backward) < 1e-10 * max(1, abs(forward))
        torch.testing.assert_close(operator(2 * x - y), 2 * operator(x) - operator(y))


def test_sampling_on_a_regular_grid_is_resize():
    image = torch.rand(2, 3, 9, 11, dtype=torch.float64)
    rows, columns = torch.arange(9, dtype=torch.float64) + 0.3, torch.arange(11, dtype=torch.float64) - 1.6
    for kernel in ("bilinear", "bicubic", "lanczos3"):
        found = sample(image, *torch.meshgrid(rows, columns, indexing="ij"), kernel)
        torch.testing.assert_close(found, translate(image, -0.3, 1.6, kernel), atol=1e-9, rtol=0)
    each = torch.stack([rows, rows + 1])[..., None].expand(2, 9, 11)
    found = sample(image, each, columns.expand(2, 9, 11))
    torch.testing.assert_close(found[1], translate(image, -1.3, 1.6)[1], atol=1e-9, rtol=0)


@pytest.mark.parametrize("size", [(60, 81), (81, 60), (41, 41)])
def test_turned_is_a_turn_by_45_degrees_without_a_border(size):
    height, width = size
    rows, columns = torch.meshgrid(
        torch.arange(height, dtype=torch.float64) - (height - 1) / 2,
        torch.arange(width, dtype=torch.float64) - (width - 1) / 2,
        indexing="ij",
    )
    ramp = (rows + 2 * columns)[None, None]
    found = turned(ramp, 4)
    side = found.shape[-1]
    assert side % 4 == 0 and side > min(size) / 2**0.5 - 6
    steps = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    down, right = steps[:, None] / 2**0.5, steps / 2**0.5
    torch.testing.assert_close(found[0, 0], down + right + 2 * (right - down))


def test_turned_goes_the_way_of_a_rigid_motion():
    picture = torch.rand(1, 2, 41, 43)
    found = turned(picture)  # 27 pixels, odd like the sides: both have a pixel in the middle
    assert found.shape[-1] == 27
    torch.testing.assert_close(found, rigid(picture, 0, 0, 45)[..., 7:34, 8:35], atol=1e-5, rtol=0)


def test_a_picture_too_small_to_be_turned_says_so():
    with pytest.raises(ValueError, match="9 x 40 pixels holds no square of 8"):
        turned(torch.rand(1, 1, 9, 40), 8)
