"""Training patches: a pure function of (seed, index), aligned, equally likely, and cut as slicing would."""

import numpy as np
import pytest
import torch

from srlib import images
from srlib.data.sources import DegradedPairs, Pairs, Pyramids, Together, UnpairedPatches
from srlib.data.streams import AlignedStream, DegradedStream, PatchStream, RoundRobin, Unpaired, patches
from srlib.degradations import Blur, gaussian_kernel
from srlib.random_degradations.blur_noise import RandomBlurNoise, gaussian_blur
from srlib.resample import resize
from srlib.warp import DIHEDRAL, dihedral, inverse_dihedral


def numbered(height, width, channels=3, seed=0):
    """A picture of random bytes: a patch of a few pixels is found in it at one place only."""
    rng = np.random.default_rng(seed)
    return images.from_uint8(rng.integers(0, 256, (height, width, channels), dtype=np.uint8))


def locate(patch, picture):
    """Every (row, column, symmetry) at which a patch lies in a picture."""
    size = patch.shape[-1]
    windows = picture[0].unfold(1, size, 1).unfold(2, size, 1)  # (C, rows, columns, size, size)
    found = []
    for k in DIHEDRAL:
        same = (windows == inverse_dihedral(patch, k)[:, None, None]).all(4).all(3).all(0)
        found += [(row, column, k) for row, column in same.nonzero().tolist()]
    return found


