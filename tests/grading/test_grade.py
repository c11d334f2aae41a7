"""`srlib grade` and `srlib assign` as they are called: results, resume, policies, wrong use."""

import csv
import inspect
import io
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from srlib.cli import main
from srlib.io import atomic, finder
from tests.grading import tiny

COPIES = (tiny.DOUBLE, tiny.SUM, tiny.BRIGHTEN)


@pytest.fixture
def masters(tmp_path):
    return tiny.make(tmp_path)


@pytest.fixture
def hand(tmp_path):
    place = tmp_path / "hand"
    place.mkdir()
    return place


def grade(hand, masters, out, *more: str) -> int:
    return main(["grade", str(hand), "--assignment", "tiny", "--masters", str(masters), "--out", str(out), *more])


def table(out: Path, name: str = "grades.csv") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / name).read_text())))


def test_right_wrong_and_broken_notebooks_each_get_a_row(tmp_path, masters, hand, capsys):
    (hand / "ada.ipynb").write_bytes(tiny.handed_in(*COPIES, file=tiny.weights()))
    (hand / "bob.ipynb").write_bytes(tiny.handed_in("def double(x):\n    return x * x", "total = 3", "1 / 0"))
    (hand / "eve.ipynb").write_bytes(b"{ this is no notebook")
    (hand / "notes.txt").write_text("x")
    assert grade(hand, masters, tmp_path / "out") == 1
    rows = {row["student"]: row for row in table(tmp_path / "out")}
    assert rows["ada"]["points"] == "10" and rows["ada"]["status"] == "graded" and rows["ada"]["note"] == ""
    assert [rows["bob"][name] for name in ("double", "sum", "brighten", "net", "points")] == ["1", "0", "0", "0", "1"]
    assert rows["eve"]["status"] == "problem" and "no JSON" in rows["eve"]["note"] and rows["eve"]["points"] == "0"
    assert rows["notes"]["status"] == "no notebook" and rows["notes"]["points"] == ""
    said = capsys.readouterr()
    assert "3 notebooks graded (3 run now" in said.out and "look at eve.ipynb" in said.err
    questions = {row["question"]: row for row in table(tmp_path / "out", "questions.csv")}
    assert questions["double"]["most_frequent_hint"] == "this is the square." and questions["double"]["mean"] == "1"
    summary = json.loads((tmp_path / "out" / "grades.json").read_text())
    assert summary["isolation"] and summary["seed"] == 0 and summary["versions"]["torch"]
    bob = next(s for s in summary["submissions"] if s["student"] == "bob")
    assert bob["report"]["errors"] == {"3": "ZeroDivisionError: division by zero (line 1 of the cell: 1 / 0)"}
    assert "the file net.safetensors" not in bob["scores"][3]["hint"] and "net.safetensors" in bob["scores"][3]["hint"]
    page = next((tmp_path / "out" / "feedback").glob("bob*")).read_text()
    assert "Code cell 4 raised ZeroDivisionError" in page and "this is the square." in page


def test_grading_again_runs_nothing_and_gives_the_same_bytes(tmp_path, masters, hand, capsys):
    for name in ("ada", "bob"):
        (hand / f"{name}.ipynb").write_bytes(tiny.handed_in(*COPIES))
    assert grade(hand, masters, tmp_path / "out") == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.csv")}
    capsys.readouterr()
    assert grade(hand, masters, tmp_path / "out") == 0
    assert "(0 run now" in capsys.readouterr().out
    (hand / "bob.ipynb").write_bytes(tiny.handed_in(*COPIES, "x = 1"))
    assert grade(hand, masters, tmp_path / "out") == 0
    assert "(1 run now" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.csv")} == first
    assert grade(hand, masters, tmp_path / "out", "--seed", "5") == 0
    assert "(2 run now" in capsys.readouterr().out


