"""Many frames of one scene: the operator and its adjoint, estimates that fall and gain, and input that cannot work."""

import math

import pytest
import torch

from srlib.burst.forward_model import ForwardModel, burst
from srlib.burst.fusion import shift_and_add
from srlib.burst.reconstruction import back_project, map_estimate, robust_estimate
from srlib.burst.registration import register
from srlib.data.datasets import photo
from srlib.degradations import Blur, Decimate, gaussian_kernel
from srlib.resample import resize

SHIFTS = torch.tensor([[0.0, 0.0], [0.3, -0.7], [-1.6, 1.2], [2.4, 0.5], [-0.1, -2.2]])


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scene():
    """A grey corner of the astronaut, 96 x 120."""
    return photo("astronaut").double().mean(1, keepdim=True)[..., 20:116, 150:270]


def psnr(sr, hr):
    return float(-10 * torch.log10((sr.clamp(0, 1) - hr)[..., 8:-8, 8:-8].square().mean()))


@pytest.fixture(scope="module")
def taken():
    """(hr, frames, shifts)"""
    hr = scene()
    return hr, *burst(hr, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("offset", [None, 0])
def test_adjoint(scale, offset):
    operator = ForwardModel(SHIFTS, scale=scale, sigma=0.9, grid_origin=offset)
    x, y = noise(1, 3, 7 * scale, 10 * scale), noise(5, 3, 7, 10, seed=1)
    forward, backward = (operator(x) * y).sum(), (x * operator.adjoint(y)).sum()
    assert abs(forward - backward) < 1e-10 * abs(forward)
    assert operator(x).shape == y.shape and operator.adjoint(y).shape == x.shape


def test_an_unmoved_frame_is_blurred_and_decimated():
    hr = scene()
    operator = ForwardModel(torch.zeros(1, 2), scale=2, sigma=1.1, grid_origin=0)
    blurred = Blur(gaussian_kernel(1.1, 9))(hr)
    torch.testing.assert_close(operator(hr), Decimate(2)(blurred), atol=1e-12, rtol=0)


def test_a_shift_by_whole_pixels_moves_the_content_down_and_right():
    hr = scene()
    still, moved = ForwardModel(torch.tensor([[0.0, 0.0], [2.0, -1.0]]), scale=2, sigma=0.8)(hr)
    torch.testing.assert_close(moved[:, 4:-4, 4:-4], still.roll((2, -1), (-2, -1))[:, 4:-4, 4:-4], atol=1e-12, rtol=0)


def test_a_ramp_shows_where_each_pixel_looks():
    rows = torch.arange(40, dtype=torch.float64)[:, None].expand(40, 36)
    frames = ForwardModel(SHIFTS, scale=2, sigma=0.8)(rows[None, None])
    places = 2 * torch.arange(20, dtype=torch.float64) + 0.5
    for frame, (down, _) in zip(frames, SHIFTS.tolist(), strict=True):
        torch.testing.assert_close(frame[0, 6:-6, 3], (places - 2 * down)[6:-6], atol=2e-3, rtol=0)


def test_every_solver_lowers_its_objective(taken):
    hr, frames, shifts = taken
    operator = ForwardModel(shifts, scale=2, sigma=0.8)
    for solve in (back_project, map_estimate, robust_estimate):
        values = []
        solve(frames, operator, log=lambda step, value, values=values: values.append(value))
        falls = [b <= a + 1e-9 * abs(values[0]) for a, b in zip(values, values[1:], strict=False)]
        assert len(values) >= 8 and all(falls), (solve.__name__, values)
        assert values[-1] < 0.9 * values[0]


def test_map_solves_its_equations():
    """Against a dense least-squares solution, on a few pixels."""
    operator = ForwardModel(SHIFTS, scale=2, sigma=0.8)
    frames = noise(5, 1, 4, 3)
    unit = torch.eye(48, dtype=torch.float64).view(48, 1, 1, 8, 6)
    matrix = torch.stack([operator(x).flatten() for x in unit], 1)
    line = {n: 2 * torch.eye(n) - torch.diag(torch.ones(n - 1), 1) - torch.diag(torch.ones(n - 1), -1) for n in (8, 6)}
    for n in line:
        line[n][0, 0] = line[n][-1, -1] = 1
    rough = torch.kron(line[8], torch.eye(6)) + torch.kron(torch.eye(8), line[6])
    rough = rough.double()
    weight = 0.03
    left = 4 / 5 * matrix.T @ matrix + weight * rough.T @ rough
    expected = torch.linalg.solve(left, 4 / 5 * matrix.T @ frames.flatten())
    found = map_estimate(frames, operator, weight=weight, steps=200)
    torch.testing.assert_close(found.flatten(), expected, atol=1e-7, rtol=0)


def test_many_frames_with_unknown_shifts_beat_one(taken):
    hr, frames, shifts = taken
    found = register(frames)
    assert (found - shifts).square().mean().sqrt() < 0.1  # a small picture; the chapter measures whole ones
    one = psnr(resize(frames[:1], 2), hr)
    many = psnr(map_estimate(frames, ForwardModel(found, scale=2, sigma=0.8)), hr)
    assert many > one + 3 and many > psnr(shift_and_add(frames, found, scale=2), hr) + 1.5


def test_frames_that_lie_harm_least_squares_and_hardly_the_robust_estimate(taken):
    hr, frames, shifts = taken
    operator = ForwardModel(shifts, scale=2, sigma=0.8)
    lies = frames.clone()
    lies[3], lies[8], lies[12] = lies[3].flip(-1), 1 - lies[8], lies[12].roll((7, -5), (-2, -1))
    methods = {
        "least squares": (map_estimate, {"weight": 0.005}),
        "L1": (robust_estimate, {}),
        "arctan": (robust_estimate, {"reject": 0.06}),
    }
    loss = {}
    for name, (solve, options) in methods.items():
        honest, fooled = (psnr(solve(seen, operator, **options), hr) for seen in (frames, lies))
        loss[name] = honest - fooled
    assert loss["least squares"] > 2 and loss["L1"] < 1 and loss["arctan"] < 0.6, loss


def test_the_second_half_lowers_its_own_objective(taken):
    _, frames, shifts = taken
    values = []
    robust_estimate(
        frames, ForwardModel(shifts, scale=2, sigma=0.8), reject=0.06, log=lambda _, value: values.append(value)
    )
    assert (
        all(b <= a + 1e-9 for a, b in zip(values[4:], values[5:], strict=False)) and values[-1] < values[4] < values[3]
    )


def test_one_frame_and_a_constant_one_give_finite_pictures():
    operator = ForwardModel(torch.zeros(1, 2), scale=2, sigma=0.8)
    for frame in (noise(1, 3, 6, 9), torch.full((1, 1, 6, 9), 0.3, dtype=torch.float64)):
        for solve in (back_project, map_estimate, robust_estimate):
            assert solve(frame, operator).isfinite().all()
    flat = map_estimate(torch.full((1, 1, 6, 9), 0.3, dtype=torch.float64), operator)
    torch.testing.assert_close(flat, torch.full((1, 1, 12, 18), 0.3, dtype=torch.float64), atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ForwardModel(torch.zeros(3), scale=2, sigma=1), r"shifts must be \(frames, 2\), got shape \(3,\)"),
        (lambda: ForwardModel(torch.tensor([[0, math.nan]]), scale=2, sigma=1), "shifts must be finite"),
        (lambda: ForwardModel(torch.zeros(1, 2), scale=2, sigma=0), "sigma at least 0.3, got 2 and 0"),
        (lambda: ForwardModel(torch.zeros(1, 2), scale=2, sigma=0.1), "sigma at least 0.3, got 2 and 0.1"),
        (
            lambda: ForwardModel(torch.tensor([[0.0, 0.0], [0.0, -1000.0]]), scale=2, sigma=1)(torch.rand(1, 1, 8, 6)),
            r"frame 1 is shifted by \[0.0, -1000.0\] pixels, out of the scene; leave it out",
        ),
        (lambda: ForwardModel(torch.zeros(1, 2), scale=2, sigma=1)(torch.rand(1, 1, 5, 6)), "divisible by 2"),
        (lambda: map_estimate(torch.rand(2, 1, 5, 6), ForwardModel(torch.zeros(3, 2), scale=2, sigma=1)), "3 frames"),
        (
            lambda: robust_estimate(
                torch.tensor([0.0, math.nan]).view(2, 1, 1, 1), ForwardModel(torch.zeros(2, 2), scale=1, sigma=1)
            ),
            "frame 1 has NaN or infinite values; leave out",
        ),
        (
            lambda: map_estimate(
                torch.rand(1, 1, 5, 6), ForwardModel(torch.zeros(1, 2), scale=2, sigma=1), torch.rand(1, 1, 5, 6)
            ),
            r"start must be \(1, 1, 10, 12\)",
        ),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("estimate", [back_project, map_estimate, robust_estimate])
def test_frames_of_two_sizes_are_refused(estimate):
    with pytest.raises(TypeError, match="all of one size; got a list"):
        estimate([torch.rand(1, 4, 4), torch.rand(1, 4, 5)], ForwardModel(torch.zeros(2, 2), scale=2, sigma=1))
