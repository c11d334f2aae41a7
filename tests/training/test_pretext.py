"""pretext: labels are true, a sample depends on its number alone, every damage grows with its strength."""

import pytest
import torch

from srlib import images
from srlib.training.pretext import (
    DEGRADATIONS,
    DOWNSCALES,
    TYPES,
    PretextStream,
    blurred,
    compressed,
    enlarged,
    noisy,
    sharpened,
)


def ramp(height=64, width=70):
    """Red grows to the right, green downwards, blue is grey: how a patch lies can be read off it."""
    red, green = torch.linspace(0.1, 0.6, width), torch.linspace(0.1, 0.6, height)
    planes = [red.expand(height, width), green[:, None].expand(height, width), torch.full((height, width), 0.5)]
    return torch.stack(planes)[None]


def texture(*size):
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def stream():
    return PretextStream([ramp(), texture(50, 49)], size=16, seed=3)


def test_a_sample_depends_on_seed_and_number_alone(stream):
    patch, labels = stream[7]
    assert patch.shape == (3, 16, 16) and labels.shape == (4,)
    for again in (stream[7], PretextStream([ramp(), texture(50, 49)], size=16, seed=3)[7]):
        assert torch.equal(patch, again[0]) and torch.equal(labels, again[1])
    patches, all_labels = stream.batch(range(6, 9))
    assert torch.equal(patches[1], patch) and torch.equal(all_labels[1], labels)
    assert patches.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(patch, stream[8][0])
    assert not torch.equal(patch, PretextStream([ramp(), texture(50, 49)], size=16, seed=4)[7][0])


def test_every_answer_comes_and_patches_are_bytes(stream):
    patches, labels = stream.batch(range(300))
    for column, count in ((0, 4), (1, len(DOWNSCALES)), (2, len(TYPES))):
        assert set(labels[:, column].tolist()) == set(range(count))
    assert ((labels[:, 3] == 0) == (labels[:, 2] == 0)).all() and labels[:, 3].max() < 1
    torch.testing.assert_close(patches * 255, (patches * 255).round(), atol=1e-4, rtol=0)
    assert patches.min() >= 0 and patches.max() <= 1


def test_turn_and_shrink_are_what_the_labels_say():
    stream = PretextStream([ramp()], size=16)
    patches, labels = stream.batch(range(200))
    for patch, (turn, shrink, kind, _) in zip(patches, labels, strict=True):
        if kind:
            continue
        upright = torch.rot90(patch, -int(turn), (-2, -1))
        down, right = upright[1].diff(dim=0).mean() * 63 / 0.5, upright[0].diff(dim=1).mean().abs() * 69 / 0.5
        assert down.item() == pytest.approx(DOWNSCALES[int(shrink)], rel=0.1)  # down is down, mirrored or not
        assert right.item() == pytest.approx(DOWNSCALES[int(shrink)], rel=0.1)


@pytest.mark.parametrize("damage", DEGRADATIONS)
def test_damage_grows_with_its_strength_and_keeps_the_mean(damage):
    image = images.from_uint8(images.to_uint8(0.25 + 0.5 * texture(24, 21)))
    image = blurred(image, 0.5, None)
    errors = []
    for strength in (0.0, 0.5, 1.0):
        found = damage(image, strength, torch.Generator().manual_seed(1))
        assert found.shape == image.shape
        assert abs(float((found - image).mean())) < 0.01
        errors.append(float((found - image).square().mean()))
    assert 0 < errors[0] < errors[1] < errors[2]


def test_what_each_damage_does():
    rng, image = torch.Generator().manual_seed(1), texture(32, 33)
    assert blurred(image, 1.0, rng).var() < 0.1 * image.var()
    assert enlarged(image, 1.0, rng).var() < 0.3 * image.var()
    assert sharpened(image, 0.0, rng).var() > 1.5 * image.var()
    assert (noisy(image, 1.0, rng) - image).std().item() == pytest.approx(40 / 255, rel=0.05)
    assert torch.equal(compressed(image, 0.3, rng), compressed(image, 0.3, rng))
    assert TYPES == ("none", "blurred", "noisy", "compressed", "enlarged", "sharpened")


def test_grey_and_bytes_will_do_and_small_pictures_are_left_out():
    grey = images.to_uint8(texture(60, 52)[:, :1])
    stream = PretextStream([grey, texture(20, 30)], size=16)
    assert [len(level) for level in stream.pictures] == [2, 1, 1, 1]
    patch, labels = next(sample for sample in map(stream.__getitem__, range(99)) if sample[1][1:3].tolist() == [3, 0])
    assert torch.equal(patch[0], patch[1])


def test_pictures_too_small_for_a_shrink_are_an_error():
    with pytest.raises(ValueError, match="at least 48 x 48"):
        PretextStream([texture(45, 90)], size=16)
