"""Estimates of a scene from many frames: back-projection, MAP, and a robust estimate that tolerates bad frames."""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from srlib.burst.forward_model import ForwardModel, check_frames
from srlib.resample import resize

Log = Callable[[int, float], Any]


def back_project(
    frames: Tensor,
    operator: ForwardModel,
    start: Tensor | None = None,
    *,
    steps: int = 20,
    step_size: float = 1.0,
    log: Log | None = None,
) -> Tensor:
    """Iterative back-projection: add the frames' residuals back to the estimate (Irani & Peleg, CVGIP 1991).

    Args:
        start: first estimate; None: the first frame, enlarged by bicubic interpolation.
        step_size: 1 adds the mean residual of all frames; a much larger step rings, then diverges.
        log: called with each step and the mean squared residual.

    Shapes: (K, C, h, w), start (1, C, H, W) -> (1, C, H, W).
    Raises: ValueError for a start of another shape; as `check_frames` for the frames, as `ForwardModel` for the scene.
    Differs from the paper: the back-projection kernel is the blur itself, which cannot diverge at step size 1.
    """
    x = _check(frames, operator, start)
    gain = step_size * operator.scale**2 / len(frames)
    for step in range(steps):
        residual = frames - operator(x)
        if log:
            log(step, float(residual.square().mean()))
        x = x + gain * operator.adjoint(residual)
    return x


def map_estimate(
    frames: Tensor,
    operator: ForwardModel,
    start: Tensor | None = None,
    *,
    weight: float | None = None,
    steps: int = 30,
    log: Log | None = None,
) -> Tensor:
    """MAP estimate under Gaussian noise and a smoothness prior (Elad & Feuer, IEEE TIP 1997).

    It minimises ‖A x − y‖²/K + weight·‖∇²x‖².

    Args:
        start: as for `back_project`.
        weight: of the prior. Default 0.08/K, for photographs and noise of 5/255; it should grow with σ².
        steps: of conjugate gradients.
        log: called with each step and the objective.

    Shapes: (K, C, h, w), start (1, C, H, W) -> (1, C, H, W).
    Raises: as `back_project`.
    Differs from the paper: conjugate gradients instead of steepest descent; the Laplacian as prior.
    """
    start = _check(frames, operator, start)
    weight = 0.08 / len(frames) if weight is None else weight
    return _solve(frames, operator, start, weight, steps, log=log)


def robust_estimate(
    frames: Tensor,
    operator: ForwardModel,
    start: Tensor | None = None,
    *,
    weight: float | None = None,
    reach: int = 2,
    decay: float = 0.6,
    reject: float | None = None,
    outer_iterations: int = 8,
    steps: int = 8,
    log: Log | None = None,
) -> Tensor:
    """Robust estimate: L1 data term and bilateral total variation (Farsiu et al., IEEE TIP 2004, eq. 22).

    It minimises ‖A x − y‖₁/K + weight·Σ decay^(|l|+|m|)·‖x − x shifted by (l, m)‖₁. Under L1 an outlier has the same
    influence however large its error, so a few bad frames cannot dominate, as they do in least squares. The second
    term keeps edges. |v| is √(v² + 10⁻⁴), and each iteration minimises a parabola that lies above it, so the objective
    never rises.

    Args:
        weight: of the prior. Default 0.08/√K, for photographs and noise of 5/255; it should grow with σ.
        reach: largest l and m, in hr pixels.
        reject: in the second half of the iterations, |v| of the frames becomes c·arctan(|v|/c) with this c, so that
            errors much larger than c have hardly any influence. Three times the noise is a good choice; None: never.
        outer_iterations, steps: of reweighting; of conjugate gradients in each.
        log: called with each iteration and the objective.

    Shapes: (K, C, h, w), start (1, C, H, W) -> (1, C, H, W).
    Raises: as `back_project`.
    Differs from the paper: reweighted least squares instead of steepest descent, a rounded absolute value, `reject`.
    """
    x = _check(frames, operator, start)
    weight = 0.08 / len(frames) ** 0.5 if weight is None else weight
    offsets = [
        (down, right) for down in range(reach + 1) for right in range(-reach, reach + 1) if (down, right) > (0, 0)
    ]
    for step in range(outer_iterations):
        error = _rounded(frames - operator(x))
        late = reject is not None and step >= outer_iterations // 2
        irls_weights = 1 / (error * (1 + (error / reject) ** 2)) if late else 1 / error
        edges = [
            weight * decay ** (down + abs(right)) / _rounded(_difference(x, down, right)) for down, right in offsets
        ]

        def smooth(v: Tensor, edges: list[Tensor] = edges) -> Tensor:
            terms = zip(offsets, edges, strict=True)
            return sum(_difference_adjoint(edge * _difference(v, *offset), *offset) for offset, edge in terms)

        if log:
            prior = sum(
                weight * decay ** (offset[0] + abs(offset[1])) * float(_rounded(_difference(x, *offset)).mean())
                for offset in offsets
            )
            log(step, float((reject * (error / reject).atan() if late else error).mean()) + prior)
        x = _solve(frames, operator, x, 1.0, steps, irls_weights=irls_weights, smooth=smooth)
    return x


