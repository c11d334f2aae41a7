"""What a student gets and uses: notebooks without solutions, checks, data, attached weights."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save

from srlib import assignments
from srlib.cli import main
from srlib.grading import folders, student
from srlib.grading.sandbox import cells as sandbox_cells
from tests.grading import tiny


@pytest.fixture
def masters(tmp_path):
    return tiny.make(tmp_path)


@pytest.fixture
def namespace(tmp_path, masters, monkeypatch):
    """Names after a student's notebook has been run down to its first answer, in the folder where it lies."""
    main(["assign", "tiny", "--masters", str(masters), "--out", str(tmp_path / "out")])
    monkeypatch.chdir(tmp_path / "out")
    made = json.loads((tmp_path / "out" / "tiny.ipynb").read_text())
    found: dict = {}
    setup = next(cell for cell in made["cells"] if student.is_setup(cell))
    exec(setup["source"], found)
    return found


def made(tmp_path, masters, *more: str) -> dict:
    assert main(["assign", "tiny", "--masters", str(masters), "--out", str(tmp_path / "out"), *more]) == 0
    return json.loads(next((tmp_path / "out").rglob("tiny.ipynb")).read_text())


def test_solutions_outputs_and_numbers_are_gone(tmp_path, masters):
    notebook = made(tmp_path, masters)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    answers = {student.answer_of(cell): cell["source"] for cell in code if student.answer_of(cell)}
    assert answers == {
        "double": "def double(x):\n    raise NotImplementedError",
        "sum": "total = None  # replace this",
        "brighten": "def brighten(x):\n    raise NotImplementedError",
        "net": "if not in_grader():\n    raise NotImplementedError",
    }
    loaded = folders.load("tiny", masters)
    assert notebook["metadata"]["srlib"] == {"assignment": "tiny", "digest": loaded.digest}
    assert "2 * x" not in json.dumps(notebook)


def test_with_a_roster_each_gets_their_own_data(tmp_path, masters):
    roster = tmp_path / "roster.csv"
    roster.write_text("id\nada\n../../etc\n")
    made(tmp_path, masters, "--roster", str(roster))
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.ipynb"))
    assert files[0] == "ada/tiny.ipynb" and files[1].startswith("etc-") and len(files) == 2
    first, second = ((tmp_path / "out" / name).read_text() for name in files)
    assert first != second


def test_checks_say_right_or_why_not(namespace):
    check = namespace["check"]
    assert check("double", lambda x: x + x) and "right on 1 example; the grader uses others." in repr(
        check("double", lambda x: x + x)
    )
    for answer, text in {
        (lambda x: x * x): "this is the square.",
        (lambda x: x + 1): "the values differ: 3 at [1], expected 4.",
        (lambda x: None): "your function returned nothing: is the return missing?",
        (lambda x: x.mul_(2)): "your function changed its argument",
        (lambda x: 1 / 0): "your function raised ZeroDivisionError",
    }.items():
        assert not check("double", answer) and text in repr(check("double", answer))
    assert "give the function itself: check('double', double)" in repr(check("double", 3))
    assert "total has no value yet." in repr(check("sum", None)) and check("sum", 3)
    assert "the shape is (2,), expected (3, 16, 16)" in repr(check("brighten", lambda x: torch.zeros(2)))
    assert "returned 2 values, expected one tensor" in repr(check("brighten", lambda x: (x, x)))
    assert "total is a text, expected one number." in repr(check("sum", "3"))
    assert "total is numbers of shape (2,), expected one number." in repr(check("sum", [1, 2]))
    assert "NaN" in repr(check("brighten", lambda x: x / 0 * 0)) and check("brighten", lambda x: 2 * x)
    with pytest.raises(ValueError, match="no question 'treble'; there are double, sum, brighten, net"):
        check("treble", abs)


def test_weights_are_looked_at_and_attached(namespace, tmp_path):
    check, attach = namespace["check"], namespace["attach"]
    assert "there is no file net.safetensors yet." in repr(check("net"))
    (tmp_path / "out" / "net.safetensors").write_bytes(tiny.weights())
    assert check("net") and "24 of at most 24 numbers" in repr(check("net"))
    shown = attach("net.safetensors")._repr_html_()
    output = {"output_type": "execute_result", "data": {"text/html": shown.splitlines(keepends=True)}}
    notebook = {"cells": [tiny.cell("1", [output])]}
    assert sandbox_cells.read(json.dumps(notebook).encode()).attached == {"net.safetensors": tiny.weights()}
    (tmp_path / "out" / "net.safetensors").write_bytes(tiny.weights()[:-4])
    assert "net.safetensors is damaged" in repr(check("net"))
    (tmp_path / "out" / "net.safetensors").write_bytes(save({"a": torch.zeros(1)}))
    assert "no 'width' in its metadata" in repr(check("net"))
    for wrong in ("../net.safetensors", "net.pt"):
        with pytest.raises(ValueError, match="give the name of a .safetensors file"):
            attach(wrong)
    (tmp_path / "out" / "big.safetensors").write_bytes(bytes(1_000_001))
    with pytest.raises(ValueError, match="at most 1000000"):
        attach("big.safetensors")


