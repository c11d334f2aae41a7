"""What happens to one picture on its way through a random degradation: blur, resize, noise, JPEG; on the CPU.

Every picture has a size and kernels of its own here, so nothing would be gained by a batch. The pictures are NumPy
arrays (H, W, C), float32, C = 1 or 3, since the codec and the quick filters of OpenCV take those.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from srlib.images import LUMA, from_uint8, to_uint8
from srlib.random_degradations.photons import PHOTONS, photons

Picture = NDArray[np.float32]

MODES = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
_WIDEST = 11  # taps to a side, up to which OpenCV's direct sum is quicker than a Fourier transform
_SAMPLING = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420


def blur(picture: Picture, kernel: NDArray[np.float64]) -> Picture:
    """Convolution with an odd kernel (k, k); borders are mirrored at the edge of the outer pixel.

    A kernel that is a column times a row, such as an isotropic Gaussian, is applied as these two; a small one by its
    sum; any other by a product of spectra.

    Shapes: (H, W, C) -> (H, W, C).
    Raises: ValueError for a kernel that is not square and odd.
    """
    if kernel.shape != (len(kernel), len(kernel)) or len(kernel) % 2 == 0:
        raise ValueError(f"a kernel must be square with an odd side, so that it has a centre, got {kernel.shape}")
    flipped = kernel[::-1, ::-1]  # OpenCV correlates
    middle = len(kernel) // 2
    column, row, centre = flipped[:, middle], flipped[middle], flipped[middle, middle]
    remainder = np.abs(np.outer(column, row) - centre * flipped).max()
    if centre > 0 and remainder < 1e-9 * centre * np.abs(kernel).max():
        result = cv2.sepFilter2D(picture, -1, row, column / centre, borderType=cv2.BORDER_REFLECT)
    elif len(kernel) <= _WIDEST:
        result = cv2.filter2D(picture, -1, flipped, borderType=cv2.BORDER_REFLECT)
    else:
        result = _by_spectra(picture, kernel)
    return result.reshape(picture.shape)


def _by_spectra(picture: Picture, kernel: NDArray[np.float64]) -> Picture:
    from scipy.fft import next_fast_len  # here: it would take a tenth of every command's start

    margin = len(kernel) // 2
    padded = cv2.copyMakeBorder(picture, *[margin] * 4, cv2.BORDER_REFLECT).reshape(
        *(n + 2 * margin for n in picture.shape[:2]), -1
    )
    planes = torch.from_numpy(np.ascontiguousarray(padded.transpose(2, 0, 1)))
    size = [next_fast_len(n, real=True) for n in padded.shape[:2]]
    taps = torch.from_numpy(kernel).float()
    product = torch.fft.rfft2(planes, s=size) * torch.fft.rfft2(taps, s=size)
    whole = torch.fft.irfft2(product, s=size).numpy()
    height, width = picture.shape[:2]
    inside = whole[:, 2 * margin : 2 * margin + height, 2 * margin : 2 * margin + width]
    return np.ascontiguousarray(inside.transpose(1, 2, 0))


def resized(picture: Picture, size: tuple[int, int], mode: str) -> Picture:
    """Resize to (height, width), aligned; "area" averages what a pixel covers, "bilinear" and "bicubic" alias.

    The last two do not widen their kernel when they shrink; that of "bicubic" has the slope −0.75.

    Shapes: (H, W, C) -> (h, w, C), not clamped.
    Raises: ValueError for an unknown mode.
    """
    if mode not in MODES:
        raise ValueError(f"no mode {mode!r}; there are {', '.join(MODES)}")
    if size == picture.shape[:2]:
        return picture
    height, width = picture.shape[:2]
    if (size[0] > height) != (size[1] > width):  # one side grows, one shrinks: OpenCV's "area" would shift the picture
        picture = cv2.resize(picture, (width, size[0]), interpolation=MODES[mode])
    return cv2.resize(picture, size[::-1], interpolation=MODES[mode]).reshape(*size, -1)


def gaussian_noise(picture: Picture, sigma: float, grey: bool, rng: np.random.Generator) -> Picture:
    """Add noise of standard deviation `sigma`, white is 1.

    Args:
        grey: the same noise in every channel.

    Shapes: (H, W, C) -> (H, W, C), not clamped.
    """
    shape = (*picture.shape[:2], 1) if grey else picture.shape
    return picture + np.float32(sigma) * rng.standard_normal(shape, dtype=np.float32)


def poisson_noise(picture: Picture, strength: float, grey: bool, rng: np.random.Generator) -> Picture:
    """Add `strength` times the noise of a picture whose white is 256 photons: its variance is strength² · image / 256.

    The photons are counted of the picture in steps of 8 bits.

    Args:
        grey: the noise of the luma (BT.601), the same in every channel.

    Shapes: (H, W, C) -> (H, W, C), not clamped.
    """
    light = picture @ np.float32(LUMA)[:, None] if grey and picture.shape[2] == 3 else picture
    levels = _bytes(light)
    noise = photons(levels, rng) / np.float32(PHOTONS) - levels / np.float32(255)
    return picture + np.float32(strength) * noise


def jpeg(picture: Picture, quality: int) -> Picture:
    """Encode and decode as JPEG with chroma at half size; rounded to 8 bits before and after.

    Args:
        quality: 1 to 100.

    Shapes: (H, W, C) -> (H, W, C) in [0, 1].
    """
    colour = picture.shape[2] == 3
    pixels = cv2.cvtColor(_bytes(picture), cv2.COLOR_RGB2BGR) if colour else _bytes(picture)
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SAMPLING]
    _, code = cv2.imencode(".jpg", pixels, settings)
    decoded = cv2.imdecode(code, cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE)
    decoded = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB) if colour else decoded[..., None]
    return from_uint8(torch.from_numpy(decoded)[None])[0].numpy()


def _bytes(picture: Picture) -> NDArray[np.uint8]:
    return to_uint8(torch.from_numpy(picture)[None])[0].numpy()
