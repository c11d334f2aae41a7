"""Where results go: every picture once, no two into one file, none over an input, whatever the names and shards."""

import itertools
import os
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from srlib import images
from srlib.commands import arguments
from srlib.commands.arguments import UsageError
from srlib.commands.batch import Job, Naming, plan
from srlib.io.codecs import Header, ImageError


def header(alpha=False, bits=8, kind="PNG"):
    return Header(kind, 7, 5, bits, alpha)


def put(folder, *names, alpha=False):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = images.Photo(torch.rand(1, 3, 5, 7), alpha=torch.rand(1, 1, 5, 7) if alpha else None)
        images.save(folder / "fresh.png", picture)
        (folder / "fresh.png").rename(path)


def names(jobs):
    return [[Path(target).name for target in job.targets] for job in jobs]


def test_a_result_keeps_the_name_unless_its_format_cannot_hold_the_picture(tmp_path):
    put(tmp_path, "a.png", "b.JPG", "c.gif", "d.jfif", "e")
    (tmp_path / "out").mkdir()
    jobs = plan([str(tmp_path)], str(tmp_path / "out"), Naming())
    assert names(jobs) == [["a.png"], ["b.JPG", "b.png"], ["c.png"], ["d.png"], ["e.png"]]
    jpeg, out = jobs[1], tmp_path / "out"
    assert jpeg.target(header(), (10, 14)) == out / "b.JPG"
    assert jpeg.target(header(alpha=True), (10, 14)) == out / "b.png"
    assert jpeg.target(header(bits=16), (10, 14)) == out / "b.png"
    assert jpeg.target(header(), (10, 65_536)) == out / "b.png"


def test_pictures_of_one_stem_keep_apart(tmp_path):
    put(tmp_path / "in", "x.png", "x.jpg", "x.gif", "x.gif.png", "y.gif")
    jobs = plan([str(tmp_path / "in")], str(tmp_path / "out"), Naming())
    assert names(jobs) == [["x.gif_.png"], ["x.gif.png"], ["x.jpg", "x.jpg.png"], ["x.png"], ["y.png"]]


@settings(max_examples=100, deadline=None)
@given(
    st.sets(st.from_regex(r"[ab.]{1,3}\.(png|jpg|gif)", fullmatch=True), min_size=2, max_size=9),
    st.sampled_from([Naming(), Naming(".jpg"), Naming(".png"), Naming(suffix="_a"), Naming(".webp", ".b")]),
)
def test_no_two_results_share_a_place(files, naming):
    from srlib.commands.batch import _jobs

    jobs = _jobs([(Path("in", file), Path("out")) for file in sorted(files)], naming, (1, 1))
    places = [target for job in jobs for target in job.targets]
    assert len(places) == len(set(places)) >= len(files)


def test_format_and_suffix(tmp_path):
    put(tmp_path / "in", "a.png", "b.JPG", "b.png", "c.gif")
    out = str(tmp_path / "out")
    jobs = plan([str(tmp_path / "in")], out, Naming(".jpg", "_x4"))
    assert names(jobs) == [["a_x4.jpg"], ["b_x4.JPG"], ["b.png_x4.jpg"], ["c_x4.jpg"]]
    with pytest.raises(ImageError, match="no transparency"):  # what was asked for is not changed silently
        (tmp_path / "out").mkdir()
        jobs[0].target(header(alpha=True), (10, 14))


def test_results_beside_the_originals_need_a_suffix_and_are_no_pictures_the_next_time(tmp_path, capsys):
    put(tmp_path, "a.png", "b.jpg")
    with pytest.raises(UsageError, match="choose another folder, or give --suffix"):
        plan([str(tmp_path)], str(tmp_path), Naming(".png"))
    first = plan([str(tmp_path)], str(tmp_path), Naming(suffix="_x4"))
    put(tmp_path, "a_x4.png", "b_x4.jpg")
    assert plan([str(tmp_path)], str(tmp_path), Naming(suffix="_x4")) == first
    assert "left out: 2 pictures named ..._x4" in capsys.readouterr().err


def test_subfolders_keep_their_places_and_results_in_the_folder_are_no_input(tmp_path, capsys):
    put(tmp_path, "a.png", "holiday/beach.png", "out/a.png", "out/holiday/beach.png")
    out = tmp_path / "out"
    assert [job.source for job in plan([str(tmp_path)], str(out), Naming())] == [tmp_path / "a.png"]
    told = f"left out: 1 picture in subfolder holiday of {tmp_path}; use --recursive"
    assert told in " ".join(capsys.readouterr().err.split())
    jobs = plan([str(tmp_path)], str(out), Naming(), recursive=True)
    assert [job.targets[0] for job in jobs] == [out / "a.png", out / "holiday" / "beach.png"]
    assert capsys.readouterr().err == ""


