"""Exercises on deconvolution: transfer function, Wiener, Richardson–Lucy, choice of the weight, shrinkage."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from srlib.deconvolution import fourier, iterative
from srlib.deconvolution.boundary import transfer
from srlib.degradations import Blur
from srlib.exercises import Exercise

_TINY = 1e-12  # lower bound on light, against division by zero


def cutoff(sigma: float, factor: float) -> float:
    """The frequency in cycles per pixel at which undoing a Gaussian blur multiplies the noise by `factor`.

    Args:
        sigma: of the blur, in pixels.
    """
    return math.sqrt(math.log(factor) / 2) / (math.pi * sigma)


def response(kernel: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the full DFT of a kernel, normalised to sum one, with its centre at (0, 0).

    Shapes: kernel (kh, kw), both odd, of any sum -> two of (H, W) for size = (H, W).
    """
    return _response()(kernel, size)


def _centred(kh: int, kw: int, *_: int) -> tuple[int, int]:
    return -(kh // 2), -(kw // 2)


def _response(roll: Callable = _centred, sum_one: bool = True) -> Callable:
    """The response with another roll, normalisation or sum."""

    def wrong(kernel: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        padded = kernel.new_zeros(size)
        padded[: kernel.shape[0], : kernel.shape[1]] = kernel / kernel.sum() if sum_one else kernel
        spectrum = torch.fft.fft2(padded.roll(roll(*kernel.shape, *size), (0, 1)))
        return spectrum.real, spectrum.imag

    return wrong


def filtered(y: Tensor, kernel: Tensor, ratio: float) -> Tensor:
    """H* Y / (|H|² + ratio) on a picture whose blur wrapped around.

    Shapes: y (H, W), kernel (kh, kw) -> (H, W).
    """
    return fourier.wiener(y, kernel, noise=math.sqrt(ratio), signal=1.0, boundary="periodic")


def _divided(gain: Callable[[Tensor, float], Tensor], h_of: Callable = transfer) -> Callable:
    """Another gain in place of Wiener's."""

    def wrong(y: Tensor, kernel: Tensor, ratio: float) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(y) * gain(h_of(kernel, tuple(y.shape)), ratio), s=y.shape)

    return wrong


def _right_gain(h: Tensor, ratio: float) -> Tensor:
    return h.conj() / (h.abs() ** 2 + ratio)


def lucy(y: Tensor, kernel: Tensor, steps: int) -> Tensor:
    """Richardson–Lucy from a flat 0.5 on a picture whose blur wrapped around.

    Shapes: y (N, C, H, W), not negative, kernel (kh, kw) of sum one -> (N, C, H, W).
    """
    return iterative.richardson_lucy(y, kernel, steps, boundary="periodic")


def _stepped(step: Callable, turn: bool = True) -> Callable:
    """Steps of another kind: step(x, y, blur, back) is the next x."""

    def wrong(y: Tensor, kernel: Tensor, steps: int) -> Tensor:
        blur = Blur(kernel, "periodic")
        back = Blur(kernel.flip(0, 1) if turn else kernel, "periodic")
        x = torch.full_like(y, 0.5)
        for _ in range(steps):
            x = step(x, y, blur, back)
        return x

    return wrong


def chosen_weight(y: Tensor, kernel: Tensor, noise: float, weights: Sequence[float]) -> float:
    """The largest weight of `tikhonov` whose result, blurred again, is within `noise` of y (Morozov, Doklady 1966).

    Args:
        noise: σ; the difference is measured by its root mean square.

    Shapes: y (1, 1, H, W), kernel (kh, kw), the blur wrapped around.
    """
    return max(w for w, residual in _residuals(y, kernel, weights) if _rms(residual) <= noise)


def _rms(residual: Tensor) -> float:
    return residual.square().mean().sqrt().item()


def _residuals(y: Tensor, kernel: Tensor, weights: Sequence[float], again: bool = True) -> list[tuple[float, Tensor]]:
    restored = [(w, fourier.tikhonov(y, kernel, w, boundary="periodic")) for w in weights]
    return [(w, (Blur(kernel, "periodic")(x) if again else x) - y) for w, x in restored]


def _largest(measure: Callable[[Tensor], float], again: bool = True) -> Callable:
    """The largest weight by another measure of the residual; where none passes, the smallest."""

    def wrong(y: Tensor, kernel: Tensor, noise: float, weights: Sequence[float]) -> float:
        kept = [w for w, residual in _residuals(y, kernel, weights, again) if measure(residual) <= noise]
        return max(kept, default=min(weights))

    return wrong


def shrink(v: Tensor, threshold: float) -> Tensor:
    """Shorten each gradient vector by `threshold`; vectors shorter than that become zero.

    Shapes: (2, H, W) -> (2, H, W).
    """
    return v * (1 - threshold / v.norm(dim=0).clamp_min(threshold))


def _noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def _dark(*shape: int) -> Tensor:
    """Random light with a black corner, larger than the kernels here."""
    y = 0.1 + _noise(*shape)
    y[..., :8, :9] = 0
    return y


def _observed(height: int, width: int, noise: float) -> Tensor:
    """Smooth blobs under `_SKEW` and noise of a known strength."""
    sharp = Blur(torch.ones(3, 3, dtype=torch.float64) / 9, "periodic")(_noise(1, 1, height, width))
    draw = torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    return Blur(_SKEW, "periodic")(sharp) + noise * draw


_SKEW = torch.tensor([[1.0, 4.0, 0.5], [0.5, 2.0, 0.5], [0.5, 6.0, 3.0]], dtype=torch.float64) / 18
_WIDE = torch.tensor([[1.0, 2.0, 3.0, 8.0, 1.0], [0.5, 0.5, 4.0, 2.0, 1.0], [1.0, 1.0, 6.0, 1.0, 1.0]]).double() / 33
_WEIGHTS = (1e-1, 1e-4, 1e-2, 1e-3, 1.0, 3e-3, 3e-2, 3e-4, 3e-1, 1e-5)
_VECTORS = torch.tensor([[[3, 0, -0.3, 0.5], [1, -2, 0, 0.7]], [[4, 0, 0.4, -0.5], [-1, 0.1, 0.8, 0.6]]])

EXERCISES: dict[str, Exercise] = {
    "cutoff": Exercise(
        cutoff,
        [(1.6, 100.0), (1.6, 1e6), (0.8, 10.0)],
        {
            "this is log10; the exponential is undone by the natural logarithm, math.log.": (
                lambda sigma, factor: math.sqrt(math.log10(factor) / 2) / (math.pi * sigma)
            ),
            "the root is missing: the exponent contains the squared frequency.": (
                lambda sigma, factor: math.log(factor) / 2 / (math.pi * sigma) ** 2
            ),
            "in radians per pixel: divide by 2π for cycles.": lambda s, factor: math.sqrt(2 * math.log(factor)) / s,
            "here the noise's power grows by factor. Its amplitude is multiplied by 1/|H|, not by 1/|H|².": (
                lambda sigma, factor: math.sqrt(math.log(factor)) / (2 * math.pi * sigma)
            ),
        },
    ),
    "transfer": Exercise(
        response,
        [(18 * _SKEW, (7, 8)), (33 * _WIDE, (9, 12))],
        {
            "the kernel lies in the corner, its middle at (kh // 2, kw // 2): the picture would move by that much. "
            "Roll the middle to (0, 0).": _response(lambda *_: (0, 0)),
            "the middle of the kernel went to the middle of the picture, where fftshift would put it: the picture "
            "moves by half its size. It belongs at (0, 0).": _response(
                lambda kh, kw, h, w: (h // 2 - kh // 2, w // 2 - kw // 2)
            ),
            "off by one: of 3 taps the middle is number 1.": _response(lambda h, w, *_: (-(h // 2) - 1, -(w // 2) - 1)),
            "rolled the wrong way: minus kh // 2 goes back to row 0.": _response(lambda h, w, *_: (h // 2, w // 2)),
            "rows and columns are swapped: roll by kh // 2 along dimension 0 and by kw // 2 along dimension 1.": (
                _response(lambda kh, kw, *_: (-(kw // 2), -(kh // 2)))
            ),
            "H at frequency zero is the sum of the kernel, and it must be one, or the picture changes its brightness. "
            "Divide by the sum.": _response(sum_one=False),
        },
    ),
    "wiener": Exercise(
        filtered,
        [(_noise(12, 15), _SKEW, 0.05), (_noise(11, 9), _WIDE, 0.4)],
        {
            "the conjugate is missing: only H* undoes the phase.": _divided(lambda h, r: h / (h.abs() ** 2 + r)),
            "|H| in the denominator where |H|² belongs.": _divided(lambda h, r: h.conj() / (h.abs() + r)),
            "upside down: more noise must mean a larger denominator.": _divided(lambda h, r: _right_gain(h, 1 / r)),
            "the ratio was added to H itself. Multiply numerator and denominator by H* first.": _divided(
                lambda h, r: 1 / (h + r)
            ),
            "the ratio is missing: this is the naive inverse.": lambda y, k, r: fourier.naive_inverse(y, k, "periodic"),
            "the kernel was not centred, so the picture moved: use transfer(kernel, (H, W)).": _divided(
                _right_gain, lambda kernel, size: torch.fft.rfft2(kernel, s=size)
            ),
        },
    ),
    "richardson-lucy": Exercise(
        lucy,
        [(_dark(1, 2, 14, 17), _SKEW, 3), (_dark(2, 1, 12, 13), _WIDE, 2)],
        {
            "blur the ratio with the turned kernel, k.flip(0, 1): light goes back to where it came from.": _stepped(
                lambda x, y, blur, back: x * back(y / blur(x).clamp_min(_TINY)), turn=False
            ),
            "upside down: the ratio is y over the blurred x.": _stepped(lambda x, y, blur, back: x * back(blur(x) / y)),
            "this adds the corrections, and light can become negative. Multiply by the back-projected ratio.": _stepped(
                lambda x, y, blur, back: x + back(y - blur(x))
            ),
            "0/0: where everything is dark, the blurred x is zero. Clamp it, blurred.clamp_min(1e-12).": _stepped(
                lambda x, y, blur, back: x * back(y / blur(x))
            ),
            "the ratio was not blurred on its way back: each pixel of x contributes to many of y, and needs the mean "
            "of their ratios.": _stepped(lambda x, y, blur, back: x * y / blur(x).clamp_min(_TINY)),
        },
    ),
    "weight": Exercise(
        chosen_weight,
        [(_observed(24, 21, 0.02), _SKEW, 0.02, _WEIGHTS), (_observed(17, 28, 0.05), _SKEW, 0.05, _WEIGHTS)],
        {
            "the smallest weight always has the smallest residual: it fits the noise too. Take the largest whose "
            "residual is within the noise.": lambda y, kernel, noise, weights: min(weights),
            "the smallest weight above the noise: its residual is larger than the noise explains. Take the one "
            "before.": lambda y, kernel, noise, weights: min(
                w for w, residual in _residuals(y, kernel, weights) if _rms(residual) > noise
            ),
            "the result was compared with y without blurring it again, so the sharpening counts as misfit.": _largest(
                _rms, again=False
            ),
            "the mean square is a variance; take its root.": _largest(lambda residual: residual.square().mean().item()),
        },
        tolerance=1e-7,
    ),
    "shrink": Exercise(
        shrink,
        [(_VECTORS, 1.0), (_VECTORS.flip(1, 2), 0.75)],
        {
            "each component was shrunk alone, which prefers edges along rows and columns. Shrink the length "
            "√(v₀² + v₁²).": lambda v, threshold: v.sign() * (v.abs() - threshold).clamp_min(0),
            "the other way round: short vectors were kept and long ones cut to the threshold. Short ones must "
            "vanish.": lambda v, threshold: v - shrink(v, threshold),
            "0/0 where the gradient is zero. Clamp the length before dividing; a zero vector stays zero.": (
                lambda v, threshold: v * (v.norm(dim=0) - threshold).clamp_min(0) / v.norm(dim=0)
            ),
            "hard threshold: long vectors must become shorter too, by the threshold.": lambda v, t: (
                v * (v.norm(dim=0) > t)
            ),
            "short vectors are turned round: a length cannot be negative. Clamp it at zero.": (
                lambda v, threshold: v * (1 - threshold / v.norm(dim=0).clamp_min(_TINY))
            ),
        },
    ),
}
