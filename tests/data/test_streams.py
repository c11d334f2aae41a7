"""Training patches: a pure function of (seed, index), aligned, equally likely, and cut as slicing would."""

import numpy as np
import pytest
import torch

from srlib import images
from srlib.data.streams import PatchStream, RoundRobin
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
