"""resample against MATLAB's published taps, torch, Pillow, and the algebra of an adjoint."""

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F

from srlib.resample import KERNELS, Kernel, cubic, lanczos, resize, resize_adjoint, weights
from tests.conftest import every

# MATLAB's imresize, one output cell each: first input sample relative to the cell's first, then the exact taps.
DOWN = {
    2: (-3, [-3, -9, 29, 111, 111, 29, -9, -3], 256),
    3: (-4, [-1, -2, 0, 9, 21, 27, 21, 9, 0, -2, -1], 81),
    4: (-6, [-7, -45, -75, -49, 93, 399, 745, 987, 987, 745, 399, 93, -49, -75, -45, -7], 4096),
}
UP = {
    2: [(-2, [-3, 29, 111, -9]), (-1, [-9, 111, 29, -3])],
    3: [(-2, [-1, 9, 21, -2]), (0, [1]), (-1, [-2, 21, 9, -1])],
    4: [(-2, [-45, 399, 745, -75]), (-2, [-7, 93, 987, -49]), (-1, [-49, 987, 93, -7]), (-1, [-75, 745, 399, -45])],
}
UP_TOTAL = {2: 128, 3: 27, 4: 1024}


def row(values):
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


@pytest.mark.parametrize("factor", DOWN)
def test_downscaling_taps_are_matlabs(factor):
    first, numerators, total = DOWN[factor]
    matrix = weights(20 * factor, 20, 1 / factor)
    expected = torch.zeros(20 * factor, dtype=torch.float64)
    start = 10 * factor + first
    expected[start : start + len(numerators)] = torch.tensor(numerators, dtype=torch.float64) / total
    torch.testing.assert_close(matrix[10], expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("factor", UP)
def test_upscaling_taps_are_matlabs(factor):
    matrix = weights(20, 20 * factor, factor)
    for phase, (first, numerators) in enumerate(UP[factor]):
        total = UP_TOTAL[factor] if len(numerators) > 1 else 1
        expected = torch.zeros(20, dtype=torch.float64)
        expected[10 + first : 10 + first + len(numerators)] = torch.tensor(numerators, dtype=torch.float64) / total
        torch.testing.assert_close(matrix[10 * factor + phase], expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize(
    "ramp, scale, expected",
    [
        (8, 1 / 2, [0.44921875, 2.48828125, 4.51171875, 6.55078125]),
        (4, 2, [-0.09375, 0.1796875, 0.7265625, 1.25, 1.75, 2.2734375, 2.8203125, 3.09375]),
        (12, 1 / 3, [0.90123457, 3.98765432, 7.01234568, 10.09876543]),
        (16, 1 / 4, [1.35986328, 5.48388672, 9.51611328, 13.64013672]),
    ],
)
def test_ramp_with_mirrored_borders_is_matlabs(ramp, scale, expected):
    result = resize(row(range(ramp)), (1.0, scale))
    torch.testing.assert_close(result.flatten(), torch.tensor(expected, dtype=torch.float64), atol=1e-8, rtol=0)


@pytest.mark.parametrize("size", [(25, 19), (33, 40), (50, 38), (203, 155)])
def test_interior_equals_torch_with_antialias(size):
    image = torch.rand(2, 3, 101, 77, dtype=torch.float64)
    theirs = F.interpolate(image, size=size, mode="bicubic", antialias=True)
    margin = max(3, size[0] // 20)  # torch cuts the kernel at the border where MATLAB mirrors the picture
    inside = (..., slice(margin, -margin), slice(margin, -margin))
    torch.testing.assert_close(resize(image, size=size)[inside], theirs[inside], atol=1e-6, rtol=0)


def test_lanczos_equals_pillow_in_the_interior():
    import numpy as np
    from PIL import Image

    image = torch.rand(1, 1, 60, 45)
    picture = Image.fromarray(image[0, 0].numpy()).resize((15, 20), Image.Resampling.LANCZOS)
    theirs = torch.from_numpy(np.array(picture))
    ours = resize(image, 1 / 3, kernel="lanczos3")[0, 0]
    torch.testing.assert_close(ours[4:-4, 4:-4], theirs[4:-4, 4:-4], atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [2, 3, 0.5, 0.31])
def test_nearest_equals_torch_nearest_exact(scale):
    image = torch.rand(1, 2, 13, 31)
    size = resize(image, scale, kernel="nearest").shape[-2:]
    ours = resize(image, size=tuple(size), kernel="nearest")
    torch.testing.assert_close(ours, F.interpolate(image, size=size, mode="nearest-exact"))


def test_box_downscaling_is_the_mean():
    image = torch.rand(1, 3, 12, 20)
    torch.testing.assert_close(resize(image, 1 / 4, kernel="box"), F.avg_pool2d(image, 4))


@pytest.mark.parametrize("kernel", KERNELS)
def test_adjoint_is_exact(kernel):
    def exact(scale, size):
        x = torch.randn(2, 3, *size, dtype=torch.float64)
        ax = resize(x, scale, kernel=kernel)
        y = torch.randn_like(ax)
        left = (ax * y).sum()
        right = (x * resize_adjoint(y, size, scale, kernel=kernel)).sum()
        torch.testing.assert_close(left, right, atol=1e-10, rtol=1e-10)

    every(exact, product([0.23, 0.5, 1.0, 1.7, (0.4, 3.0)], [(17, 11), (1, 1), (2, 33)]))


@pytest.mark.parametrize("scale, size", [(0.4, None), (2.5, None), (None, (3, 9))])
def test_gradcheck_twice(scale, size):
    x = torch.randn(1, 2, 7, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: resize(t, scale, size=size), x)
    assert torch.autograd.gradgradcheck(lambda t: resize(t, scale, size=size), x)


@pytest.mark.parametrize("kernel", KERNELS)
def test_constants_survive_and_size_is_the_ceiling(kernel):
    image = torch.full((1, 1, 17, 11), 0.37, dtype=torch.float64)
    for scale in (0.3, 0.5, 1.0, 2.0, 3.3):
        result = resize(image, scale, kernel=kernel)
        assert result.shape[-2:] == (math.ceil(17 * scale), math.ceil(11 * scale)), scale
        torch.testing.assert_close(result, torch.full_like(result, 0.37))


def test_size_survives_floating_point():
    assert resize(torch.rand(1, 30, 10), 0.1).shape == (1, 3, 1)
    assert resize(torch.rand(1, 49, 3), 1 / 49).shape == (1, 1, 1)


def test_ramps_survive_in_the_interior_so_pixel_centres_are_right():
    ramp = torch.arange(40, dtype=torch.float64).expand(1, 1, 6, 40)
    for scale in (0.5, 2.0, 3.0, 1 / 3):
        result = resize(ramp, (1.0, scale))
        centre = (torch.arange(result.shape[-1]) + 0.5) / scale - 0.5
        margin = max(4, int(8 * scale))
        torch.testing.assert_close(result[0, 0, 0, margin:-margin], centre.double()[margin:-margin])


def test_offset_moves_the_grid():
    ramp = torch.arange(30, dtype=torch.float64).expand(1, 1, 5, 30)
    moved = resize(ramp, 1.0, offset=(0.0, 0.25))
    torch.testing.assert_close(moved[..., 3:-3], ramp[..., 3:-3] + 0.25)
    x, y = torch.randn(1, 1, 9, 8).double(), torch.randn(1, 1, 5, 4).double()
    left = (resize(x, 0.5, offset=(0.3, -1.2)) * y).sum()
    torch.testing.assert_close(left, (x * resize_adjoint(y, (9, 8), 0.5, offset=(0.3, -1.2))).sum())


def test_mirror_and_transpose_symmetry():
    image = torch.rand(1, 1, 13, 22, dtype=torch.float64)
    torch.testing.assert_close(resize(image.flip(-1), 0.5).flip(-1), resize(image, 0.5))
    torch.testing.assert_close(resize(image.mT, 0.5).mT, resize(image, 0.5))


def test_batch_equals_one_by_one_and_channels_do_not_mix():
    batch = torch.rand(3, 2, 9, 14)
    singles = torch.stack([torch.stack([resize(plane, 1.5) for plane in image]) for image in batch])
    torch.testing.assert_close(resize(batch, 1.5), singles)


def test_kernel_values_a_person_can_check():
    x = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0], dtype=torch.float64)
    torch.testing.assert_close(cubic(-0.5).function(x), torch.tensor([1, 0.5625, 0, -0.0625, 0]).double())
    assert lanczos(3).function(x)[[2, 4]].abs().max() < 1e-15
    own = Kernel(lambda t: (1 - t.abs()).clamp_min(0), 2.0)
    image = torch.rand(1, 1, 8, 9)
    torch.testing.assert_close(resize(image, 0.6, kernel=own), resize(image, 0.6, kernel="bilinear"))


def test_half_precision_and_autocast_lose_nothing():
    image = torch.rand(1, 3, 20, 31)
    exact = resize(image, 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(resize(image, 0.5), exact)
    low = resize(image.to(torch.bfloat16), 0.5)
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), exact, atol=0.01, rtol=0)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x: resize((x * 255).to(torch.uint8), 2), TypeError, "srlib.images"),
        (lambda x: resize(x), ValueError, "a scale or a size"),
        (lambda x: resize(x, 0), ValueError, "positive"),
        (lambda x: resize(x, float("nan")), ValueError, "positive"),
        (lambda x: resize(x, size=(0, 4)), ValueError, "positive"),
        (lambda x: resize(x, 2, kernel="cubic"), ValueError, "bicubic"),
        (lambda x: resize(x[..., :0], 2), ValueError, "empty"),
        (lambda x: resize_adjoint(x, (5, 5), 3.0), ValueError, "does not give size"),
    ],
)
def test_errors_name_the_way_out(call, error, words):
    with pytest.raises(error, match=words):
        call(torch.rand(1, 1, 8, 6))
