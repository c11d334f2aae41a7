"""deconvolution: known values, skimage and dense matrices as references, objectives that fall, borders, bad input."""

import numpy as np
import pytest
import torch
from scipy.signal import convolve as scipy_convolve
from skimage import restoration
from skimage.restoration import uft

from srlib.data.datasets import photo
from srlib.deconvolution import boundary, fourier, iterative
from srlib.degradations import Blur, anisotropic_gaussian, gaussian_kernel, motion_kernel
from srlib.images import grey
from srlib.metrics import psnr
from tests.conftest import every

GAUSS = gaussian_kernel(1.6)
SKEW = anisotropic_gaussian(1.5, 0.7, 30, 7)
DELTA = torch.ones(1, 1, dtype=torch.float64)
METHODS = {
    "naive": fourier.naive_inverse,
    "tikhonov": lambda y, k, **how: fourier.tikhonov(y, k, 0.01, **how),
    "wiener": fourier.wiener,
    "richardson_lucy": lambda y, k, **how: iterative.richardson_lucy(y, k, 5, **how),
    "total_variation": lambda y, k, **how: iterative.tv_deconvolution(y, k, 1e-3, 5, **how),
}
each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def rand(*shape, seed=0):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def randn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def matrix(operator, height, width):
    """Column i is what the operator makes of the i-th unit picture."""
    units = torch.eye(height * width, dtype=torch.float64).view(-1, 1, height, width)
    return operator(units).reshape(height * width, -1).T


def observed(name, size, sigma=2 / 255):
    """A piece of a photograph whose surroundings were blurred with it, noisy, in steps of 1/255."""
    sharp = grey(photo(name))[..., 40 : 40 + size + 40, 140 : 140 + size + 40].double()
    y = Blur(GAUSS)(sharp)[..., 20:-20, 20:-20] + sigma * randn(1, 1, size, size)
    return sharp[..., 20:-20, 20:-20], (y.clamp(0, 1) * 255).round() / 255


@pytest.fixture(scope="module")
def scene():
    return observed("astronaut", 160)


# the response of a kernel


def test_transfer_of_a_centred_delta_is_one_and_a_shift_turns_the_phase():
    torch.testing.assert_close(boundary.transfer(DELTA, (5, 8)), torch.ones(5, 5, dtype=torch.complex128))
    image = rand(1, 1, 7, 9)
    moved = torch.zeros(3, 3, dtype=torch.float64)
    moved[2, 0] = 1
    result = torch.fft.irfft2(torch.fft.rfft2(image) * boundary.transfer(moved, (7, 9)), s=(7, 9))
    torch.testing.assert_close(result, image.roll((1, -1), (-2, -1)))


@pytest.mark.parametrize("kernel", [GAUSS, SKEW, motion_kernel(5, 20)])
@pytest.mark.parametrize("size", [(17, 22), (16, 15)])
def test_transfer_is_the_periodic_blur(kernel, size):
    image = rand(2, 3, *size)
    torch.testing.assert_close(
        boundary.convolve(image, boundary.transfer(kernel, size)), Blur(kernel, "periodic")(image)
    )


@pytest.mark.parametrize("shape", [(2, 4), (3, 2), (5, 3)])
def test_transfer_places_even_kernels_as_skimage(shape):
    kernel = rand(*shape)
    reference = torch.from_numpy(uft.ir2tf(kernel.numpy(), (8, 7)))
    torch.testing.assert_close(boundary.transfer(kernel, (8, 7)), reference)


def test_laplacian_is_the_transfer_of_its_kernel():
    kernel = torch.tensor([[0, -1, 0], [-1, 4, -1], [0, -1, 0]], dtype=torch.float64)
    reference = boundary.transfer(kernel, (6, 9))
    torch.testing.assert_close(boundary.laplacian((6, 9)), reference.real)
    assert reference.imag.abs().max() < 1e-12


# known values


def test_delta_kernel_shrinks_by_the_noise_to_signal_ratio():
    image = rand(2, 3, 9, 12)
    for border in ("periodic", "symmetric", "taper"):
        torch.testing.assert_close(fourier.naive_inverse(image, DELTA, border), image)
        torch.testing.assert_close(fourier.wiener(image, DELTA, noise=0.5, signal=2.0, boundary=border), image / 1.125)
    torch.testing.assert_close(fourier.tikhonov(image, DELTA, 0.25, "identity"), image / 1.25)
    torch.testing.assert_close(iterative.richardson_lucy(image, DELTA, 1), image)


