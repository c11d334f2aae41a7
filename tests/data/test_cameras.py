"""cameras: the blur and the noise of photographs come back in the pairs that are made for them."""

import math

import pytest
import torch

from srlib import images
from srlib.data.cameras import Camera, LikePhotographs, camera_of
from srlib.data.datasets import photo
from srlib.data.dead_leaves import DeadLeaves
from srlib.degradations import Blur, anisotropic_gaussian, gaussian_kernel, motion_kernel
from srlib.kernels.shapes import described
from srlib.kernels.spectra import KernelError
from srlib.resample import resize

LEAVES = DeadLeaves([photo("coffee"), photo("chelsea")], (230, 251), seed=3)
SHARP = [LEAVES[index] for index in range(8)]


def taken(kernel, noise=0.0, grey=False):
    """Photographs by a camera with this blur and this noise of each channel."""
    rng = torch.Generator().manual_seed(0)
    scenes = [images.grey(scene) if grey else scene for scene in SHARP]
    blurred = [Blur(kernel.float())(scene) for scene in scenes]
    return [images.quantised(x + noise * torch.randn(x.shape, generator=rng)) for x in blurred]


def widths(kernel):
    """σ along and across, and the angle of the larger one, from the kernel's second moments."""
    steps = torch.arange(len(kernel), dtype=torch.float64) - len(kernel) // 2
    taps = kernel.double() / kernel.sum()
    xx, yy = (taps.sum(0) * steps**2).sum(), (taps.sum(1) * steps**2).sum()
    xy = -(taps * steps[:, None] * steps).sum()  # rows count downwards
    values, axes = torch.linalg.eigh(torch.stack([torch.stack([xx, xy]), torch.stack([xy, yy])]))
    return values[1].sqrt().item(), values[0].sqrt().item(), math.degrees(math.atan2(axes[1, 1], axes[0, 1])) % 180


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("noise", [0.0, 4 / 255])
def test_blur_and_noise_of_photographs_are_found(noise, grey):
    camera = camera_of(taken(anisotropic_gaussian(2.0, 1.0, 30), noise, grey), 2)
    along, across, angle = widths(camera.kernel)
    assert along == pytest.approx(2, rel=0.1) and across == pytest.approx(1, rel=0.15)
    assert angle == pytest.approx(30, abs=5)
    assert camera.noise == pytest.approx(noise, abs=0.4 / 255)
    assert camera.scale == 2


def test_where_no_gaussian_explains_the_photographs_the_kernel_is_free():
    camera = camera_of(taken(motion_kernel(9, 0)), 2)
    along, across, angle = widths(camera.kernel)
    assert along > 2 * across and min(angle, 180 - angle) < 15


def test_lr_is_what_the_camera_would_take_and_depends_on_the_generator_of_its_sample():
    kernel = anisotropic_gaussian(1.5, 0.7, 60, 9).float()
    hr = torch.rand(2, 3, 36, 44, generator=torch.Generator().manual_seed(1))
    seeds = [torch.Generator().manual_seed(k) for k in (4, 5)]
    lr = Camera(2, kernel)(hr, seeds)
    assert torch.equal(lr, images.quantised(Blur(kernel)(resize(hr, 0.5))))
    noisy = Camera(2, kernel, 6 / 255)
    both = noisy(hr, [torch.Generator().manual_seed(k) for k in (4, 5)])
    alone = noisy(hr[1:], [torch.Generator().manual_seed(5)])
    torch.testing.assert_close(both[1:], alone, atol=1.01 / 255, rtol=0)
    assert (both - lr).std().item() == pytest.approx(6 / 255, rel=0.1)


def test_a_stream_has_pairs_of_hr_as_the_photographs_would_show_them():
    source = LikePhotographs(3, 12)
    assert source.sides == {"hr": 36, "like": 64}
    photographs = [images.to_uint8(picture) for picture in taken(gaussian_kernel(1.5))]
    stream = source({"hr": SHARP[:2], "like": photographs}, seed=2, batch=4)
    lr, hr = stream.batch(range(4))
    assert lr.shape == (4, 3, 12, 12) and hr.shape == (4, 3, 36, 36)
    assert torch.equal(lr[2], stream[2][0]) and torch.equal(hr[2], stream[2][1])
    blurred = Blur(gaussian_kernel(1.5))(resize(hr, 1 / 3))
    assert (lr - blurred).abs().mean() < 0.3 * (resize(hr, 1 / 3) - blurred).abs().mean()


def test_photographs_that_say_nothing_are_refused_in_one_line():
    with pytest.raises(KernelError, match="flat"):
        camera_of([torch.full((1, 3, 200, 200), 0.5)], 2)


def test_a_camera_tells_its_blur_along_its_axes_whatever_the_direction():
    for angle, words in ((0.0, "at 0°"), (30.0, "at 30°"), (120.0, "at 120°")):
        kernel = anisotropic_gaussian(2.4, 1.0, angle, 21)
        along, across, found = described(kernel)
        assert (along, across) == pytest.approx((2.4, 1.0), rel=0.02)
        assert abs((found - angle + 90) % 180 - 90) < 0.5
        if angle:  # 0° may be told as 180°
            assert Camera(2, kernel.float(), 3 / 255).told == (
                f"blur of σ {along:.2f} and {across:.2f} {words}, in pixels of lr; noise 3.0 of 255"
            )
    assert "at" not in Camera(2, anisotropic_gaussian(1.5, 1.5, 0.0).float()).told.split(",")[0]
