"""Full-reference image quality: MSE, PSNR, SSIM, and the protocol that makes their numbers comparable."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.images import grey, quantised, to_y
from srlib.resample import resize
from srlib.scores import Scores

COLOURS = {"y": "Y (BT.601 studio)", "y_full": "Y (full range)", "rgb": "RGB"}
WINDOW = 11  # pixels; side of the window of SSIM
_LARGEST_SR = 16  # a result may leave [0, 1], but one so bright is in steps of 8 bits


class NotFiniteError(ValueError):
    """A picture has values that are NaN or infinite: a network whose numbers went wrong."""


def mean_squared_error(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean squared error of each picture.

    Shapes: sr, hr (N, C, H, W) in [0, 1] -> (N,).
    Raises: TypeError for what is no float tensor; ValueError for unequal or empty shapes, and for values far above 1;
        NotFiniteError for NaN and infinity.
    """
    _check(sr, hr)
    return (sr - hr).square().mean((-3, -2, -1))


def psnr(sr: Tensor, hr: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture in dB, −10·log₁₀ MSE with peak 1; infinite for equal pictures.

    Nothing is cropped, converted or rounded; use a `Protocol` for that.

    Shapes: sr, hr (N, C, H, W) in [0, 1] -> (N,).
    Raises: as `mean_squared_error`.
    """
    return -10 * mean_squared_error(sr, hr).log10()


def ssim(sr: Tensor, hr: Tensor, *, window: int = WINDOW, sigma: float = 1.5) -> Tensor:
    """Structural similarity of each picture, mean over positions and channels (Wang et al., IEEE TIP 2004, eq. 13).

    Gaussian windows that fit completely; C1 = 0.01², C2 = 0.03² for peak 1; population variances.

    Shapes: sr, hr (N, C, H, W) in [0, 1], H and W at least `window` -> (N,).
    Raises: as `psnr`; ValueError for pictures smaller than the window.
    Differs from the paper: nothing known; the authors' later code first shrinks pictures above 256 pixels, this does
        not. scikit-image agrees with gaussian_weights=True, sigma=1.5, use_sample_covariance=False and a crop.
    """
    _check(sr, hr)
    if min(sr.shape[-2:]) < window:
        raise ValueError(f"SSIM needs at least {window} x {window} pixels, got shape {tuple(sr.shape)}")
    place = torch.arange(window, dtype=torch.float64, device=sr.device) - (window - 1) / 2
    weight = torch.exp(-0.5 * (place / sigma) ** 2)
    weight = weight / weight.sum()
    x, y = sr.double(), hr.double()  # variances are differences of nearly equal numbers

    def mean(image: Tensor) -> Tensor:
        planes = image.reshape(-1, 1, *image.shape[-2:])
        blurred = F.conv2d(F.conv2d(planes, weight.view(1, 1, -1, 1)), weight.view(1, 1, 1, -1))
        return blurred.view(*image.shape[:-2], *blurred.shape[-2:])

    mean_x, mean_y = mean(x), mean(y)
    var_x, var_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return (luminance * structure).mean((-3, -2, -1)).to(sr.dtype)


def _check(sr: Tensor, hr: Tensor) -> None:
    for name, image in (("sr", sr), ("hr", hr)):
        if not isinstance(image, Tensor):
            raise TypeError(f"{name} is a {type(image).__name__}; metrics need torch tensors, see srlib.images")
        if not image.is_floating_point():
            raise TypeError(f"{name} is {image.dtype}; metrics need floats in [0, 1], see srlib.images.from_uint8")
    if sr.shape != hr.shape or sr.ndim != 4:
        raise ValueError(f"sr and hr must both be (N, C, H, W), got {tuple(sr.shape)} and {tuple(hr.shape)}")
    if sr.numel() == 0:
        raise ValueError(f"sr and hr are empty, got shape {tuple(sr.shape)}")
    for name, image, most in (("sr", sr, _LARGEST_SR), ("hr", hr, 2)):
        low, high = (value.item() for value in image.detach().aminmax())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise NotFiniteError(f"{name} has values that are NaN or infinite")
        if high > most and (name == "hr" or low >= 0):  # a result that went far out has negative values, too
            raise ValueError(f"{name} has values up to {high:.0f}; metrics need [0, 1], divide by 255")


@dataclass(frozen=True)
class Protocol:
    """How both pictures are prepared before they are compared; quote it with every score.

    Args:
        colour: "y" (studio-range luma, as in papers), "y_full" (full-range luma), "rgb".
        border: pixels cut from each side; None cuts `scale` of them.
        bits: round to this many bits before and after the colour conversion, as MATLAB does with uint8; None: never.

    Raises: ValueError for an unknown colour and for a negative border.
    """

    colour: str = "y"
    border: int | None = None
    bits: int | None = 8

    def __post_init__(self) -> None:
        if self.colour not in COLOURS:
            raise ValueError(f"colour must be one of {', '.join(COLOURS)}, got {self.colour!r}")
        if self.border is not None and self.border < 0:
            raise ValueError(f"border must not be negative, got {self.border}")

    def __str__(self) -> str:
        return self.describe("scale")

    def describe(self, scale: float | str) -> str:
        """The protocol in words, to print with every number: "Y (BT.601 studio), border 4, 8-bit"."""
        border = scale if self.border is None else self.border
        rounding = "not rounded" if self.bits is None else f"{self.bits}-bit"
        return f"{COLOURS[self.colour]}, border {border}, {rounding}"

    def convert(self, image: Tensor) -> Tensor:
        """Colour conversion and rounding, without the crop; a grey picture is its own luma.

        Shapes: (N, C, H, W) -> (N, 1 or 3, H, W).
        """
        convert = {"y": to_y, "y_full": grey, "rgb": lambda image: image}[self.colour]
        return self._round(convert(self._round(image)))

    def prepare(self, image: Tensor, scale: float) -> Tensor:
        """`convert`, then crop.

        Shapes: (N, C, H, W) -> (N, 1 or 3, H − 2·border, W − 2·border).
        Raises: ValueError for a picture that is too small for the border.
        """
        border = math.ceil(scale) if self.border is None else self.border
        if min(image.shape[-2:]) <= 2 * border:
            raise ValueError(f"a picture of shape {tuple(image.shape)} is too small for a border of {border}")
        height, width = image.shape[-2:]
        return self.convert(image)[..., border : height - border, border : width - border]

    def psnr(self, sr: Tensor, hr: Tensor, scale: float) -> Tensor:
        """`psnr` under this protocol, (N,).

        Raises: as `psnr` and `prepare`.
        """
        _check(sr, hr)
        return psnr(self.prepare(sr, scale), self.prepare(hr, scale))

    def ssim(self, sr: Tensor, hr: Tensor, scale: float) -> Tensor:
        """`ssim` under this protocol, (N,).

        Raises: as `ssim` and `prepare`.
        """
        _check(sr, hr)
        return ssim(self.prepare(sr, scale), self.prepare(hr, scale))

    def _round(self, image: Tensor) -> Tensor:
        return image if self.bits is None else quantised(image, self.bits)


PAPER = Protocol("y", None, 8)
LeaveOut = Callable[[str], None]


@torch.no_grad()
def evaluate(
    net: Callable[[Tensor], Tensor],
    images: Iterable[tuple[str, Tensor]],
    protocol: Protocol = PAPER,
    degrade: Callable[[Tensor], Tensor] | None = None,
    leave_out: LeaveOut | None = None,
) -> Scores:
    """Degrade each hr, enlarge it with `net`, and score the result.

    Under a luma protocol, a `net` for one channel or for any number (an interpolator) enlarges the luma, as in papers
    on Y: hr becomes 8-bit Y, and lr stays in floating point. Any other `net` enlarges the picture itself, with lr
    rounded to the protocol's bits, as in a file; a grey picture passes an RGB network as three equal channels.

    Args:
        net: with attribute `scale`, and `channels` if it is fixed; in evaluation mode.
        images: pairs (name, hr (1, C, H, W)), cropped here to a multiple of the scale.
        degrade: hr -> lr; default bicubic `resize` by 1/scale.
        leave_out: called with "name: reason" for a picture that is too small to be scored, which is then passed over.

    Raises: ValueError for an empty set, and for a picture too small for the border or for SSIM, with its name;
        NotFiniteError for a net that gives NaN or infinity.
    """
    degrade = degrade or (lambda hr: resize(hr, 1 / net.scale))
    return compare(enlarged(net, images, protocol, degrade, leave_out), protocol, net.scale)


def enlarged(
    net: Callable, images: Iterable, protocol: Protocol, degrade: Callable, leave_out: LeaveOut | None = None
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """What `evaluate` compares: (name, sr, hr).

    Raises: as `evaluate`, for a picture that is too small.
    """
    channels = getattr(net, "channels", None)
    for name, hr in images:
        height, width = (int(n - n % net.scale) for n in hr.shape[-2:])
        hr = hr[..., :height, :width]
        if not _is_large_enough(name, hr, protocol, net.scale, leave_out):
            continue
        if protocol.colour != "rgb" and channels in (None, 1):
            hr = protocol.convert(hr.double())
            sr = net(degrade(hr).to(torch.float64 if channels is None else torch.float32))
        else:
            lr = protocol._round(degrade(hr))
            sr = net(lr.expand(-1, channels or -1, -1, -1))
            sr = sr.mean(1, keepdim=True) if hr.shape[1] == 1 else sr
        yield name, sr[..., :height, :width].to(hr), hr  # a fractional scale may give one row too many


@torch.no_grad()
def compare(
    pairs: Iterable[tuple[str, Tensor, Tensor]],
    protocol: Protocol = PAPER,
    scale: float = 4,
    leave_out: LeaveOut | None = None,
) -> Scores:
    """Score results that are there already, from whatever program.

    Args:
        pairs: (name, sr, hr), both (1, C, H, W).
        scale: of the results, for the protocol's border.
        leave_out: as for `evaluate`.

    Raises: as `evaluate`; ValueError for a pair of unequal sizes, with its name.
    """
    rows = []
    for name, sr, hr in pairs:
        if not _is_large_enough(name, hr, protocol, scale, leave_out):
            continue
        try:
            scores = {"psnr": protocol.psnr(sr, hr, scale), "ssim": protocol.ssim(sr, hr, scale)}
        except ValueError as error:
            raise type(error)(f"{name}: {error}") from error
        rows.append({"name": name} | {key: value.item() for key, value in scores.items()})
    if not rows:
        raise ValueError("evaluate got no pictures that it can score")
    return Scores(protocol.describe(f"{math.ceil(scale)}"), tuple(rows), scale)


def _is_large_enough(name: str, hr: Tensor, protocol: Protocol, scale: float, leave_out: LeaveOut | None) -> bool:
    border = math.ceil(scale) if protocol.border is None else protocol.border
    side, (height, width) = WINDOW + 2 * border, hr.shape[-2:]
    reason = f"{name}: {width} x {height} pixels; a border of {border} and the window of SSIM need {side} x {side}"
    if min(height, width) < side and leave_out is None:
        raise ValueError(reason)
    if min(height, width) < side:
        leave_out(reason)
    return min(height, width) >= side