@pytest.mark.parametrize("size", [(21, 16), (15, 18)])
def test_an_invertible_periodic_blur_is_undone_exactly(size):
    kernel = gaussian_kernel(0.5)
    sharp = rand(1, 3, *size)
    y = Blur(kernel, "periodic")(sharp)
    for restored in (
        fourier.naive_inverse(y, kernel, "periodic"),
        fourier.tikhonov(y, kernel, 1e-14, boundary="periodic"),
        fourier.wiener(y, kernel, noise=1e-7, signal=1.0, boundary="periodic"),
        iterative.tv_deconvolution(y, kernel, 1e-12, 50, boundary="periodic"),
    ):
        torch.testing.assert_close(restored, sharp, atol=1e-6, rtol=0)


def test_a_frequency_that_the_blur_erased_is_left_out():
    y = Blur(torch.ones(1, 3, dtype=torch.float64) / 3, "periodic")(rand(1, 1, 4, 9))
    spectrum = torch.fft.rfft2(fourier.naive_inverse(y, torch.tensor([[1.0, 0, 1]]) / 2, "periodic"))
    assert spectrum.isfinite().all()
    half = fourier.naive_inverse(y[..., :8], torch.tensor([[1.0, 1]]) / 2, "periodic")  # zero at the finest stripe
    assert half.abs().max() < 100 and torch.fft.rfft2(half)[..., 4].abs().max() < 1e-9


def test_wiener_keeps_a_flat_picture():
    for value in (0.0, 0.4, 1.0):
        flat = torch.full((2, 1, 23, 30), value)
        torch.testing.assert_close(fourier.wiener(flat, GAUSS), flat, atol=1e-3, rtol=0)
        assert fourier.wiener(flat, GAUSS, noise=0.0).isfinite().all()
        assert iterative.richardson_lucy(flat, GAUSS, 5).isfinite().all()
        torch.testing.assert_close(iterative.tv_deconvolution(flat, GAUSS, 1e-3), flat)


# references


@pytest.mark.parametrize("kernel", [GAUSS, SKEW])
@pytest.mark.parametrize("balance", [1e-3, 0.1])
def test_tikhonov_and_wiener_equal_skimage(kernel, balance):
    y = rand(27, 20)
    reference = torch.from_numpy(restoration.wiener(y.numpy(), kernel.numpy(), balance, clip=False))
    tikhonov = fourier.tikhonov(y, kernel, balance, boundary="periodic")
    signal = 1 / boundary.laplacian((27, 20)).square()
    wiener = fourier.wiener(y, kernel, noise=balance**0.5, signal=signal, boundary="periodic")
    torch.testing.assert_close(tikhonov, reference, atol=1e-10, rtol=0)
    torch.testing.assert_close(wiener, reference, atol=1e-10, rtol=0)
    reference = restoration.wiener(y.numpy(), kernel.numpy(), balance, reg=np.ones((1, 1)), clip=False)
    identity = fourier.tikhonov(y, kernel, balance, "identity", "periodic")
    torch.testing.assert_close(identity, torch.from_numpy(reference), atol=1e-10, rtol=0)


@pytest.mark.parametrize("kernel", [GAUSS, SKEW, motion_kernel(5, 60)])
def test_richardson_lucy_equals_skimage(kernel):
    y = rand(25, 18)
    y[3:9, 4:12] = 0
    reference = restoration.richardson_lucy(y.numpy(), kernel.numpy(), 12, clip=False)
    ours = iterative.richardson_lucy(y, kernel, 12, boundary="zero")
    torch.testing.assert_close(ours, torch.from_numpy(reference), atol=1e-7, rtol=0)