def test_what_was_typed_in_is_wrong_for_another_student(tmp_path, masters, hand):
    (hand / "ada.ipynb").write_bytes(tiny.handed_in(tiny.SUM))
    (hand / "bob.ipynb").write_bytes(tiny.handed_in("total = 215"))
    grade(hand, masters, tmp_path / "out")
    assert [row["sum"] for row in table(tmp_path / "out")] == ["1", "0"]


def test_late_missing_and_doubled_hand_ins(tmp_path, masters, hand):
    roster = tmp_path / "roster.csv"
    roster.write_text("id,name,deadline\nada,Ada,2200-01-01\nbob,Bob,\nzoe,Zoe,\n")
    for name in ("ada", "bob"):
        (hand / f"{name}.ipynb").write_bytes(tiny.handed_in(tiny.DOUBLE))
    (hand / "who.ipynb").write_bytes(tiny.handed_in(tiny.DOUBLE))
    more = ("--roster", str(roster), "--deadline", "2001-01-01T12:00", "--late", "zero")
    assert grade(hand, masters, tmp_path / "out", *more) == 1
    rows = {row["student"]: row for row in table(tmp_path / "out")}
    assert rows["ada"]["points"] == "2" and rows["ada"]["late_hours"] == "" and rows["ada"]["name"] == "Ada"
    assert rows["bob"]["points"] == "0" and float(rows["bob"]["late_hours"]) > 1_000
    assert rows["zoe"]["status"] == "missing" and rows["zoe"]["points"] == "0"
    assert rows["who"]["note"] == "not in the roster"
    canvas = table(tmp_path / "out", "canvas.csv")
    assert [(row["Student"], row["SIS User ID"], row["A tiny one"]) for row in canvas][0] == ("Ada", "ada", "2")


def test_parts_of_a_batch_give_what_the_whole_gives(tmp_path, masters, hand, capsys):
    for name in "abc":
        (hand / f"{name}.ipynb").write_bytes(tiny.handed_in(*COPIES, f"x = {name!r}"))
    assert grade(hand, masters, tmp_path / "whole") == 0
    assert grade(hand, masters, tmp_path / "parts", "--shard", "2/2") == 0
    assert not (tmp_path / "parts" / "grades.csv").exists() and "1 of 3 graded" in capsys.readouterr().out
    assert grade(hand, masters, tmp_path / "parts", "--shard", "1/2") == 0
    for name in ("grades.csv", "questions.csv", "similar.csv", "canvas.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_copies_and_the_master_are_listed_and_cost_nothing(tmp_path, masters, hand):
    long = inspect.getsource(atomic)
    renamed = re.sub(r"\b(path|content|files|partial|fresh)\b", r"my_\1", long)
    other = inspect.getsource(finder)
    for name, source in {"ada": long, "bob": f"# mine\n{renamed}", "eve": other}.items():
        (hand / f"{name}.ipynb").write_bytes(tiny.handed_in(*COPIES, source, file=tiny.weights()))
    assert grade(hand, masters, tmp_path / "out") == 0
    pairs = {(row["first"], row["second"]) for row in table(tmp_path / "out", "similar.csv") if row["what"] == "code"}
    assert pairs == {("ada", "bob")}
    weights = [row for row in table(tmp_path / "out", "similar.csv") if row["what"] == "weights of net"]
    assert len(weights) == 6 and weights[0]["first"] == "(the master)"
    assert {row["points"] for row in table(tmp_path / "out")} == {"10"}


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_gives_the_same_bytes(tmp_path, masters, hand):
    for n in range(12):
        (hand / f"s{n:02d}.ipynb").write_bytes(tiny.handed_in(*COPIES, f"x = {n}", file=tiny.weights()))
    grade(hand, masters, tmp_path / "whole")
    expected = (tmp_path / "whole" / "grades.csv").read_bytes()
    rng, out = random.Random(4), tmp_path / "out"
    words = [sys.executable, "-m", "srlib", "grade", str(hand), "--assignment", "tiny"]
    words += ["--masters", str(masters), "--out", str(out)]
    ended = 0
    for moment in range(20):
        running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            ended += running.wait(rng.uniform(1, 14)) == 0
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        if moment == 9:
            for path in (out / "submissions").glob("*.json"):
                path.unlink()  # the second ten begin anew
    grade(hand, masters, out)
    assert (out / "grades.csv").read_bytes() == expected
    assert [path for path in out.rglob("*") if path.suffix == ".part"] == []


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "FOLDER is missing: srlib grade FOLDER --assignment PART --out DIR"),
        (["hand"], "--assignment is missing"),
        (["hand", "--assignment", "tiny"], "--out is missing"),
        (["hand", "--assignment", "poems", "--out", "o"], "no assignment 'poems'"),
        (["nowhere", "--assignment", "tiny", "--out", "o"], "no such folder of hand-ins"),
        (["hand", "--assignment", "tiny", "--out", "o"], "nothing has been handed in there"),
        (["hand", "--assignment", "tiny", "--out", "o", "--roster", "no.csv"], "no.csv"),
        (["hand", "--assignment", "tiny", "--out", "o", "--deadline", "soon"], "'soon' is no time"),
        (["hand", "--assignment", "tiny", "--out", "o", "--shard", "3/2"], "'3/2' is no part such as 2/8"),
        (["hand", "--assignment", "tiny", "--out", "o", "--memory", "0"], "'0' is not a number above 0"),
        (["hand", "--assignment", "tiny", "--out", "o", "--isolation", "docker"], "invalid choice: 'docker'"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, masters, hand, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["grade", *words, *(["--masters", str(masters)] if words else [])])
    except SystemExit as error:
        status = error.code
    said = capsys.readouterr().err
    assert status == 2 and message in said and len(said.strip().splitlines()) <= 2, said
    assert not (tmp_path / "o" / "grades.csv").exists()


