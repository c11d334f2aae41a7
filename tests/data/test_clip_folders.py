"""Clips on disk: which folders are some, where sets are found, the order of frames."""

import pytest
import torch

from srlib import images
from srlib.data.clip_folders import clips_in, find_in, frames_of


def clip(folder, *names, size=(12, 14), channels=3):
    folder.mkdir(parents=True)
    for k, name in enumerate(names):
        images.write(folder / f"{name}.png", torch.full((channels, *size), k / 10))
    return folder


def test_a_set_is_a_folder_of_folders_of_frames(tmp_path):
    place = tmp_path / "Mine"
    clip(place / "b", "1"), clip(place / "a" / "HR", "1"), clip(place / ".hidden", "1")
    (place / "empty").mkdir()
    assert clips_in(place) == {"a": place / "a", "b": place / "b"}
    images.write(place / "own.png", torch.rand(3, 9, 9))
    assert clips_in(place) == {}
    assert clips_in(clip(tmp_path / "Set" / "HR", "1").parent) == {}  # pictures, in HR


def test_a_set_is_found_by_its_name_in_a_root_or_below_it(tmp_path):
    place = clip(tmp_path / "videos" / "Mine" / "HR" / "a", "1").parent
    assert find_in([tmp_path / "none", tmp_path], "Mine") == place == find_in([tmp_path / "videos"], "Mine")
    assert find_in([tmp_path], "Yours") is None


def test_frames_come_in_the_order_of_their_numbers(tmp_path):
    found = frames_of(clip(tmp_path / "a", "f9", "f10", "f100", "f11"))
    assert [round(10 * frame.mean().item()) for frame in found] == [0, 1, 3, 2]
    assert found[0].shape == (1, 3, 12, 14)


def test_frames_that_differ_are_named(tmp_path):
    place = clip(tmp_path / "a", "1", "2")
    images.write(place / "3.png", torch.rand(3, 12, 15))
    with pytest.raises(ValueError, match="1.png is 14 x 12 pixels, in colour and 3.png 15 x 12 pixels, in colour"):
        frames_of(place)
    images.write(place / "3.png", torch.rand(1, 12, 14))
    with pytest.raises(ValueError, match="3.png 14 x 12 pixels, grey; the frames of a clip are alike"):
        frames_of(place)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no pictures in this folder"):
        frames_of(tmp_path / "empty")