def test_the_layout_of_a_data_set(tmp_path):
    put(tmp_path / "Set", "HR/baby.png", "LR/baby.png")
    (job,) = plan([str(tmp_path / "Set")], str(tmp_path / "out"), Naming())
    assert job.source == tmp_path / "Set/HR/baby.png" and job.targets == (tmp_path / "out/baby.png",)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_shards_share_the_pictures_evenly(tmp_path, count):
    put(tmp_path / "in", *(f"{i}.png" for i in range(7)), "sub/z.gif")
    call = ([str(tmp_path / "in")], str(tmp_path / "out"), Naming())
    whole = plan(*call, recursive=True)
    parts = [plan(*call, recursive=True, shard=(i, count)) for i in range(1, count + 1)]
    assert sorted((job for part in parts for job in part), key=str) == sorted(whole, key=str)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_what_is_done_is_known_from_the_name_alone(tmp_path):
    put(tmp_path / "in", "a.jpg", "b.jpg", "b.png", "c.png")
    put(tmp_path / "out", "a.png", "b.png")
    jobs = plan([str(tmp_path / "in")], str(tmp_path / "out"), Naming())
    (tmp_path / "out" / "c.png").touch()
    # a.jpg had become PNG, since it was transparent; b.png is the result of b.png, not of b.jpg
    assert [job.done() for job in jobs] == [True, False, True, False]


def test_one_picture_and_several(tmp_path):
    put(tmp_path, "one/a.png", "one/b.gif", "two/a.png")
    one, two = tmp_path / "one", tmp_path / "two"
    (job,) = plan([str(one / "a.png")], f"{tmp_path}/new/", Naming())
    assert job.targets == (tmp_path / "new" / "a.png",)
    (job,) = plan([str(one / "b.gif")], str(two), Naming())
    assert job.targets == (two / "b.png",)
    (job,) = plan([str(one / "b.gif")], str(tmp_path / "x.tif"), Naming())
    assert job.targets == (tmp_path / "x.tif",)
    jobs = plan([str(one / "a.png"), str(one / "b.gif"), str(one / "a.png")], str(tmp_path / "new"), Naming())
    assert names(jobs) == [["a.png"], ["b.png"]]
    with pytest.raises(UsageError, match="would both become"):
        plan([str(one / "a.png"), str(two / "a.png")], str(tmp_path / "new"), Naming())
    with pytest.raises(UsageError, match="is an input, and the result of"):
        put(two, "a_x4.png")
        plan([str(two / "a.png"), str(two / "a_x4.png")], str(two), Naming(suffix="_x4"))


@pytest.mark.parametrize(
    "words, message",
    [
        (["in", "out.png"], "in is a folder, but out.png is the name of a picture"),
        (["in", "file"], "in is a folder, so file must be a folder too"),
        (["in", "-"], "in is a folder, so - must be a folder too"),
        (["in/a.png", "in/b.png", "c.png"], "there are 2 inputs, but c.png is the name of a picture"),
        (["in/a.png", "-", "out"], "not both"),
        (["empty", "out"], "empty: no pictures in this folder"),
        (["nested", "out"], "no pictures in this folder, but 1 picture in subfolder deep; name one of them"),
        (["in", "in"], "would overwrite the input pictures"),
        (["in/a.png", "out"], "out is no folder, and no name of a picture either .*; for a new folder write out/"),
        (["in/a.png", "nowhere/b.png"], "no folder nowhere"),
    ],
)
def test_targets_that_cannot_work(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "in/a.png", "in/b.png", "nested/deep/x.png")
    Path("empty").mkdir()
    Path("file").touch()
    with pytest.raises(ValueError, match=message):
        plan(words[:-1], words[-1], Naming())


def test_options_that_contradict_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "a.png")
    with pytest.raises(UsageError, match="out.jpg says JPEG, and --format says PNG"):
        plan(["a.png"], "out.jpg", Naming(".png"))
    assert plan(["a.png"], "out.JPEG", Naming(".jpg"))[0].targets == (Path("out.JPEG"),)
    with pytest.raises(UsageError, match="out.png is a name already"):
        plan(["a.png"], "out.png", Naming(suffix="_x4"))


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_an_output_that_is_a_link_to_the_input_is_refused(tmp_path):
    put(tmp_path, "a.png", "other.png")
    os.symlink(tmp_path / "a.png", tmp_path / "self.png")
    os.symlink(tmp_path / "other.png", tmp_path / "link.png")
    with pytest.raises(ImageError, match="is the input file"):
        Job(tmp_path / "a.png", (tmp_path / "self.png",)).target(header(), (10, 14))
    Job(tmp_path / "a.png", (tmp_path / "link.png",)).target(header(), (10, 14))


def test_words_of_the_options():
    assert [arguments.shard(text) for text in ("1/1", "3/8", "8/8")] == [(1, 1), (3, 8), (8, 8)]
    for kind, wrong in ((arguments.shard, "0/4 5/4 3 1/2/3 -1/2 a/b 1/0 /"), (arguments.quality, "0 101 -3 9.5 best")):
        for text in wrong.split():
            with pytest.raises(Exception, match="is not a"):
                kind(text)
    for text in ("", "a/b", "..\\x"):
        with pytest.raises(Exception, match="cannot be part"):
            arguments.name_part(text)
    assert all(arguments.quality(str(q)) == q for q in itertools.chain([1, 100], range(50, 60)))
