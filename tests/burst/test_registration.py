"""Registration against skimage, against known motions, and on pictures that cannot be registered."""

import pytest
import torch
from skimage.registration import phase_cross_correlation

from srlib.burst.forward_model import burst
from srlib.burst.registration import confidence, lucas_kanade, phase_correlation, register
from srlib.data.datasets import EVAL_PHOTOS, TRAIN_PHOTOS, photo
from srlib.warp import rigid


def scene(name="astronaut"):
    return photo(name).double().mean(1, keepdim=True)[..., 20:219, 100:331]


def fourier_shift(image, down, right):
    """A periodic picture, moved exactly."""
    rows, columns = (torch.fft.fftfreq(n, dtype=torch.float64) for n in image.shape[-2:])
    phase = -2 * torch.pi * (down * rows[:, None] + right * columns)
    spectrum = torch.fft.fft2(image) * torch.polar(torch.ones_like(phase), phase)
    return torch.fft.ifft2(spectrum).real


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.27, -5.81), (-0.5, 12.34), (60.0, -40.25)])
def test_phase_correlation_equals_skimages(shift):
    image = scene()
    moved = fourier_shift(image, *shift)
    found = phase_correlation(image, moved, window=False)
    theirs = phase_cross_correlation(image[0, 0].numpy(), moved[0, 0].numpy(), upsample_factor=100)[0]
    torch.testing.assert_close(found, -torch.from_numpy(theirs), atol=0.01, rtol=0)
    torch.testing.assert_close(found, torch.tensor(shift, dtype=torch.float64), atol=0.01, rtol=0)


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.4, -0.3), (-3.3, 2.6), (11.7, 6.2)])
def test_lucas_kanade_finds_a_shift(name, shift):
    image = scene(name)
    found = lucas_kanade(image, fourier_shift(image, *shift))
    torch.testing.assert_close(found, torch.tensor(shift, dtype=torch.float64), atol=0.01, rtol=0)


@pytest.mark.parametrize("motion", [(0.7, -0.4, 0.8), (-2.2, 1.5, -1.5)])
def test_lucas_kanade_finds_a_turn_as_well(motion):
    image = scene()
    start = torch.tensor([round(motion[0]), round(motion[1]), 0.0])
    found = lucas_kanade(image, rigid(image, *motion), start=start, turn=True)
    torch.testing.assert_close(found, torch.tensor(motion, dtype=torch.float64), atol=0.02, rtol=0)


def test_a_colour_picture_is_one_picture():
    image = photo("coffee")[..., 50:150, 80:200]
    found = lucas_kanade(image, rigid(image, 1.3, 0.6))
    torch.testing.assert_close(found, torch.tensor([1.3, 0.6], dtype=torch.float64), atol=0.02, rtol=0)


def test_a_noisy_aliased_burst():
    hr = photo("astronaut").double().mean(1, keepdim=True)
    frames, shifts = burst(hr, torch.Generator().manual_seed(3), frames=8)
    found = register(frames)
    assert found.shape == (8, 2) and not found[0].any()
    assert (found - shifts)[1:].square().mean().sqrt() < 0.05


@pytest.mark.parametrize("method", [phase_correlation, lucas_kanade])
def test_errors(method):
    image = scene()
    with pytest.raises(ValueError, match=r"the same size, got \(199, 231\) and \(100, 231\)"):
        method(image, image[..., :100, :])
    with pytest.raises(ValueError, match="without contrast"):
        method(image, torch.full_like(image, 0.5))
    with pytest.raises(ValueError, match="NaN or infinite"):
        method(image, image / 0)


def test_what_hardly_overlaps_is_refused_and_named():
    image = scene()[..., :40, :40]
    with pytest.raises(ValueError, match="40 x 40 pixels overlap too little"):
        lucas_kanade(image, image, start=torch.tensor([18.0, 0.0]))
    with pytest.raises(ValueError, match="frame 2: a picture without contrast"):
        register(torch.stack([image[0], image[0], torch.zeros_like(image[0])]))