def test_results_inside_the_folder_of_hand_ins_are_not_graded(tmp_path, masters, hand):
    (hand / "ada.ipynb").write_bytes(tiny.handed_in(tiny.DOUBLE))
    roster = hand / "roster.csv"
    roster.write_text("id\nada\n")
    for _ in range(2):
        assert grade(hand, masters, hand / "out", "--roster", str(roster)) == 0
    assert [row["file"] for row in table(hand / "out")] == ["ada.ipynb"]


def test_a_feedback_page_is_text_only(tmp_path, masters, hand):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    (hand / f"{evil.replace('/', '')}.ipynb").write_bytes(
        tiny.handed_in(
            f"print({evil!r})", f"raise ValueError({evil!r})", f"def double(x):\n    raise TypeError({evil!r})"
        )
    )
    grade(hand, masters, tmp_path / "out")
    (page,) = (tmp_path / "out" / "feedback").iterdir()
    text = page.read_text()
    assert "<script" not in text and "<img" not in text and text.count("&lt;script&gt;") >= 3
    assert "default-src 'none'" in text and "&lt;img src=x onerror=alert(2)&gt;" in text


def test_formulas_stay_text(tmp_path, masters, hand):
    (hand / "=cmd|'calc'!A0.ipynb").write_bytes(tiny.handed_in(tiny.DOUBLE))
    (hand / "@sum.ipynb").write_bytes(tiny.handed_in(tiny.DOUBLE))
    grade(hand, masters, tmp_path / "out")
    assert len(table(tmp_path / "out")) == 2
    for name in ("grades.csv", "canvas.csv"):
        assert not any(
            cell.startswith(("=", "@", "+", "-")) for row in table(tmp_path / "out", name) for cell in row.values()
        )


def test_an_ordinary_run_leaves_nothing_behind(tmp_path, masters, hand, monkeypatch):
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    (hand / "ada.ipynb").write_bytes(tiny.handed_in(tiny.DOUBLE))
    grade(hand, masters, tmp_path / "out")
    assert list(place.iterdir()) == []
    assert (tmp_path / "out" / "grades.csv").is_file()