def test_damped_richardson_lucy_equals_the_formula_written_out():
    y, kernel, t = rand(16, 13).numpy(), SKEW.numpy(), 0.2
    x = np.full_like(y, 0.3)
    for _ in range(8):
        blurred = scipy_convolve(x, kernel, mode="same")
        u = np.minimum(-2 / t**2 * (y * np.log(blurred / y) - blurred + y), 1)
        damped = 1 + u**9 * (10 - 9 * u) * (y - blurred) / blurred
        x = x * scipy_convolve(damped, kernel[::-1, ::-1], mode="same")
    ours = iterative.richardson_lucy(torch.from_numpy(y), SKEW, 8, t, start=0.3, boundary="zero")
    torch.testing.assert_close(ours, torch.from_numpy(x), atol=1e-8, rtol=0)
    undamped = iterative.richardson_lucy(torch.from_numpy(y), SKEW, 8, start=0.3, boundary="zero")
    assert (ours - undamped).abs().max() > 0.01


@pytest.mark.parametrize("penalty", ["laplacian", "identity"])
def test_tikhonov_equals_the_dense_normal_equations(penalty):
    h = matrix(Blur(SKEW, "periodic"), 9, 8)
    second = torch.tensor([[0, -1, 0], [-1, 4, -1], [0, -1, 0]], dtype=torch.float64)
    penalised = matrix(Blur(second if penalty == "laplacian" else DELTA, "periodic"), 9, 8)
    y = rand(1, 1, 9, 8)
    x = torch.linalg.solve(h.T @ h + 0.03 * penalised.T @ penalised, h.T @ y.flatten())
    torch.testing.assert_close(fourier.tikhonov(y, SKEW, 0.03, penalty, "periodic").flatten(), x)


def test_total_variation_equals_chambolle_pock():
    """The primal-dual method of J. Math. Imaging Vis. 2011, algorithm 1, with dense matrices."""
    height, width, weight = 8, 9, 0.02
    kernel = gaussian_kernel(0.6, 3)
    y = Blur(kernel, "periodic")(rand(1, 1, height, width)).flatten()
    h = matrix(Blur(kernel, "periodic"), height, width)
    down = matrix(lambda x: x.roll(-1, -2) - x, height, width)
    right = matrix(lambda x: x.roll(-1, -1) - x, height, width)
    k = torch.cat([h, down, right])
    n, step = height * width, 1 / 3  # ‖K‖² ≤ 1 + 8
    x, dual = y.clone(), torch.zeros(3 * n, dtype=y.dtype)
    ahead = x
    for _ in range(6000):
        dual = dual + step * (k @ ahead)
        data = (dual[:n] - step * y) / (1 + step)
        gradient = dual[n:].view(2, n)
        gradient = gradient / (gradient.norm(dim=0) / weight).clamp_min(1)
        dual = torch.cat([data, gradient.flatten()])
        x, before = x - step * (k.T @ dual), x
        ahead = 2 * x - before

    def objective(x):
        return (0.5 * (h @ x - y).square().sum() + weight * torch.hypot(down @ x, right @ x).sum()).item()

    log = []
    image = y.view(1, 1, height, width)
    ours = iterative.tv_deconvolution(
        image, kernel, weight, 1500, boundary="periodic", log=lambda *row: log.append(row)
    )
    torch.testing.assert_close(ours.flatten(), x, atol=1e-4, rtol=0)
    assert log[-1][0] == 1499 and log[-1][1] == pytest.approx(objective(ours.flatten()))
    assert log[-1][1] == pytest.approx(objective(x), rel=1e-5)


# properties


@pytest.mark.parametrize("weight, coupling", [(3e-4, 80), (1e-3, 80), (1e-3, 10)])
def test_total_variation_objective_falls_at_every_step(scene, weight, coupling):
    log = []
    iterative.tv_deconvolution(scene[1], GAUSS, weight, 40, coupling=coupling, log=lambda _, value: log.append(value))
    assert all(after <= before * (1 + 1e-9) for before, after in zip(log, log[1:], strict=False))
    assert log[-1] < 0.95 * log[0]


@pytest.mark.parametrize("boundary", ["periodic", "symmetric", "taper"])
def test_richardson_lucy_objective_falls_at_every_step(scene, boundary):
    log = []
    iterative.richardson_lucy(scene[1], GAUSS, 25, boundary=boundary, log=lambda _, value: log.append(value))
    assert len(log) == 25 and all(after < before for before, after in zip(log, log[1:], strict=False))


