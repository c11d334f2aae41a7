"""The finder of pictures: what a folder on a disk holds besides, subfolders, and names of which no two are equal."""

import os
import sys
from pathlib import Path, PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from srlib.io import finder


def put(path, form="PNG"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (3, 2), (9, 90, 200)).save(path, form)
    return path


def names(files):
    return [file.name for file in files]


def test_a_folder_as_it_lies_on_a_disk(tmp_path):
    for name in ("b.png", "A.JPG", "c.gif", "d.heic", "phone.MPO"):
        put(tmp_path / name)
    for name in ("Thumbs.db", ".DS_Store", "._b.png", ".hidden.png", "desktop.ini", "notes.txt", "b.xmp"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    (tmp_path / "folder.png").mkdir()
    assert names(finder.directly(tmp_path)) == ["A.JPG", "b.png", "c.gif", "d.heic", "phone.MPO"]


def test_names_without_an_ending_are_decided_by_the_first_bytes(tmp_path):
    for name, form in (("IMG_1", "JPEG"), ("noend", "WEBP"), ("x.jpg_large", "PNG"), ("y.png?w=3", "GIF")):
        put(tmp_path / name, form)
    put(tmp_path / "cached.dat")  # whoever called it so did not mean a picture
    (tmp_path / "Makefile").write_text("all:")
    (tmp_path / "empty").touch()
    (tmp_path / "z.jpg_note").write_text("see z.jpg")
    assert names(finder.directly(tmp_path)) == ["IMG_1", "noend", "x.jpg_large", "y.png?w=3"]


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_links_are_followed_to_files_but_not_into_folders(tmp_path):
    place = tmp_path / "in"
    put(tmp_path / "elsewhere" / "far.png")
    place.mkdir()
    os.symlink(tmp_path / "elsewhere" / "far.png", place / "near.png")
    os.symlink(tmp_path / "nowhere.png", place / "lost.png")  # a picture that whoever opens it will miss
    os.symlink(tmp_path / "elsewhere", place / "linked")
    os.symlink(place, place / "itself")
    os.symlink(place / "loop.png", place / "loop.png")
    assert names(finder.pictures(place, recursive=True)) == ["loop.png", "lost.png", "near.png"]
    os.mkfifo(place / "pipe.png")
    assert names(finder.pictures(place)) == ["loop.png", "lost.png", "near.png"]


def test_subfolders_are_taken_or_named(tmp_path):
    for name in ("a.png", "holiday/beach.png", "holiday/2023/05/x.jpg", "raw/y.tif", ".cache/z.png", "@eaDir/a.jpg"):
        put(tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert names(finder.pictures(tmp_path)) == ["a.png"]
    assert finder.left_out(tmp_path) == "3 pictures in subfolders holiday, raw"
    found = [file.relative_to(tmp_path).as_posix() for file in finder.pictures(tmp_path, recursive=True)]
    assert found == ["a.png", "holiday/2023/05/x.jpg", "holiday/beach.png", "raw/y.tif"]
    assert finder.left_out(tmp_path, skip=tmp_path / "raw") == "2 pictures in subfolder holiday"
    assert len(finder.pictures(tmp_path, recursive=True, skip=tmp_path / "holiday")) == 2
    assert finder.left_out(tmp_path / "raw") == ""


def test_a_large_tree_is_not_searched_to_its_end_for_a_note(tmp_path, monkeypatch):
    for i in range(9):
        put(tmp_path / "deep" / f"{i}.png")
    monkeypatch.setattr(finder, "_ENTRIES", 5)
    assert finder.left_out(tmp_path) == "at least 5 pictures in subfolder deep"


def test_the_layout_of_data_sets(tmp_path):
    put(tmp_path / "HR" / "baby.png")
    put(tmp_path / "LR" / "baby.png")
    assert finder.pictures(tmp_path) == [tmp_path / "HR" / "baby.png"] and finder.left_out(tmp_path) == ""
    put(tmp_path / "own.png")
    assert finder.pictures(tmp_path) == [tmp_path / "own.png"]
    assert finder.left_out(tmp_path) == "2 pictures in subfolders HR, LR"


def test_a_folder_without_pictures_says_where_some_are(tmp_path):
    (tmp_path / "notes.txt").touch()
    assert finder.nothing_in(tmp_path).startswith(f"{tmp_path}: no pictures in this folder (.png, ")
    for i in range(4):
        put(tmp_path / f"part{i}" / "x.png")
    message = finder.nothing_in(tmp_path)
    assert "but 4 pictures in subfolders " in message and ", …; name one of them, or use --recursive" in message


@pytest.mark.parametrize(
    "files, expected",
    [
        (["a.png", "b.jpg"], ["a", "b"]),
        (["x.jpg", "x.png", "y.png"], ["x.jpg", "x.png", "y"]),
        (["one/x.jpg", "two/x.png"], ["x", "x"]),  # names are told apart within a folder
        (["a.b.png", "a.c.png"], ["a.b", "a.c"]),
        (["X.png", "x.jpg"], ["X.png", "x.jpg"]),
        (["x.jpg", "x.jpg.png", "x.png"], ["x.jpg_", "x.jpg", "x.png"]),
        (["x.JPG", "x.jpg"], ["x.JPG", "x.jpg_"]),
    ],
)
def test_short_names(files, expected):
    assert finder.short_names([PurePath(file) for file in files]) == expected


@settings(max_examples=200, deadline=None)
@given(st.sets(st.from_regex(r"[ab.]{1,3}\.(png|jpg|PNG)", fullmatch=True), min_size=2, max_size=12))
def test_no_two_short_names_are_equal(files):
    short = finder.short_names([Path(file) for file in sorted(files)])
    assert len({name.casefold() for name in short}) == len(files)