def test_data_are_copies_and_unknown_ones_are_named(namespace):
    values = namespace["data"]("sum")["values"]
    values.zero_()
    assert namespace["data"]("sum")["values"].sum() > 0
    with pytest.raises(ValueError, match="question 'double' has no data; there are sum"):
        namespace["data"]("double")


def test_without_the_first_cell_it_says_so():
    code = (
        "from srlib import assignments as a\n"
        "for call in (lambda: a.data('x'), lambda: a.check('x', abs), lambda: a.use('broken')):\n"
        "    try: call()\n    except (RuntimeError, ValueError) as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == lines[1] == "run the cell with use(…), near the notebook's top, before this one"
    assert lines[2] == "the notebook's first cell is damaged: copy it again from the assignment"


def test_in_the_grader_checks_do_nothing(monkeypatch):
    monkeypatch.setenv("SRLIB_SANDBOX", "1")
    assert assignments.in_grader() and assignments.check("anything", None)
    assignments.use("broken")


@pytest.mark.parametrize(
    "source, message",
    [
        ("### BEGIN SOLUTION\nx", "without ### END SOLUTION"),
        ("### END SOLUTION", "stands where it does not belong"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "stands where it does not belong"),
    ],
)
def test_marks_that_do_not_match_are_refused(source, message):
    with pytest.raises(student.MasterError, match=message):
        student.without_solution(source)


def test_a_solution_in_the_middle_leaves_the_rest():
    solution = "### BEGIN SOLUTION\n{0}b = 2\n{0}### END SOLUTION"
    source = f"a = 1\n{solution.format('')}\ndef f():\n    {solution.format('    ')}"
    assert student.without_solution(source) == (
        "a = 1\nraise NotImplementedError\ndef f():\n    raise NotImplementedError"
    )


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p: (p / "questions.py").write_text("1 +"), "cannot be imported: SyntaxError"),
        (lambda p: (p / "questions.py").write_text("x = 1"), "defines no ASSIGNMENT"),
        (lambda p: (p / "questions.py").write_text(tiny.QUESTIONS.replace('"tiny"', '"other"')), "is called 'other'"),
        (lambda p: (p / "questions.py").write_text(tiny.QUESTIONS.replace("0.5)", "5.0)")), "share 5.0"),
        (
            lambda p: (p / "questions.py").write_text(tiny.QUESTIONS.replace('"sum"', '"double"')),
            "two questions have one",
        ),
        (
            lambda p: (p / "questions.py").write_text(tiny.QUESTIONS.replace('"double", 2', '"twice", 2')),
            "the master answers",
        ),
        (lambda p: (p / "master.ipynb").unlink(), "master.ipynb is missing"),
        (lambda p: (p / "master.ipynb").write_text("{}"), "is no notebook"),
    ],
)
def test_a_faulty_master_is_one_line(tmp_path, masters, capsys, change, message):
    change(masters / "tiny")
    assert main(["assign", "tiny", "--masters", str(masters), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_wrong_words_are_one_line(tmp_path, masters, capsys):
    assert main(["assign", "poems", "--masters", str(masters), "--out", "o"]) == 2
    assert "no assignment 'poems'" in capsys.readouterr().err
    assert main(["assign", "tiny", "--masters", str(masters)]) == 2
    assert "--out is missing: srlib assign tiny --out DIR" in capsys.readouterr().err
    assert main(["assign", "tiny", "--masters", str(tmp_path / "no"), "--out", "o"]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_calibration_shows_the_masters_scores_and_keeps_its_outputs(tmp_path, masters, capsys):
    assert main(["assign", "tiny", "--masters", str(masters), "--calibrate"]) == 0
    said = capsys.readouterr().out
    assert "the master: 10 of 10 points" in said and "brighten: nothing up to" in said
    made = json.loads((masters / "tiny" / "master.ipynb").read_text())
    assert "data-srlib-file" in json.dumps(made["cells"][-1]["outputs"])
    assert "right on 1 example; the grader uses others." in json.dumps(made["cells"][3]["outputs"])