def test_richardson_lucy_keeps_flux_and_sign():
    y = rand(2, 3, 19, 14)
    y[..., 5:12, 3:9] = 0
    restored = iterative.richardson_lucy(y, SKEW, 30, boundary="periodic")
    torch.testing.assert_close(restored.sum((-2, -1)), y.sum((-2, -1)))
    assert (restored >= 0).all() and restored.isfinite().all()
    assert (iterative.richardson_lucy(y - 0.5, SKEW, 10) >= 0).all()


def test_richardson_lucy_goes_on_from_where_it_starts():
    y = rand(1, 1, 18, 21)
    once = iterative.richardson_lucy(y, SKEW, 7, boundary="periodic")
    twice = iterative.richardson_lucy(
        y, SKEW, 4, start=iterative.richardson_lucy(y, SKEW, 3, boundary="periodic"), boundary="periodic"
    )
    torch.testing.assert_close(twice, once)
    frozen = iterative.richardson_lucy(y, SKEW, 3, damping=1e3, start=y)  # every residual counts as noise
    torch.testing.assert_close(frozen, y)


@pytest.mark.parametrize("boundary", ["symmetric", "taper", "periodic"])
def test_gradients(boundary):
    y, kernel = rand(1, 1, 6, 7).requires_grad_(), gaussian_kernel(0.7, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda y, k: fourier.tikhonov(y, k, 0.1, boundary=boundary), (y, kernel))
    assert torch.autograd.gradcheck(
        lambda y, k: fourier.wiener(y, k, noise=0.2, signal=0.8, boundary=boundary), (y, kernel)
    )
    assert torch.autograd.gradcheck(lambda y, k: iterative.richardson_lucy(y, k, 3, boundary=boundary), (y, kernel))


@each_method
def test_planes_do_not_mix_and_dtype_stays(method):
    batch = torch.stack([rand(3, 29, 24), 0.2 * rand(3, 29, 24, seed=1)])
    for border in ("symmetric", "taper", "periodic"):
        together = method(batch, SKEW, boundary=border)
        assert together.shape == batch.shape and together.dtype == torch.float64, border
        for n, c in ((0, 0), (1, 2)):
            torch.testing.assert_close(method(batch[n, c], SKEW, boundary=border), together[n, c])
        assert method(batch.float(), SKEW.float(), boundary=border).dtype == torch.float32, border


# noise and spectrum


@pytest.mark.parametrize("sigma", [0.5 / 255, 2 / 255, 10 / 255])
def test_noise_of_a_slope_is_found(sigma):
    slope = torch.linspace(0.2, 0.8, 150, dtype=torch.float64).expand(2, 3, 121, 150)
    found = fourier.estimate_noise(slope + sigma * randn(2, 3, 121, 150))
    assert found.shape == (2, 3)
    torch.testing.assert_close(found, torch.full_like(found, sigma), rtol=0.05, atol=0)


def test_noise_of_a_blurred_photograph_is_found_after_rounding(scene):
    assert fourier.estimate_noise(scene[1]).item() == pytest.approx(2 / 255, rel=0.1)


@pytest.mark.parametrize("exponent", [1.6, 2.4])
def test_power_law_is_found_behind_blur_and_noise(exponent):
    size = (180, 150)
    shape = boundary.radial_frequency(size)
    shape[0, 0] = 1
    sharp = torch.fft.irfft2(torch.fft.rfft2(randn(1, 2, *size)) * (4e-4 * shape**-exponent).sqrt(), s=size)
    y = Blur(GAUSS, "periodic")(sharp) + 1e-3 * randn(1, 2, *size, seed=1)
    law = fourier.power_law(y, GAUSS, 1e-3)
    assert law.amplitude.shape == law.exponent.shape == (1, 2, 1, 1)
    torch.testing.assert_close(law.exponent, torch.full_like(law.exponent, exponent), atol=0.2, rtol=0)
    at_tenth = law(torch.tensor([[0.1]]).double())
    torch.testing.assert_close(at_tenth, torch.full_like(at_tenth, 4e-4 * 0.1**-exponent), atol=0, rtol=0.2)