def stripes(angle, period=9.0, height=61, width=75, edge=False, noise=0.0):
    """Across `angle`, in steps of 8 bits: waves, or one edge."""
    rows, columns = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    turned = torch.deg2rad(torch.tensor(float(angle)))
    across = (rows - height / 2) * turned.cos() + (columns - width / 2) * turned.sin()
    plane = 0.5 + 0.3 * (torch.erf(across / 2) if edge else torch.sin(2 * torch.pi * across / period))
    grain = torch.randn(plane.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return ((plane + noise * grain).clamp(0, 1) * 255).round()[None, None] / 255


@pytest.mark.parametrize("angle", [0, 90, 35, 110])
@pytest.mark.parametrize("how", [{}, {"edge": True}, {"noise": 2 / 255}, {"period": 5.0}])
def test_along_stripes_nothing_can_be_seen(angle, how):
    image = stripes(angle, **how)
    for method in (lucas_kanade, lambda a, b: register(torch.cat([a, b]))):
        with pytest.raises(ValueError, match="detail across one direction only, such as stripes"):
            method(image, image)


def test_stripes_in_two_directions_are_enough():
    image = (stripes(20) + stripes(75, period=13)) / 2
    found = lucas_kanade(image, fourier_shift(image, 0.0, 0.0))
    torch.testing.assert_close(found, torch.zeros(2, dtype=torch.float64), atol=1e-3, rtol=0)


def test_rings_can_be_shifted_but_their_turn_cannot_be_seen():
    rows, columns = torch.meshgrid(torch.arange(70.0) - 34.5, torch.arange(64.0) - 31.5, indexing="ij")
    rings = (0.5 + 0.4 * torch.cos(torch.hypot(rows, columns) / 2)).double()
    moved = rigid(rings[None, None], 0.6, -0.3)
    zero = torch.zeros(2, dtype=torch.float64)
    found = lucas_kanade(rings, moved, start=zero)
    torch.testing.assert_close(found, torch.tensor([0.6, -0.3], dtype=torch.float64), atol=0.02, rtol=0)
    with pytest.raises(ValueError, match="a turn of this picture looks like a shift"):
        lucas_kanade(rings, moved, start=zero, turn=True)


def test_confidence_is_the_agreement_of_edges():
    image, zero = scene(), torch.zeros(2, dtype=torch.float64)
    assert confidence(image, image, zero) == pytest.approx(1)
    assert confidence(image, 0.3 + 0.2 * image, zero) == pytest.approx(1)
    assert confidence(image, 1 - image, zero) == pytest.approx(-1)
    moved = rigid(image, 3.4, -2.7)
    shift = torch.tensor([3.4, -2.7], dtype=torch.float64)
    assert confidence(image, moved, shift) > 0.97 > 0.5 > confidence(image, moved, zero)
    grain = torch.randn(image.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noisy = [confidence(image, image + noise / 255 * grain, zero) for noise in (2, 10, 40)]
    assert 1 > noisy[0] > noisy[1] > noisy[2] > 0
    with pytest.raises(ValueError, match="overlap too little"):
        confidence(image, image, torch.tensor([98.0, 0.0]))
    with pytest.raises(ValueError, match="the same size"):
        confidence(image, image[..., 1:], zero)


def middle(name, side):
    """The middle of a photograph, grey."""
    image = photo(name).double().mean(1, keepdim=True)
    top, left = ((n - side) // 2 for n in image.shape[-2:])
    return image[..., top : top + side, left : left + side]


@pytest.mark.parametrize(("side", "noise"), [(128, 5), (160, 2)])
def test_a_frame_of_another_scene_is_refused_and_named(side, noise):
    """Every photograph is taken for itself, and for no other."""
    names = [name for name in (*EVAL_PHOTOS, *TRAIN_PHOTOS) if min(photo(name).shape[-2:]) >= side]
    names.remove("motorcycle_right")  # the scene of motorcycle_left
    rng = torch.Generator().manual_seed(1)
    bursts = [burst(middle(name, side), rng, frames=2, noise=noise / 255) for name in names]
    for frames, shifts in bursts:
        assert (register(frames) - shifts).abs().max() < 0.35
    for (frames, _), (others, _) in zip(bursts, bursts[1:] + bursts[:1], strict=True):
        with pytest.raises(ValueError, match="frame 2: "):
            register(torch.cat([frames, others[:1]]))


def test_a_frame_of_another_scene_can_be_taken_all_the_same():
    frames = torch.cat([middle("astronaut", 90), middle("coffee", 90)])
    with pytest.raises(ValueError, match="frame 1: does not show the scene of frame 0.* or pass least=None"):
        register(frames)
    assert register(frames, least=None).shape == (2, 2)
