"""What Gradescope, otter and nbgrader take, run by them or as they would run it, each in an environment of its own."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from srlib.cli import main
from tests.grading import tiny

ROOT = Path(__file__).parents[2]
QUIET = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def run(words: list, folder: Path, **environment: str) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=os.environ | environment, timeout=900)
    assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture
def masters(tmp_path):
    return tiny.make(tmp_path)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """A Python with otter and nbgrader in front of our own libraries; srlib itself comes from the clone."""
    place = tmp_path_factory.mktemp("others") / "env"
    venv.create(place, with_pip=True)
    run([place / "bin" / "python", *QUIET, "otter-grader==7.0.0", "nbgrader==0.9.6"], place)
    site = next((place / "lib").glob("python*")) / "site-packages"
    (site / "zz-ours.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    return place / "bin"


def test_the_zip_for_gradescope_is_the_same_each_time_and_whole(tmp_path, masters):
    for name in ("a", "b"):
        main(
            ["assign", "tiny", "--masters", str(masters), "--out", str(tmp_path / name), "--gradescope", "--seed", "3"]
        )
    first, second = (tmp_path / name / "tiny-gradescope.zip" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = set(archive.namelist())
        assert {"setup.sh", "run_autograder", "package/pyproject.toml", "package/srlib/grading/judge.py"} <= names
        assert {"assignments/tiny/master.ipynb", "package/data/manifest.toml"} <= names
        assert not any("__pycache__" in name or "/tests/" in name for name in names)
        assert json.loads(archive.read("settings.json")) == {"part": "tiny", "seed": 3}
        assert archive.getinfo("setup.sh").external_attr >> 16 & 0o111


def autograder(tmp_path, masters) -> Path:
    """A folder as Gradescope has it, with one submission."""
    main(["assign", "tiny", "--masters", str(masters), "--out", str(tmp_path / "made"), "--gradescope"])
    root = tmp_path / "autograder"
    with zipfile.ZipFile(tmp_path / "made" / "tiny-gradescope.zip") as archive:
        archive.extractall(root / "source")
    (root / "submission").mkdir()
    notebook = tiny.handed_in(tiny.DOUBLE, tiny.SUM, tiny.BRIGHTEN, "1 / 0")
    (root / "submission" / "any name.ipynb").write_bytes(notebook)
    (root / "submission" / "net.safetensors").write_bytes(tiny.weights())
    (root / "submission_metadata.json").write_text(json.dumps({"users": [{"sid": "17", "email": "a@example.org"}]}))
    return root


def test_an_autograder_without_a_notebook_says_so(tmp_path, masters):
    from srlib.grading import gradescope

    root = autograder(tmp_path, masters)
    (root / "submission" / "any name.ipynb").unlink()
    assert gradescope.main(root) == 0
    assert "No notebook" in json.loads((root / "results" / "results.json").read_text())["output"]
    (root / "source" / "settings.json").write_text('{"part": "poems", "seed": 0}')
    assert gradescope.main(root) == 1
    assert "no fault of yours" in json.loads((root / "results" / "results.json").read_text())["output"]


@pytest.mark.slow
def test_gradescopes_scripts_run_in_a_clean_folder(tmp_path, masters):
    root = autograder(tmp_path, masters)
    clean = {"AUTOGRADER_ROOT": str(root), "PYTHONPATH": "", "VIRTUAL_ENV": ""}
    run(["bash", root / "source" / "setup.sh"], tmp_path, **clean)
    run(["bash", root / "source" / "run_autograder"], tmp_path, **clean)
    found = json.loads((root / "results" / "results.json").read_text())
    assert [(test["name"], test["score"], test["max_score"]) for test in found["tests"]] == [
        ("double", 2, 2),
        ("sum", 1, 1),
        ("brighten", 4, 4),
        ("net", 3, 3),
    ]
    assert found["output"] == "Code cell 5: ZeroDivisionError: division by zero (line 1 of the cell: 1 / 0)"
    assert found["extra_data"]["isolation"] in ("bubblewrap", "namespaces", "landlock", "uid")


@pytest.mark.slow
def test_otter_assigns_and_runs_its_master(tmp_path, others):
    assert main(["assign", "pixels", "--out", str(tmp_path), "--otter"]) == 0
    path = {"PATH": f"{others}:{os.environ['PATH']}", "PYTHONPATH": ""}
    run([others / "otter", "assign", "pixels.ipynb", "dist"], tmp_path / "otter", **path)
    folder = tmp_path / "otter" / "dist" / "autograder"
    student = (tmp_path / "otter" / "dist" / "student" / "pixels.ipynb").read_text()
    assert "SOLUTION" not in student and "earned(" not in student and "PROMPT" not in student
    assert student.count("NotImplementedError") == 4 and student.count("def kernel") == 1
    table = run([others / "otter", "run", "-a", next(folder.glob("*.zip")), folder / "pixels.ipynb"], tmp_path, **path)
    scores = [line.split()[-2:] for line in table.splitlines() if line.strip()[:1].isdigit() and "Public" not in line]
    assert scores == [["3.0", "3.0"], ["4.0", "4.0"], ["4.0", "4.0"], ["4.0", "4.0"], ["5.0", "5.0"]], table


@pytest.mark.slow
def test_nbgrader_releases_and_grades_its_source(tmp_path, others):
    assert main(["assign", "pixels", "--out", str(tmp_path), "--nbgrader"]) == 0
    path = {"PATH": f"{others}:{os.environ['PATH']}", "PYTHONPATH": "", "HOME": str(tmp_path)}
    run([others / "nbgrader", "generate_assignment", "pixels", "--create"], tmp_path, **path)
    released = (tmp_path / "release" / "pixels" / "pixels.ipynb").read_text()
    assert "NotImplementedError" in released and "SOLUTION" not in released and "earned(" not in released
    assert [file.name for file in (tmp_path / "release" / "pixels").iterdir()] == ["pixels.ipynb"]
    for student, folder in (("ada", "source"), ("bob", "release")):
        place = tmp_path / "submitted" / student / "pixels"
        place.mkdir(parents=True)
        for file in (tmp_path / folder / "pixels").iterdir():
            (place / file.name).write_bytes(file.read_bytes())
    run([others / "nbgrader", "autograde", "pixels"], tmp_path, **path)
    run([others / "nbgrader", "export"], tmp_path, **path)
    lines = (tmp_path / "grades.csv").read_text().splitlines()
    assert [line.split(",")[3] + " " + line.split(",")[-2] for line in lines[1:]] == ["ada 20.0", "bob 0.0"]


def test_points_in_the_kernel_are_those_of_the_judge(tmp_path, monkeypatch, capsys):
    from srlib.grading.inkernel import earned

    monkeypatch.chdir(tmp_path)
    Path("questions.py").write_text(tiny.QUESTIONS)
    assert earned("tiny", "double", lambda x: x + x, masters=str(tiny.make(tmp_path / "own"))) == 2
    assert earned("questions.py", "double", lambda x: x + x) == 2
    assert earned("questions.py", "double", lambda x: x**2) == 1
    assert earned("questions.py", "double", lambda x: (x**3).tolist()) == 0
    assert earned("questions.py", "sum", "text") == 0
    assert earned("questions.py", "brighten", lambda x: 2 * x, floor=0.0, full=80.0) == 4
    assert earned("questions.py", "brighten", lambda x: 1 / 0, floor=0.0, full=80.0) == 0
    assert earned("questions.py", "net", floor=0.0, full=80.0) == 0
    Path("net.safetensors").write_bytes(tiny.weights())
    assert earned("questions.py", "net", floor=0.0, full=80.0) == 3
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_every_master_becomes_a_student_otter_and_nbgrader_notebook_in_valid_form(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    for part in ("pixels", "networks", "perception", "video", "loops", "real"):
        nbformat.validate(nbformat.read(ROOT / "assignments" / part / "master.ipynb", as_version=4))
        assert main(["assign", part, "--out", str(tmp_path)]) == 0
        made = nbformat.read(tmp_path / f"{part}.ipynb", as_version=4)
        nbformat.validate(made)
        assert all(not cell.get("outputs") for cell in made.cells), part
        assert "SOLUTION" not in json.dumps(made), part
        assert sys.getsizeof(json.dumps(made)) < 200_000