def _solve(
    frames: Tensor,
    operator: ForwardModel,
    start: Tensor,
    weight: float,
    steps: int,
    *,
    irls_weights: Tensor | float = 1.0,
    smooth: Callable[[Tensor], Tensor] | None = None,
    log: Log | None = None,
) -> Tensor:
    """Conjugate gradients on (s²/K·Aᵀ W A + weight·R) x = s²/K·Aᵀ W y."""
    smooth = smooth or (lambda v: _laplacian(_laplacian(v)))
    scale = operator.scale**2 / len(frames)

    def normal(v: Tensor) -> Tensor:
        return scale * operator.adjoint(irls_weights * operator(v)) + weight * smooth(v)

    right = scale * operator.adjoint(irls_weights * frames)
    constant = scale * float((irls_weights * frames * frames).sum())
    x = start
    residual = right - normal(x)
    direction, size = residual, residual.square().sum()
    for step in range(steps):
        if log:
            log(step, constant - float((x * (right + residual)).sum()))
        if not size > 1e-20:
            break
        moved = normal(direction)
        length = size / (direction * moved).sum()
        x = x + length * direction
        residual = residual - length * moved
        size, old = residual.square().sum(), size
        direction = residual + size / old * direction
    return x


def _check(frames: Tensor, operator: ForwardModel, start: Tensor | None) -> Tensor:
    """The first estimate, after checking the frames."""
    check_frames(frames, len(operator.shifts))
    if start is None:
        return resize(frames[:1], operator.scale)
    expected = (1, frames.shape[1], *(operator.scale * n for n in frames.shape[-2:]))
    if start.shape != expected:
        raise ValueError(f"start must be {expected}, got {tuple(start.shape)}")
    return start


def _rounded(v: Tensor) -> Tensor:
    """An absolute value that is never zero."""
    return (v.square() + 1e-4).sqrt()


def _laplacian(x: Tensor) -> Tensor:
    """Four times the pixel minus its four neighbours; the border pixel is repeated beyond the border."""
    wide = F.pad(x, (1, 1, 1, 1), mode="replicate")
    around = wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1] + wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]
    return 4 * x - around


def _difference(x: Tensor, down: int, right: int) -> Tensor:
    """Each pixel minus the one `down` above it and `right` to its left, where both exist."""
    height, width = x.shape[-2:]
    here = x[..., down:, max(right, 0) : width + min(right, 0)]
    return here - x[..., : height - down, max(-right, 0) : width - max(right, 0)]


def _difference_adjoint(v: Tensor, down: int, right: int) -> Tensor:
    here = F.pad(v, (max(right, 0), max(-right, 0), down, 0))
    return here - F.pad(v, (max(-right, 0), max(right, 0), 0, down))
