"""The table of scores: where a row comes to stand, what keeps its bytes, which sets are taken."""

import csv

import pytest
import torch

from srlib import images
from srlib.data import datasets
from srlib.evaluation import benchmark
from srlib.evaluation.benchmark import COLUMNS, SETS, merged, place, row
from srlib.metrics import evaluate
from srlib.models.interpolators import bicubic

HEAD = "model,scale,set,protocol,psnr,ssim\n"
OLD = (
    HEAD
    + 'bicubic,4,Set5,"Y (BT.601 studio), border scale, 8-bit",28.4207,0.8104\n'
    + "espcn,2,Set5,another,36.8,.95\r\n"  # written by somebody else, and left so
    + "edsr_small,4,Set5,p,1.0,0.5\n"
    + "ours,3,Mine,p,1.0,0.5\n"
)


def line(model, scale, name, psnr="30.1235", ssim="0.9000"):
    return f'{model},{scale},{name},"Y (BT.601 studio), border scale, 8-bit",{psnr},{ssim}\n'


@pytest.fixture
def no_sets(tmp_path, monkeypatch):
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path))
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path / "cache")


def test_new_rows_come_to_stand_at_their_places_and_others_keep_their_bytes():
    new = [row("espcn", 4, "BSD100", 30.12346, 0.9), row("espcn", 4, "Set5", 30.12346, 0.9), row("aa", 2, "Set5", 9, 1)]
    expected = OLD.splitlines(keepends=True)
    expected[3:3] = [line("espcn", 4, "Set5"), line("espcn", 4, "BSD100")]
    expected[6:6] = [line("aa", 2, "Set5", "9.0000", "1.0000")]  # in no catalogue: at the end, by name
    assert merged(OLD, new, lambda _: False) == "".join(expected)


def test_stale_rows_go_and_a_table_is_begun():
    assert merged(OLD, [], lambda found: found["model"] in ("bicubic", "ours")) == HEAD + "".join(
        OLD.splitlines(keepends=True)[2:4]
    )
    assert merged("", [row("vdsr", 4, "Set5", 30.12346, 0.9)], lambda _: False) == HEAD + line("vdsr", 4, "Set5")
    assert merged(OLD.rstrip("\n"), [], lambda _: False) == OLD


def test_the_table_that_ships_is_in_order_and_merging_nothing_leaves_its_bytes():
    text = datasets.data_file(benchmark.FILE).read_bytes().decode()
    assert merged(text, [], lambda _: False) == text
    assert benchmark.read() == list(csv.DictReader(text.splitlines()))
    again = [
        row(*(found[key] for key in COLUMNS[:3]), *map(float, list(found.values())[4:])) for found in benchmark.read()
    ]
    assert merged(text, again[::-1], lambda _: True) == text


@pytest.mark.parametrize("text", ["a,b\n", HEAD + "espcn,2,Set5\n"])
def test_another_table_is_refused_with_its_line(text):
    with pytest.raises(ValueError, match=r"results/benchmark.csv, line \d: not model, scale, set"):
        merged(text, [], lambda _: False)


def test_interpolators_come_first_then_the_catalogue_then_scale_and_set():
    keys = [
        ("lanczos", 4, "BSD100"),
        ("srcnn", 3, "Set14"),
        ("srcnn", 4, "Set5"),
        ("srcnn", 4, "Set14"),
        ("fsrcnn", 2, "Set5"),
    ]
    rows = [row(*key, 1, 1) for key in keys]
    assert sorted(rows[::-1], key=place) == rows


def test_scores_are_those_of_the_papers_protocol_on_every_set(tmp_path, no_sets):
    for name in SETS:
        (tmp_path / name / "HR").mkdir(parents=True)
        images.write(tmp_path / name / "HR" / "a.png", torch.rand(3, 29, 34))
    rows = list(benchmark.scored("bicubic", 2, bicubic(2)))
    assert [found["set"] for found in rows] == list(SETS)
    scores = evaluate(bicubic(2), datasets.images_of("Set14"))
    assert rows[1] == row("bicubic", 2, "Set14", scores.psnr, scores.ssim)
    assert list(benchmark.sets_here()) == list(SETS)


def test_without_a_set_the_evaluation_photographs_are_taken(tmp_path, no_sets):
    ((name, pictures),) = benchmark.sets_here().items()
    assert name == "evaluation photographs" and [title for title, _ in pictures] == list(datasets.EVAL_PHOTOS)
    (tmp_path / "BSD100").mkdir()
    images.write(tmp_path / "BSD100" / "a.png", torch.rand(3, 29, 34))
    assert list(benchmark.sets_here()) == ["BSD100"]
    with pytest.raises(FileNotFoundError, match="the set Set5 is not on this machine"):
        list(benchmark.scored("bicubic", 2, bicubic(2)))