def test_the_right_spectrum_beats_others():
    size = (96, 80)
    shape = boundary.radial_frequency(size)
    shape[0, 0] = 1
    true = 4e-4 * shape**-2
    sharp = torch.fft.irfft2(torch.fft.rfft2(randn(1, 1, *size)) * true.sqrt(), s=size)
    y = Blur(GAUSS, "periodic")(sharp) + 0.01 * randn(1, 1, *size, seed=1)

    def error(**how):
        return (fourier.wiener(y, GAUSS, boundary="periodic", **how) - sharp).square().mean().item()

    best = error(noise=0.01, signal=true)
    assert best < error(noise=0.02, signal=true) and best < error(noise=0.005, signal=true)
    assert best < error(noise=0.01, signal=0.01) and best < error(noise=0.01, signal=1.0)
    assert error() < 1.05 * best  # both estimated
    assert error(noise=0.01, signal=lambda f: 4e-4 / f**2) == pytest.approx(best, rel=1e-2)


# borders


def test_symmetric_extension_is_smooth_and_crops_back():
    image = rand(2, 1, 30, 26)
    long = boundary.symmetric_extend(image, (20, 26))
    assert long.shape == (2, 1, 50, 52)
    assert torch.equal(long[..., :30, :26], image)
    assert torch.equal(long[..., :30, 26:30], image[..., 22:].flip(-1))  # near the end the mirror itself
    assert torch.equal(long[..., -3:, :26], image[..., :3, :].flip(-2))  # and before the beginning
    assert torch.equal(boundary.symmetric_extend(image, (0, 0)), image)


def test_edge_taper_is_the_rule_of_matlab():
    image, kernel = rand(1, 1, 31, 24), anisotropic_gaussian(1.5, 0.9, 30, 9)
    shares = []
    for dim, n in ((1, 31), (0, 24)):
        power = torch.fft.fft(kernel.sum(dim), n - 1).abs().square()
        correlation = torch.fft.ifft(power).real
        beta = torch.cat([correlation, correlation[:1]]) / correlation.max()
        shares.append(1 - beta)
    share = shares[0][:, None] * shares[1]
    expected = share * image + (1 - share) * Blur(kernel, "periodic")(image)
    tapered = boundary.edge_taper(image, kernel)
    torch.testing.assert_close(tapered, expected)
    torch.testing.assert_close(tapered[..., 9:-9, 9:-9], image[..., 9:-9, 9:-9])


@pytest.mark.parametrize("name, least", [("tikhonov", 1.0), ("wiener", 1.0), ("richardson_lucy", 0.3)])
def test_symmetric_and_taper_beat_wrapping_around(scene, name, least):
    sharp, y = scene
    scores = [
        psnr(METHODS[name](y, GAUSS, boundary=b).clamp(0, 1), sharp).item() for b in ("symmetric", "taper", "periodic")
    ]
    assert scores[0] > scores[1] > scores[2] + least / 2 and scores[0] > scores[2] + least


def test_dividing_fails_where_the_others_gain(scene):
    sharp, y = scene

    def score(restored):
        return psnr(restored.clamp(0, 1), sharp).item()

    before = score(y)
    assert score(fourier.naive_inverse(y, GAUSS)) < 10
    assert score(fourier.tikhonov(y, GAUSS, 5e-3)) > before + 1.7
    assert score(fourier.wiener(y, GAUSS)) > before + 1.7
    assert score(iterative.richardson_lucy(y, GAUSS)) > before + 1.7
    assert score(iterative.tv_deconvolution(y, GAUSS, 5e-4)) > before + 2.2


# bad input

IMAGE = torch.rand(1, 1, 12, 14)


