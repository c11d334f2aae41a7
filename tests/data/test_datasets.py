"""datasets: packaged photographs, folders, and the search for sets."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from srlib import images
from srlib.data import datasets
from srlib.data.datasets import EVAL_PHOTOS, TRAIN_PHOTOS, find, folder, images_of, photo


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.delenv("SRLIB_DATA", raising=False)
    return tmp_path / "cache" / "srlib"


def put(path, size=(5, 7), value=0.2):
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, torch.full((1, 3, *size), value))


def test_lists_are_disjoint_and_share_no_scene():
    assert len({*EVAL_PHOTOS, *TRAIN_PHOTOS}) == len(EVAL_PHOTOS) + len(TRAIN_PHOTOS) == 18
    assert EVAL_PHOTOS == ("astronaut", "chelsea", "coffee", "rocket")
    scene = {name: name.removesuffix("_left").removesuffix("_right") for name in EVAL_PHOTOS + TRAIN_PHOTOS}
    assert not {scene[name] for name in EVAL_PHOTOS} & {scene[name] for name in TRAIN_PHOTOS}


def test_every_photograph_is_read_without_a_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a network call")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in EVAL_PHOTOS + TRAIN_PHOTOS:
        image = photo(name)
        assert image.ndim == 4 and image.shape[0] == 1 and image.shape[1] in (1, 3), name
        assert min(image.shape[2:]) >= 172 and image.min() >= 0 and image.max() <= 1
        assert image.std() > 0.03, name


def test_a_photograph_equals_what_scikit_image_gives():
    import skimage.data

    expected = torch.from_numpy(skimage.data.chelsea()).permute(2, 0, 1)[None]
    assert torch.equal(images.to_uint8(photo("chelsea")), expected)
    assert photo("chelsea").shape == (1, 3, 300, 451)
    assert torch.equal(images.to_uint8(photo("camera"))[0, 0], torch.from_numpy(skimage.data.camera()))


def test_photographs_do_not_import_scikit_image():
    code = "import sys; from srlib.data.datasets import photo; photo('camera'); print('skimage' in sys.modules)"
    root = Path(__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert result.stdout.strip() == "False"


def test_unknown_and_missing_photographs(monkeypatch):
    with pytest.raises(ValueError, match=r"no photograph 'lena'; choose one of astronaut, .*text"):
        photo("lena")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="scikit-image is not installed with its file coffee.png"):
        photo("coffee")


def test_folder_is_sorted_and_skips_the_rest(tmp_path):
    for name in ("b.png", "a.JPG", "c.bmp", ".hidden.png"):
        put(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "deeper.png").mkdir()
    found = list(folder(tmp_path))
    assert [name for name, _ in found] == ["a", "b", "c"]
    assert all(image.shape == (1, 3, 5, 7) for _, image in found)


def test_folder_errors_come_at_once_and_name_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=f"{tmp_path}: no pictures in this folder"):
        folder(tmp_path)
    (tmp_path / "bad.png").write_text("not a picture")
    with pytest.raises(images.ImageError, match="bad.png"):
        list(folder(tmp_path))


def test_a_folder_with_subfolders_twins_and_damaged_files(tmp_path):
    for name in ("x.png", "x.bmp", "sub/x.png", "sub/deep/y.jpg"):
        put(tmp_path / name)
    assert [name for name, _ in folder(tmp_path)] == ["x.bmp", "x.png"]
    assert [name for name, _ in folder(tmp_path, recursive=True)] == ["sub/deep/y", "sub/x", "x.bmp", "x.png"]
    assert [name for name, _ in folder(tmp_path / "x.bmp")] == ["x"]  # one picture is a folder of one
    (tmp_path / "bad.png").write_text("not a picture")
    left_out = []
    assert [name for name, _ in folder(tmp_path, leave_out=left_out.append)] == ["x.bmp", "x.png"]
    assert len(left_out) == 1 and "bad.png: not a picture" in left_out[0]


def test_a_folder_in_the_layout_of_a_set_and_one_with_pictures_only_below(tmp_path):
    put(tmp_path / "Toy" / "HR" / "a.png")
    put(tmp_path / "Toy" / "LR" / "a.png")
    assert [name for name, _ in folder(tmp_path / "Toy")] == ["a"]
    with pytest.raises(ValueError, match="no pictures in this folder, but 2 pictures in subfolder Toy"):
        folder(tmp_path)


@pytest.mark.parametrize("inside", ["Toy/HR", "Toy", "benchmarks/Toy/HR", "train/Toy"])
def test_sets_are_found_in_every_layout(cache, monkeypatch, tmp_path, inside):
    put(tmp_path / "data" / inside / "x.png")
    monkeypatch.setenv("SRLIB_DATA", os.pathsep.join([str(tmp_path / "absent"), "", str(tmp_path / "data")]))
    assert find("Toy") == tmp_path / "data" / inside
    assert [name for name, _ in images_of("Toy")] == ["x"]


def test_the_environment_comes_before_the_cache_and_hr_before_the_rest(cache, monkeypatch, tmp_path):
    put(cache / "Toy" / "HR" / "cached.png")
    assert find("Toy") == cache / "Toy" / "HR"
    put(tmp_path / "mine" / "Toy" / "flat.png")
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path / "mine"))
    assert find("Toy") == tmp_path / "mine" / "Toy"
    put(tmp_path / "mine" / "Toy" / "HR" / "deep.png")
    assert find("Toy") == tmp_path / "mine" / "Toy" / "HR"
    monkeypatch.setenv("SRLIB_DATA", "~/somewhere")
    assert datasets.search_path()[0] == Path.home() / "somewhere"


def test_without_pooch_the_cache_is_where_pooch_has_it(monkeypatch, tmp_path):
    monkeypatch.delenv("SRLIB_DATA", raising=False)
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", "")
        here = datasets.search_path()
        monkeypatch.setattr(datasets, "pooch", None)
        assert datasets.search_path() == here
    monkeypatch.setattr(datasets, "pooch", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert datasets.search_path() == [tmp_path / "srlib"]


def test_a_folder_without_pictures_is_not_a_set(cache, monkeypatch, tmp_path):
    (tmp_path / "Toy" / "HR").mkdir(parents=True)
    put(tmp_path / ".fetch" / "Toy" / "unpacked" / "x.png")
    put(tmp_path / ".fetch" / "Toy" / "x.png")
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError):
        find("Toy")


def test_a_missing_set_says_where_and_how(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("SRLIB_DATA", os.pathsep.join([str(tmp_path), str(tmp_path / "gone")]))
    with pytest.raises(FileNotFoundError) as caught:
        find("Set5")
    message = str(caught.value)
    assert "\n" not in message and "the set Set5 is not on this machine" in message
    assert f"looked in {tmp_path}, {tmp_path / 'gone'} (no such folder), {cache}" in message
    assert "srlib fetch Set5" in message and "$SRLIB_DATA" in message
    with pytest.raises(FileNotFoundError) as caught:
        find("T91")  # not one that can be fetched
    assert "srlib fetch" not in str(caught.value) and "$SRLIB_DATA" in str(caught.value)


@pytest.mark.parametrize("name", ["", "..", "a/b", "/a", "Set*"])
def test_a_path_is_not_a_name(cache, name):
    with pytest.raises(ValueError, match="not the name of a set.*srlib.data.datasets.folder"):
        find(name)


def test_shipped_files():
    assert datasets.data_file("manifest.toml") == datasets.data_folder() / "manifest.toml"
    with pytest.raises(FileNotFoundError, match="srlib ships no nothing.csv"):
        datasets.data_file("nothing.csv")


def test_data_inside_the_package_comes_first(monkeypatch, tmp_path):
    for inner in ("srlib/_data", "data"):
        (tmp_path / inner).mkdir(parents=True)
        (tmp_path / inner / "manifest.toml").write_text("")
    monkeypatch.setattr(datasets.srlib, "__file__", str(tmp_path / "srlib" / "__init__.py"))
    assert datasets.data_folder() == tmp_path / "srlib" / "_data"
    (tmp_path / "srlib" / "_data" / "manifest.toml").unlink()
    assert datasets.data_folder() == tmp_path / "data"
    (tmp_path / "data" / "manifest.toml").unlink()
    with pytest.raises(FileNotFoundError, match="install srlib again"):
        datasets.data_folder()


def absent(name):
    return datasets.find_in(datasets.search_path(), name) is None


@pytest.mark.skipif(absent("Set14"), reason="Set14 is not in $SRLIB_DATA")
def test_set14_has_a_grey_bridge():
    sizes = {name: image.shape for name, image in images_of("Set14")}
    assert len(sizes) == 14 and sizes["bridge"] == (1, 1, 512, 512) and sizes["comic"] == (1, 3, 361, 250)


def test_training_pictures_are_bytes_and_huge_ones_come_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "PIECE", 20)
    numbers = torch.arange(3 * 47 * 33).view(1, 3, 47, 33) % 251
    images.write(tmp_path / "huge.png", numbers / 255)
    images.write(tmp_path / "thin.png", torch.full((1, 1, 11, 100), 0.5))
    put(tmp_path / "tiny.png")
    left_out = []
    pictures, lines = datasets.load_training_images([str(tmp_path)], 11, left_out.append)
    assert lines == [f"{tmp_path}: 2 pictures"]
    assert len(left_out) == 1 and "tiny.png: 7 x 5 pixels, smaller" in left_out[0]
    assert all(picture.dtype == torch.uint8 for picture in pictures)
    assert [tuple(p.shape[-2:]) for p in pictures] == [(16, 17), (16, 16)] * 2 + [(15, 17), (15, 16)] + [(11, 20)] * 5
    rows = [torch.cat(pictures[i : i + 2], -1) for i in (0, 2, 4)]
    assert torch.equal(torch.cat(rows, -2), numbers.to(torch.uint8))


def test_training_pictures_in_subfolders_are_taken_or_named(tmp_path):
    put(tmp_path / "a.png", (20, 20))
    put(tmp_path / "more" / "b.png", (20, 20))
    left_out = []
    pictures, _ = datasets.load_training_images([str(tmp_path)], 11, left_out.append)
    assert len(pictures) == 1 and left_out == [f"{tmp_path}: 1 picture in subfolder more"]
    pictures, lines = datasets.load_training_images([str(tmp_path)], 11, print, recursive=True)
    assert len(pictures) == 2 and lines == [f"{tmp_path}: 2 pictures"]
    pictures, lines = datasets.load_training_images([str(tmp_path / "a.png")], 11, print)
    assert len(pictures) == 1 and lines == [f"{tmp_path / 'a.png'}: 1 pictures"]


def test_no_piece_is_smaller_than_a_patch(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "PIECE", 20)
    put(tmp_path / "a.png", (41, 59))
    pictures, _ = datasets.load_training_images([str(tmp_path)], 15, print)
    assert len(pictures) == 6 and all(min(p.shape[-2:]) >= 15 for p in pictures)
    pictures, _ = datasets.load_training_images([str(tmp_path)], 41, print)
    assert [tuple(p.shape) for p in pictures] == [(1, 3, 41, 59)]
