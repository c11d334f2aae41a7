"""The chapter on degradations: right answers pass in any style, and each wrong one is told what it did."""

import cv2
import numpy as np
import scipy.ndimage
import torch
import torch.nn.functional as F

from srlib.degradations import Blur, Degradation, Downscale
from srlib.exercises.degradations import EXERCISES
from srlib.resample import weights
from srlib.warp import dihedral
from tests.exercises.contract import Contract


def planes(image):
    return image.reshape(-1, *image.shape[-2:]).double().numpy()


def scipy_blur(image, kernel, mode="reflect", turned=False):
    """SciPy says "reflect" for the mirror at the pixel's edge, "mirror" for the one at its centre."""
    run = scipy.ndimage.correlate if turned else scipy.ndimage.convolve
    blurred = [run(plane, kernel.double().numpy(), mode=mode) for plane in planes(image)]
    return np.stack(blurred).reshape(image.shape)


def by_scipy(mode="reflect", turned=False, total=torch.sum):
    return lambda image, weights: scipy_blur(image, weights / total(weights), mode, turned)


def one_pixel_after_the_other(image, weights):
    kernel = weights.double().numpy() / weights.double().sum().item()
    down, right = (n // 2 for n in kernel.shape)
    wide = np.pad(planes(image), [(0, 0), (down, down), (right, right)], mode="symmetric")
    result = np.zeros(planes(image).shape)
    for row, column in np.ndindex(result.shape[1:]):
        under = wide[:, row : row + kernel.shape[0], column : column + kernel.shape[1]]
        result[:, row, column] = (under * kernel[::-1, ::-1]).sum((1, 2))
    return result.reshape(image.shape)


def by_conv2d(image, weights):
    n, c, h, w = image.shape
    kernel = weights[None, None] / weights.sum()
    same = tuple(size // 2 for size in weights.shape)
    return F.conv2d(image.reshape(n * c, 1, h, w), kernel, padding=same).reshape(n, c, h, w)


def by_opencv(hr, scale):
    """Area averaging, plane by plane."""
    size = hr.shape[3] // scale, hr.shape[2] // scale
    small = [cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_AREA) for plane in planes(hr)]
    return np.stack(small).reshape(*hr.shape[:2], *small[0].shape)


def by_torch(**how):
    return lambda hr, scale: F.interpolate(hr, size=[n // scale for n in hr.shape[2:]], mode="bicubic", **how)


def by_matrices(antialias=True):
    def answer(hr, scale):
        down, right = (weights(n, n // scale, 1 / scale, antialias=antialias) for n in hr.shape[-2:])
        return torch.einsum("ij,ncjk,lk->ncil", down, hr.double(), right)

    return answer


def noisy(steps, turned=False, keep=None, sigma_of=lambda sigma: sigma, draw=torch.randn):
    """An answer to `lr` written out with SciPy and slices, with its steps in the order given."""

    def answer(hr, kernel, scale, sigma, rng):
        first = scale // 2 if keep is None else keep
        for step in steps:
            if step == "blur":
                hr = torch.from_numpy(scipy_blur(hr, kernel, turned=turned))
            elif step == "decimate":
                hr = hr[:, :, first::scale, first::scale]
            else:
                hr = hr + sigma_of(sigma) * draw(hr.shape, generator=rng)
        return hr

    return answer


ORDER = ("blur", "decimate", "noise")


def cut_and_turned(turn_lr, turn_hr, scaled=True, first_turned=False):
    """An answer to `pair` that takes its patches with narrow and turns them with `turn`."""

    def answer(lr, hr, top, left, size, k):
        s = hr.shape[2] // lr.shape[2]
        if first_turned:
            lr, hr = turn_lr(lr, k), turn_hr(hr, k)
        at = s if scaled else 1
        small = lr.narrow(2, top, size).narrow(3, left, size)
        large = hr.narrow(2, at * top, s * size).narrow(3, at * left, s * size)
        return (small, large) if first_turned else (turn_lr(small, k), turn_hr(large, k))

    return answer


def turn(image, k):
    array = np.flip(image.numpy(), [axis for axis, bit in ((-1, 1), (-2, 2)) if k & bit])
    return torch.from_numpy(np.ascontiguousarray(array.swapaxes(-1, -2) if k & 4 else array))


def undone(image, k):
    return turn(image, {5: 6, 6: 5}.get(k, k))


def still(image, k):
    return image


RIGHT = {
    "blur": [
        by_scipy(),
        one_pixel_after_the_other,
        lambda image, weights: Blur(weights.double() / weights.double().sum())(image),
    ],
    "lr": [noisy(ORDER), lambda *given: noisy(ORDER)(*given).double().numpy()],
    "shift": [
        lambda s: s / 2 - 0.5,
        lambda s: np.float32(s - 1) / 2,
        lambda s: torch.arange(s).double().mean(),
    ],
    "pair": [
        cut_and_turned(turn, turn),
        lambda *given: tuple(patch.double().numpy() for patch in cut_and_turned(dihedral, dihedral)(*given)),
    ],
    "no-antialias": [by_matrices(), lambda hr, scale: Degradation(Downscale(scale))(hr).double().numpy()],
}

WRONG = {
    "blur": [
        ("this is correlation", by_scipy(turned=True)),
        ("conv2d", by_conv2d),
        ("darken", by_scipy("constant")),
        ("circular", by_scipy("wrap")),
        ("2 1 | 0 1 2", by_scipy("mirror")),
        ("repeated", by_scipy("nearest")),
        ("not normalised", by_scipy(total=lambda weights: 1)),
        ("number of weights", by_scipy(total=torch.numel)),
    ],
    "lr": [
        ("before the blur, which", noisy(("noise", "blur", "decimate"))),
        ("HR grid", noisy(("blur", "noise", "decimate"))),
        ("aliases", noisy(("decimate", "blur", "noise"))),
        ("first pixel", noisy(ORDER, keep=0)),
        ("not scaled", noisy(ORDER, sigma_of=lambda sigma: 1)),
        (
            "same noise",
            noisy(ORDER, draw=lambda shape, generator: torch.randn(1, *shape[1:], generator=generator)),
        ),
        ("uniform", noisy(ORDER, draw=torch.rand)),
        ("correlation", noisy(ORDER, turned=True)),
    ],
    "shift": [
        ("middle of the block lies", lambda s: s * 0.5),
        ("LR pixels", lambda s: 0.5 - 0.5 / s),
        ("zero would", lambda s: 0.0),
        ("sign", lambda s: -sum(range(s)) / s),
        ("last pixel", lambda s: range(s)[-1]),
        ("rounds down", lambda s: int((s - 1) / 2)),
        ("scale 2 alone", lambda s: torch.tensor(0.5)),
    ],
    "pair": [
        ("only hr", cut_and_turned(still, turn)),
        ("only lr", cut_and_turned(turn, still)),
        ("neither", cut_and_turned(still, still)),
        ("different k", cut_and_turned(turn, lambda image, k: turn(image, k + 1 if k < 7 else 0))),
        ("used for hr", cut_and_turned(turn, undone)),
        ("used for lr", cut_and_turned(undone, turn)),
        ("LR coordinates", cut_and_turned(turn, turn, scaled=False)),
        ("turned first", cut_and_turned(turn, turn, first_turned=True)),
        ("order", lambda *given: tuple(reversed(cut_and_turned(turn, turn)(*given)))),
    ],
    "no-antialias": [
        ("4 × 4", by_matrices(antialias=False)),
        ("a = −0.75", by_torch()),
        ("near the border", by_torch(antialias=True)),
        ("half-pixel shift", lambda hr, scale: Blur(_stretched(scale))(hr)[..., ::scale, ::scale]),
        ("no filter at all", lambda hr, scale: hr[:, :, ::scale, ::scale]),
        ("box", by_opencv),
        ("8 bits", lambda hr, scale: np.rint(by_matrices()(hr, scale).numpy().clip(0, 1) * 255) / 255),
    ],
}


def _stretched(scale):
    """The cubic of MATLAB, stretched by `scale` and centred on a pixel, as a kernel of odd size."""
    x = (torch.arange(4 * scale + 1) - 2 * scale).abs().double() / scale
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    row = torch.where(x <= 1, near, far)
    row = row / row.sum()
    return row[:, None] * row


class TestDegradations(Contract):
    chapter, exercises, right, wrong = "degradations", EXERCISES, RIGHT, WRONG