@pytest.mark.parametrize(("scale", "channels"), [(1, 3), (2, 3), (3, 1), (4, 3)])
def test_patches_are_slices_of_the_pictures_turned_alike(scale, channels):
    pictures = [numbered(37, 26, seed=1), numbered(23, 31, seed=2)]
    stream = PatchStream(pictures, scale=scale, lr_size=3, channels=channels, seed=5)
    for index in range(25):
        lr, hr = stream[index]
        places = []
        for picture in pictures:
            height, width = (n // scale * scale for n in picture.shape[-2:])
            full = (images.to_y(picture) if channels == 1 else picture)[..., :height, :width]
            small = resize(full, 1 / scale)
            full, small = ((image.clamp(0, 1) * 255).round() / 255 for image in (full, small))
            places += [(place, small) for place in locate(hr, full)]
        assert len(places) == 1
        (row, column, k), small = places[0]
        assert row % scale == 0 and column % scale == 0
        expected = small[0, :, row // scale : row // scale + 3, column // scale : column // scale + 3]
        torch.testing.assert_close(lr, dihedral(expected, k), atol=1e-6, rtol=0)


def test_a_sample_depends_on_seed_and_index_alone():
    pictures = [numbered(40, 50), numbered(33, 35, seed=3)]
    stream = PatchStream(pictures, scale=2, lr_size=5, seed=7)
    lr, hr = stream.batch(range(10, 16))
    for place, index in enumerate(range(10, 16)):
        again = PatchStream(pictures, scale=2, lr_size=5, seed=7)[index]
        assert torch.equal(lr[place], again[0]) and torch.equal(hr[place], again[1])
    reversed_lr, _ = stream.batch(range(15, 9, -1))
    assert torch.equal(reversed_lr.flip(0), lr)
    assert not torch.equal(PatchStream(pictures, scale=2, lr_size=5, seed=8)[10][1], hr[0])


def test_every_place_and_symmetry_is_equally_likely():
    picture = torch.arange(5 * 4).view(1, 1, 5, 4) / 255
    stream = PatchStream([picture, picture[..., :3, :3] + 100 / 255], scale=1, lr_size=3, channels=1)
    _, hr = stream.batch(range(6000))
    values = (hr * 255).round().long().flatten(1)
    corner = values.min(1).values  # names the place, whatever the symmetry
    counts = {int(value): int((corner == value).sum()) for value in corner.unique()}
    assert sorted(counts) == [0, 1, 4, 5, 8, 9, 100]  # 3 x 2 places in the first picture, one in the second
    assert all(abs(count - 6000 / 7) < 5 * (6000 / 7) ** 0.5 for count in counts.values())
    first = values[:, 0] - corner  # which corner came to the upper left
    second = values[:, 1] - corner
    symmetries = torch.stack([first, second], 1).unique(dim=0, return_counts=True)[1]
    assert len(symmetries) >= 8


def test_grey_and_colour_pictures_mix():
    grey = numbered(20, 20, 1)
    lr, hr = PatchStream([grey, numbered(20, 20)], scale=2, lr_size=4).batch(range(40))
    same = (hr[:, :1] == hr).flatten(1).all(1)
    assert 5 < int(same.sum()) < 35
    _, luma = PatchStream([grey], scale=2, lr_size=10, channels=1)[0]
    assert sorted(luma.flatten().tolist()) == sorted(grey.flatten().tolist())  # its own luma, as in the tests


def test_patches_are_channels_last_and_in_range():
    lr, hr = PatchStream([numbered(40, 40)], scale=4, lr_size=4).batch(range(3))
    assert lr.shape == (3, 3, 4, 4) and hr.shape == (3, 3, 16, 16) and lr.dtype == torch.float32
    assert hr.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= min(lr.min(), hr.min()) and max(lr.max(), hr.max()) <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_are_pictures_too(channels):
    picture = numbered(41, 53)
    a, b = (PatchStream([p], scale=3, lr_size=4, channels=channels) for p in (picture, images.to_uint8(picture)))
    for x, y in zip(a.batch(range(20)), b.batch(range(20)), strict=True):
        assert torch.equal(x, y)


def test_memory_is_four_bytes_a_pixel():
    assert PatchStream([numbered(40, 80)], scale=4, lr_size=4).nbytes == 4 * (40 * 80 + 10 * 20)
    assert PatchStream([numbered(40, 80)], scale=4, lr_size=4, channels=1).nbytes == 40 * 80 + 10 * 20


def test_streams_take_turns_batch_by_batch():
    streams = [PatchStream([numbered(40, 40)], scale=scale, lr_size=4) for scale in (2, 3, 4)]
    turns = RoundRobin(streams, batch=8)
    sides = [turns.batch(range(8 * k, 8 * k + 8))[1].shape[-1] for k in range(4)]
    assert sides == [8, 12, 16, 8]
    assert torch.equal(turns.batch(range(9, 16, 2))[1], streams[1].batch(range(9, 16, 2))[1])  # one process of two


@pytest.mark.parametrize(
    ("pictures", "options", "message"),
    [
        ([], {}, "no pictures"),
        ([torch.zeros(1, 3, 15, 40)], {}, "40 x 15 pixels has no patch of 16 x 16"),
        ([torch.zeros(3, 40, 40)], {}, r"\(1, 1 or 3, H, W\), got torch.float32 \(3, 40, 40\)"),
        ([torch.zeros(1, 3, 40, 40, dtype=torch.int16)], {}, "float or uint8 image"),
        ([torch.zeros(1, 3, 40, 40)], {"channels": 2}, "channels must be 1"),
        ([torch.zeros(1, 3, 40, 40)], {"lr_size": 0}, "at least 1"),
    ],
)
def test_errors(pictures, options, message):
    with pytest.raises(ValueError, match=message):
        PatchStream(pictures, **{"scale": 4, "lr_size": 4, **options})
    with pytest.raises(ValueError, match="no streams"):
        RoundRobin([], batch=1)


def test_every_layer_of_a_clip_is_cut_at_the_same_place_and_turned_alike():
    """Three frames at one scale and a picture at twice theirs; each pixel says where it is."""
    height, width = 13, 17
    place = torch.arange(height * width).view(1, 1, height, width) / 255
    frames = [place + k / 255 for k in range(3)]
    target = place.repeat_interleave(2, -1).repeat_interleave(2, -2)
    stream = AlignedStream([[*frames, target]], size=4, scales=(1, 1, 1, 2), seed=3)
    layers = stream.batch(range(50))
    assert [layer.shape for layer in layers] == [(50, 1, 4, 4)] * 3 + [(50, 1, 8, 8)]
    bytes_of = [(layer * 255).round() for layer in layers]
    for k in (1, 2):
        assert torch.equal(bytes_of[k], bytes_of[0] + k)
    assert torch.equal(bytes_of[3][..., ::2, ::2], bytes_of[3][..., 1::2, 1::2])
    assert torch.equal(bytes_of[3][..., ::2, ::2], bytes_of[0])
    assert stream.nbytes == 3 * height * width + 4 * height * width
    assert len({int(patch[0, 0, 0]) for patch in bytes_of[0]}) > 20


@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_are_the_same_layer_as_their_floats(channels):
    """They were clamped to [0, 1] once, which left black and white."""
    grey = torch.randint(256, (1, channels, 9, 11), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    of_bytes, of_floats = (AlignedStream([[x]], size=5, seed=4).batch(range(8))[0] for x in (grey, grey / 255))
    assert torch.equal(of_bytes, of_floats) and of_bytes.unique().numel() > 20
    with pytest.raises(TypeError, match="int32"):
        AlignedStream([[grey.int()]], size=5)


def test_patches_keep_their_direction_on_request():
    ramp = torch.linspace(0, 1, 40).expand(1, 1, 30, 40)
    turned = AlignedStream([[ramp]], size=8, seed=1).batch(range(40))[0]
    kept = AlignedStream([[ramp]], size=8, seed=1, symmetries=False).batch(range(40))[0]
    assert (kept.diff(dim=-1) > 0).all() and (kept.diff(dim=-2) == 0).all()
    assert not (turned.diff(dim=-1) > 0).all()


def test_a_pyramid_has_every_level_and_each_is_the_bicubic_of_hr():
    picture = numbered(50, 43)
    stream = Pyramids(scale=4, lr_size=5)({"hr": [picture]}, seed=2, batch=3)
    levels = stream.batch(range(6))
    assert [level.shape[-1] for level in levels] == [5, 10, 20]
    lr, hr = PatchStream([picture], scale=4, lr_size=5, seed=2).batch(range(6))
    assert torch.equal(levels[0], lr) and torch.equal(levels[2], hr)
    half = PatchStream([picture[..., :48, :40]], scale=2, lr_size=10, seed=2)
    whole = (resize(picture[..., :48, :40], 1 / 2).clamp(0, 1) * 255).round() / 255
    assert half.sizes.tolist() == [[24, 20]]
    place = locate(levels[1][0], whole)
    assert len(place) == 1


DEGRADE = RandomBlurNoise(scale=2, sigma=(0.5, 2.0), noise=(0.0, 0.1))


def test_a_degraded_sample_depends_on_seed_and_index_alone():
    pictures = [numbered(60, 50), numbered(48, 55, seed=3)]
    stream = DegradedStream(pictures, size=24, degrade=DEGRADE, seed=7)
    lr, hr = stream.batch(range(10, 18))
    assert lr.shape == (8, 3, 12, 12) and hr.shape == (8, 3, 24, 24)
    for place, index in enumerate(range(10, 18)):
        again = DegradedStream(pictures, size=24, degrade=DEGRADE, seed=7)[index]
        assert torch.equal(hr[place], again[1])
        torch.testing.assert_close(lr[place], again[0], atol=1.01 / 255, rtol=0)  # a rounding may tip
        assert (lr[place] == again[0]).float().mean() > 0.99
    assert not torch.equal(stream[10][0], stream[11][0])
    other = DegradedStream(pictures, size=24, degrade=DEGRADE, seed=8)[10]
    assert not torch.equal(other[0], lr[0])


def test_degradations_have_the_strengths_that_were_asked_for():
    flat = torch.full((400, 1, 16, 16), 0.5)
    stream = patches([numbered(40, 40)], size=16)
    assert len(stream.batch(range(3))) == 1
    rngs = [torch.Generator().manual_seed(i) for i in range(400)]
    noise = RandomBlurNoise(scale=1, noise=(0.02, 0.06), eight_bits=False)(flat, rngs).std((1, 2, 3))
    assert 0.017 < noise.min() and noise.max() < 0.07
    assert abs(float(noise.mean()) - 0.04) < 0.003 and float(noise.std()) > 0.008
    eight = RandomBlurNoise(scale=1)(flat[:2], rngs[:2]) * 255
    torch.testing.assert_close(eight, eight.round(), atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="2 samples need as many generators, got 3"):
        DEGRADE(flat[:2], rngs[:3])


def test_each_image_is_blurred_as_the_operator_would():
    images_ = torch.stack([numbered(31, 40)[0], numbered(31, 40, seed=4)[0]]).double()
    sigma = torch.tensor([0.7, 2.3])
    found = gaussian_blur(images_, sigma)
    for k in range(2):
        expected = Blur(gaussian_kernel(float(sigma[k]), 2 * 7 + 1))(images_[k : k + 1])
        torch.testing.assert_close(found[k : k + 1], expected, atol=2e-4, rtol=0)
    with pytest.raises(ValueError, match="too wide for images of 6 x 9"):
        gaussian_blur(torch.zeros(1, 1, 9, 6), torch.tensor([3.0]))


def test_unpaired_samples_have_nothing_to_do_with_each_other():
    stream = UnpairedPatches({"lr": 6, "hr": 12})({"lr": [numbered(40, 40)], "hr": [numbered(60, 50)]}, seed=4, batch=2)
    lr, hr = stream.batch(range(5, 9))
    assert lr.shape == (4, 3, 6, 6) and hr.shape == (4, 3, 12, 12)
    assert torch.equal(stream.batch([7])[1][0], hr[2])
    alone = patches([numbered(40, 40)], size=6, seed=4).batch(range(5, 9))[0]
    assert torch.equal(alone, lr)
    same = [patches([numbered(40, 40)], size=6, seed=seed) for seed in (1, 1)]
    with pytest.raises(ValueError, match=r"need seeds of their own, got \[1, 1\]"):
        Unpaired(*same)


def test_sources_side_by_side():
    """Each as it is alone, with a seed of its own; a role that two of them cut has pictures for the larger patch."""
    both = Together((Pyramids(2, 5), UnpairedPatches({"lr": 6, "hr": 12})))
    assert both.sides == {"hr": 12, "lr": 6}
    pictures = {"lr": [numbered(40, 40)], "hr": [numbered(60, 50)]}
    stream = both(pictures, seed=3, batch=2)
    lr, hr, *others = stream.batch(range(4, 6))
    for found, source, seed in (((lr, hr), both.sources[0], 3), (others, both.sources[1], 1003)):
        expected = source(pictures, seed=seed, batch=2).batch(range(4, 6))
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert stream.seeds == [3, 1003, 1004]


def test_sources_say_how_large_pictures_must_be():
    assert Pairs((2, 4), 24).sides == {"hr": 96} and Pyramids(8, 6).sides == {"hr": 48}
    assert DegradedPairs(50, DEGRADE).sides == {"hr": 50} and UnpairedPatches({"lr": 8, "hr": 9}).sides == {
        "lr": 8,
        "hr": 9,
    }
    pictures = {"hr": [numbered(64, 70)]}
    assert isinstance(Pairs((2, 3), 4)(pictures, seed=0, batch=2), RoundRobin)
    degraded = DegradedPairs(20, DEGRADE, symmetries=False)(pictures, seed=0, batch=2)
    assert degraded.batch(range(2))[0].shape == (2, 3, 10, 10) and not degraded.hr.symmetries


def test_layers_that_do_not_fit_are_refused():
    a, b = torch.zeros(1, 1, 8, 9), torch.zeros(1, 1, 16, 17)
    with pytest.raises(ValueError, match=r"layers must be images \(1, C, H, W\) at scales \(1, 2\), got shapes"):
        AlignedStream([(a, b)], size=4, scales=(1, 2))
    with pytest.raises(ValueError, match="scales begin with 1, got 4 and"):
        AlignedStream([(a,)], size=4, scales=(2,))
    with pytest.raises(ValueError, match="a picture of 9 x 8 pixels has no patch of 10 x 10"):
        AlignedStream([(a,)], size=10)
