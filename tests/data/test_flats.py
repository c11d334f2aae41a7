"""Flat colours and grey pictures in a stream: how many, which, and always the same ones."""

import pytest
import torch

from srlib.data.flats import FlatStream, WithFlats
from srlib.data.sources import Pairs

PICTURES = {"hr": [torch.rand(1, 3, 40, 36, generator=torch.Generator().manual_seed(0))]}
SOURCE = Pairs((2,), 5)


def batch(count, flat, grey, seed=0, channels=3):
    source = WithFlats(Pairs((2,), 5, channels), flat, grey)
    return source(PICTURES, seed=seed, batch=count).batch(range(count))


def is_flat(layer):
    return (layer.amax((-2, -1)) == layer.amin((-2, -1))).all(1)


def is_grey(layer):
    return (layer.amax(1) - layer.amin(1) < 1e-6).flatten(1).all(1)


def test_the_shares_are_those_asked_for_and_both_layers_agree():
    lr, hr = batch(2000, 0.3, 0.2)
    flat, grey = is_flat(lr), is_grey(lr)
    assert torch.equal(flat, is_flat(hr)) and torch.equal(grey, is_grey(hr))
    assert torch.equal(lr[flat][..., 0, 0], hr[flat][..., 0, 0])
    assert abs(flat.float().mean() - 0.3) < 0.04
    assert abs((grey & ~flat).float().mean() - 0.7 * 0.2) < 0.03
    colours = lr[flat][..., 0, 0]
    corners = ((colours == 0) | (colours == 1)).all(1)
    assert abs(corners.float().mean() - 1 / 3) < 0.08 and len(colours[corners].unique(dim=0)) == 8
    assert ((colours * 255).round() / 255 - colours).abs().max() < 1e-6
    assert abs(is_grey(lr[flat]).float().mean() - (1 / 3 + 1 / 12)) < 0.08


def test_the_others_are_what_they_were_and_none_depends_on_its_batch():
    plain = SOURCE(PICTURES, seed=3, batch=40).batch(range(40))
    mixed = WithFlats(SOURCE, 0.3, 0.3)(PICTURES, seed=3, batch=40)
    lr, hr = mixed.batch(range(40))
    same = ~(is_flat(lr) | is_grey(lr))
    assert 10 < same.sum() < 35
    assert torch.equal(lr[same], plain[0][same]) and torch.equal(hr[same], plain[1][same])
    grey = is_grey(lr) & ~is_flat(lr)
    torch.testing.assert_close(hr[grey][:, 0], plain[1][grey].mean(1))
    again = mixed.batch(range(39, -1, -1))
    assert torch.equal(again[0].flip(0), lr) and torch.equal(again[1].flip(0), hr)


def test_luma_has_flat_greys_only():
    lr, hr = batch(50, 1.0, 0.0, channels=1)
    assert lr.shape == (50, 1, 5, 5) and is_flat(lr).all() and torch.equal(lr[..., 0, 0], hr[..., 0, 0])


def test_shares_are_shares():
    with pytest.raises(ValueError, match="shares must be from 0 to 1, got 1.5 and 0"):
        FlatStream(SOURCE, flat=1.5, grey=0, seed=0)
    assert WithFlats(SOURCE).sides == {"hr": 10}