@pytest.mark.parametrize(
    "image, kernel, words",
    [
        (IMAGE, torch.ones(13, 3), "13×3 is larger than the picture 12×14"),
        (IMAGE, torch.ones(3), r"\(kh, kw\)"),
        (IMAGE, torch.zeros(3, 3), "sums to zero"),
        (IMAGE, torch.ones(3, 3), r"sums to 9, a blur to one; divide it by its sum: kernel / kernel.sum\(\)"),
        (IMAGE, torch.ones(3, 5, dtype=torch.int64), "sums to 15, a blur to one"),
        (IMAGE, 0.99 * SKEW, "sums to 0.99, a blur to one"),
        (IMAGE, torch.zeros(3, 3) / 0, "kernel has NaN"),
        (IMAGE.masked_fill(IMAGE < 0.5, float("nan")), torch.ones(3, 3), "picture has NaN"),
        (IMAGE / 0, torch.ones(3, 3), "picture has NaN or infinite"),
        (IMAGE[0, 0, 0], torch.ones(3, 3), r"\(\.\.\., H, W\)"),
    ],
)
def test_errors_of_all_methods(image, kernel, words):
    def refused(name, method):
        with pytest.raises(ValueError, match=words):
            method(image, kernel)

    every(refused, METHODS.items())


@each_method
def test_integer_pictures_and_unknown_boundaries(method):
    with pytest.raises(TypeError, match="srlib.images"):
        method((IMAGE * 255).byte(), SKEW)
    with pytest.raises(ValueError, match="boundary must be symmetric, taper"):
        method(IMAGE, SKEW, boundary="reflect")


@each_method
def test_a_kernel_of_integers_is_a_kernel(method):
    delta = torch.tensor([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    torch.testing.assert_close(method(IMAGE, delta), method(IMAGE, delta.double()))


@each_method
def test_a_kernel_rounded_to_single_precision_is_taken(method):
    assert method(IMAGE.float(), 1.001 * SKEW.float()).isfinite().all()


BAD_CALLS = [
    (lambda: boundary.transfer(torch.ones(5, 5), (4, 9)), "larger than the picture 4×9"),
    (lambda: fourier.naive_inverse(IMAGE, torch.tensor([[-1.0, 1.0]])), "sums to zero"),
    (lambda: fourier.tikhonov(IMAGE, SKEW, -0.1), "weight must be zero or positive"),
    (lambda: fourier.tikhonov(IMAGE, SKEW, float("nan")), "weight must be zero or positive"),
    (lambda: fourier.tikhonov(IMAGE, SKEW, 0.1, "gradient"), "laplacian or identity"),
    (lambda: fourier.wiener(IMAGE, SKEW, noise=-0.1), "noise must be zero or positive"),
    (lambda: fourier.wiener(IMAGE, SKEW, noise=0.1, signal=0.0), "signal must be positive"),
    (lambda: fourier.wiener(IMAGE, SKEW, noise=0.1, signal=torch.ones(12, 8)), "function of the frequency"),
    (lambda: fourier.estimate_noise(IMAGE[..., :2]), "3 × 3 pixels"),
    (lambda: fourier.estimate_noise(IMAGE / 0), "picture has NaN"),
    (lambda: fourier.power_law(IMAGE, torch.ones(15, 15), 0.1), "larger than the picture"),
    (lambda: boundary.edge_taper(IMAGE, torch.ones(3, 15)), "larger than the picture"),
    (lambda: boundary.symmetric_extend(IMAGE, (0, 15)), "0 to 14"),
    (lambda: iterative.richardson_lucy(IMAGE, SKEW, 0), "steps must be at least 1"),
    (lambda: iterative.richardson_lucy(IMAGE, SKEW, damping=-1), "damping must be zero or positive"),
    (lambda: iterative.richardson_lucy(IMAGE, SKEW, start=-1.0), "without negative values"),
    (lambda: iterative.richardson_lucy(IMAGE, SKEW, start=IMAGE[0]), r"of the shape \(1, 1, 12, 14\)"),
    (lambda: iterative.richardson_lucy(IMAGE, SKEW, boundary="wrap"), "periodic or zero"),
    (lambda: iterative.richardson_lucy(IMAGE, torch.tensor([[-1.0, 3.0, -1.0]])), "without negative taps"),
    (lambda: iterative.tv_deconvolution(IMAGE, SKEW, 0.0), "weight must be positive"),
    (lambda: iterative.tv_deconvolution(IMAGE, SKEW, 1e-3, coupling=0), "coupling must be positive"),
    (lambda: iterative.tv_deconvolution(IMAGE, SKEW, 1e-3, 0), "steps must be at least 1"),
]


def test_errors():
    def refused(call, words):
        with pytest.raises(ValueError, match=words):
            call()

    every(refused, BAD_CALLS)
