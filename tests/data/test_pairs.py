"""Given pairs: found by name, cut at the same places, and refused by name where they do not fit."""

from functools import partial

import pytest
import torch

from srlib import images
from srlib.data import pairs
from srlib.data.flats import WithFlats
from srlib.data.pairs import load_pairs
from srlib.data.sources import DegradedPairs, GivenPairs, Pairs, Together, UnpairedPatches, given, with_patches
from srlib.random_degradations.two_stage import TwoStage
from srlib.recipes.table import RECIPES


def put(folder, name, height, width, channels=3):
    """A picture of few bits, whose values name the place: row, column, and the sum of both."""
    folder.mkdir(exist_ok=True)
    rows, columns = torch.arange(height)[:, None] % 100, torch.arange(width) % 100
    planes = torch.stack([rows.expand(height, width), columns.expand(height, width), rows + columns])
    images.write(folder / name, planes[:channels] / 255)


@pytest.fixture
def folders(tmp_path):
    """Two pairs at ×3: one of colour and one of grey."""
    for factor, name in ((1, "lr"), (3, "hr")):
        put(tmp_path / name, "a.png", 11 * factor, 14 * factor)
        put(tmp_path / name, "b.bmp" if factor == 1 else "b.png", 9 * factor, 8 * factor, 1)
    return str(tmp_path / "lr"), str(tmp_path / "hr")


def load(folders, left_out=None, lr_size=4):
    leave_out = pytest.fail if left_out is None else left_out.append
    return load_pairs(folders[:1], folders[1:], scale=3, lr_size=lr_size, leave_out=leave_out)


def test_partners_are_found_by_name_and_stay_bytes(folders):
    pictures, lines = load(folders)
    assert [tuple(lr.shape) for lr in pictures["lr"]] == [(1, 3, 11, 14), (1, 1, 9, 8)]
    assert [tuple(hr.shape) for hr in pictures["hr"]] == [(1, 3, 33, 42), (1, 1, 27, 24)]
    assert all(picture.dtype == torch.uint8 for role in pictures.values() for picture in role)
    assert lines == {"hr": [f"{folders[1]}: 2 pictures"], "lr": [f"{folders[0]}: 2 pictures"]}


def test_huge_pictures_are_cut_at_the_same_places(folders, monkeypatch):
    monkeypatch.setattr(pairs, "PIECE", 15)
    pictures, _ = load(folders)
    assert len(pictures["lr"]) == 10 and min(min(lr.shape[-2:]) for lr in pictures["lr"]) >= 4
    for lr, hr in zip(pictures["lr"], pictures["hr"], strict=True):
        assert tuple(hr.shape[-2:]) == tuple(3 * n for n in lr.shape[-2:])
        assert torch.equal(hr[..., 0, 0][:, :2], 3 * lr[..., 0, 0][:, :2])  # the row and the column of the corner


def test_a_batch_is_the_same_place_of_both(folders):
    stream = GivenPairs(3, 4)(load(folders)[0], seed=0, batch=8)
    lr, hr = stream.batch(range(8))
    assert lr.shape == (8, 3, 4, 4) and hr.shape == (8, 3, 12, 12)
    torch.testing.assert_close(hr[:, 0, ::3, ::3], 3 * lr[:, 0])  # upright: turned it would be the column
    assert GivenPairs(3, 4).sides == {"hr": 12, "lr": 4}


def test_the_scale_may_end_the_name_of_lr(tmp_path):
    for folder, names, factor in (("lr", ("0001x2.png", "x2.png"), 1), ("hr", ("0001.png", "x2.png"), 2)):
        for name in names:
            put(tmp_path / folder, name, 6 * factor, 7 * factor)
    words = [str(tmp_path / "lr")], [str(tmp_path / "hr")]
    pictures, _ = load_pairs(*words, scale=2, lr_size=6, leave_out=pytest.fail)
    assert len(pictures["lr"]) == len(pictures["hr"]) == 2


def test_what_does_not_fit_is_refused_by_name(folders, tmp_path):
    put(tmp_path / "hr", "c.png", 30, 30)
    with pytest.raises(ValueError, match=r"hr.c.png: has no partner of this name in .*lr; take it out, or add its lr"):
        load(folders)
    put(tmp_path / "lr", "c.png", 10, 11)
    with pytest.raises(ValueError, match=r"c.png: 30 x 30 pixels; at ×3 the hr of c.png, 11 x 10, has 33 x 30"):
        load(folders)
    (tmp_path / "hr" / "c.png").unlink()
    with pytest.raises(ValueError, match=r"lr.c.png: has no partner of this name in .*hr; take it out, or add its hr"):
        load(folders)
    put(tmp_path / "lr", "a.bmp", 11, 14)
    with pytest.raises(ValueError, match=r"a.png: has the name of a.bmp"):
        load(folders)
    with pytest.raises(ValueError, match="as many folders of lr as of hr, got 2 and 1"):
        load_pairs([folders[0]] * 2, [folders[1]], scale=3, lr_size=4, leave_out=pytest.fail)


def test_pairs_that_are_broken_or_small_are_left_out_by_name(folders, tmp_path):
    (tmp_path / "hr" / "a.png").write_bytes(b"no picture")
    left_out = []
    pictures, lines = load(folders, left_out)
    assert len(pictures["lr"]) == 1 and lines["hr"][0].endswith("1 pictures")
    assert len(left_out) == 1 and "a.png" in left_out[0]
    with pytest.raises(ValueError, match="no usable pair of at least 10 x 10 lr pixels"):
        load(folders, left_out, lr_size=10)
    assert "b.bmp: 8 x 9 pixels, smaller than a patch of 10 x 10" in left_out[-1]


def test_a_recipes_pairs_give_way_to_given_ones():
    assert given(Pairs((3,), 9, 1)) == GivenPairs(3, 9, 1) == given(WithFlats(Pairs((3,), 9, 1)))
    with pytest.raises(ValueError, match="this network learns ×2, ×3 together"):
        given(Pairs((2, 3), 9))
    with pytest.raises(
        ValueError, match="this recipe makes lr itself; lr of your own is for one that learns bicubic pairs"
    ):
        given(DegradedPairs(8, None))


def test_patches_of_another_size():
    assert with_patches(Pairs((2, 3), 9), 5) == Pairs((2, 3), 5)
    assert with_patches(WithFlats(Pairs((2,), 9)), 5).sides == {"hr": 10}
    assert with_patches(DegradedPairs(8, TwoStage(scale=4)), 5).size == 20
    beside = with_patches(Together((UnpairedPatches({"lr": 32}), Pairs((3,), 32))), 7)
    assert beside.sides == {"lr": 7, "hr": 21}
    for source in (DegradedPairs(8, None), UnpairedPatches({"lr": 8, "hr": 16})):
        with pytest.raises(ValueError, match="the patches of this recipe have no side in lr pixels"):
            with_patches(source, 5)


@pytest.mark.parametrize(
    "name", ["edsr_small_real", "edsr_small_like", "cincgan_small", "drn_small_unpaired", "edvr_small"]
)
def test_every_recipe_of_ours_takes_patches_of_another_size(name):
    before = RECIPES[name](4)
    after = before.with_streams(partial(with_patches, lr_size=16))
    assert {role: side <= before.sides[role] for role, side in after.sides.items()} == dict.fromkeys(before.sides, True)
    assert after.sides != before.sides
