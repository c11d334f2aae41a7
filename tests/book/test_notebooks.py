"""Chapters as they are committed and as they run. `make test-book` also runs each under nbmake, small."""

import ast
import json
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from book._tools import execute
from book._tools.execute import Run, run
from book._tools.pages import ROOT, chapters, install_cell, pages, source
from book._tools.probe import LINE_SECONDS, probe

pytestmark = pytest.mark.book
each_chapter = pytest.mark.parametrize("page", chapters())

LEAST_EXERCISES = 3
MOST_SECONDS, MOST_MEGABYTES = 60, 1500  # of a chapter on two cores; Binder gives 2 GB
# Below these a chapter is small, and measuring it says more about the machine than about the chapter.
SMALL_SECONDS, SMALL_MEGABYTES = 20, 400
# Processors differ in what they are good at, and so does what a chapter asks for: the probe is no exact yardstick.
SECONDS_FACTOR, MEGABYTES_FACTOR = 4, 2
COMPUTE = re.compile(
    r"^\*\*CPU\*\* (?P<cpu>\d+(?:\.\d+)?) (?P<cpu_unit>s|min) · "
    r"\*\*GPU\*\* (?P<gpu>\d+(?:\.\d+)?) (?P<gpu_unit>s|min) · "
    r"\*\*Memory\*\* (?P<memory>\d+(?:\.\d+)?) (?P<memory_unit>MB|GB)$",
    re.MULTILINE,
)
UNITS = {"s": 1, "min": 60, "MB": 1, "GB": 1000}


def load(page: str) -> nbformat.NotebookNode:
    return nbformat.read(source(page), as_version=4)


def code_cells(page: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in load(page).cells if cell.cell_type == "code"]


def trees(page: str) -> list[ast.Module]:
    """The parsed code of a chapter, without its install cell."""
    return [ast.parse(cell.source) for cell in code_cells(page)[1:]]


def compute_line(page: str) -> dict[str, float]:
    first = load(page).cells[0]
    found = COMPUTE.search(first.source)
    assert found, f"{page}: the first cell needs a line like **CPU** 20 s · **GPU** 5 s · **Memory** 600 MB"
    return {name: float(found[name]) * UNITS[found[f"{name}_unit"]] for name in ("cpu", "gpu", "memory")}


def library_names() -> set[str]:
    """Every function and class that a module of srlib defines at its top, without the private ones."""
    found = set()
    for path in (ROOT / "srlib").rglob("*.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        found |= {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return {name for name in found if not name.startswith("_")}


def test_every_page_has_one_source():
    assert [source(page) for page in pages()]


def test_no_notebook_is_left_out_of_the_book():
    kept = {source(page) for page in chapters()}
    there = {path for path in (ROOT / "book").rglob("*.ipynb") if "node_modules" not in path.parts}
    assert {path for path in there if not any(part.startswith(".") for part in path.parts)} == kept


@each_chapter
def test_notebook_is_stripped_and_clean(page):
    raw = json.loads(source(page).read_text(encoding="utf-8"))
    nbformat.validate(raw)
    assert raw["metadata"]["kernelspec"]["name"] == "python3"
    assert raw["metadata"].keys() <= {"kernelspec", "language_info", "accelerator"}
    assert raw["metadata"].get("language_info", {}).keys() <= {"name"}, "the rest changes with every editor"
    for cell in raw["cells"]:
        assert cell["metadata"].keys() <= {"tags", "mystnb"}, cell["source"]
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None, "run nbstripout --keep-id"


@each_chapter
def test_first_code_cell_installs(page):
    first = code_cells(page)[0]
    assert first.source == install_cell()
    assert first.metadata.get("tags") == ["remove-cell"]


@each_chapter
def test_no_other_shell_or_magic(page):
    for cell in code_cells(page)[1:]:
        assert not [line for line in cell.source.splitlines() if line.lstrip().startswith(("!", "%"))]


@each_chapter
def test_chapter_begins_with_title_and_compute_line(page):
    first = load(page).cells[0]
    assert first.cell_type == "markdown"
    lines = [line for line in first.source.splitlines() if line and not re.fullmatch(r"\([\w-]+\)=", line)]
    assert re.fullmatch(r"# \S.*", lines[0])
    assert COMPUTE.fullmatch(lines[1]), f"expected the compute line under the title, found: {lines[1]}"
    prose = "\n".join(cell.source for cell in load(page).cells if cell.cell_type == "markdown")
    assert len(re.findall(r"^# ", prose, re.M)) == 1, "one title a chapter; sections begin with ##"


@each_chapter
def test_chapter_has_checked_exercises_with_folded_solutions(page):
    names = {
        node.args[0].value
        for tree in trees(page)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)
        if getattr(node.func, "id", getattr(node.func, "attr", None)) == "check"
    }
    prose = "\n".join(cell.source for cell in load(page).cells if cell.cell_type == "markdown")
    assert len(names) >= LEAST_EXERCISES
    assert len(re.findall(r"^(?:`{3,}|:{3,})\{exercise(?:-start)?\}", prose, re.M)) >= LEAST_EXERCISES
    solutions = re.findall(r"^(?:`{3,}|:{3,})\{solution(?:-start)?\}[^\n]*\n((?::[^\n]*\n)*)", prose, re.M)
    assert len(solutions) >= LEAST_EXERCISES
    assert all(re.search(r"^:class:.*\bdropdown\b", options, re.M) for options in solutions)


@each_chapter
def test_chapter_defines_nothing_that_srlib_has(page):
    mine = {
        node.name
        for tree in trees(page)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    assert mine & library_names() == set(), "import the library's, or call yours my_..."


@each_chapter
def test_chapter_reads_no_file_by_path(page):
    text = "\n".join(cell.source for cell in code_cells(page))
    assert not re.search(r"""['"](?:\.\./|data/|book/|/[a-z]+/)""", text)


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    """Every chapter at the size the site shows; what `make book` executed already comes from its cache."""
    found = dict(zip(chapters(), execute.run_all(map(source, chapters())), strict=True))
    assert {page: str(done) for page, done in found.items() if not isinstance(done, Run)} == {}
    return found


@each_chapter
def test_outputs_have_no_warning_and_pictures_have_alt_text(page, runs):
    for cell in (cell for cell in runs[page].notebook.cells if cell.cell_type == "code"):
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                assert "Warning" not in output.text, output.text
            if any(kind.startswith("image/") for kind in output.get("data", {})):
                alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
                assert len(alt) >= 15, f"set the cell's metadata mystnb.image.alt\n{cell.source}"


@each_chapter
def test_stubs_fail_and_solutions_pass(page, runs):
    said = {"exercise-stub": [], "solution": []}
    for cell in (cell for cell in runs[page].notebook.cells if cell.cell_type == "code"):
        for tag in said.keys() & set(cell.metadata.get("tags", [])):
            said[tag].append("".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs))
    assert len(said["exercise-stub"]) == len(said["solution"]) >= LEAST_EXERCISES
    assert all("not written yet" in text for text in said["exercise-stub"])
    assert all(text.startswith("✓") for text in said["solution"]), "end the cell with check(...), to show its answer"


@each_chapter
def test_compute_line_promises_little(page):
    stated = compute_line(page)
    assert stated["cpu"] <= MOST_SECONDS and stated["memory"] <= MOST_MEGABYTES


@each_chapter
def test_compute_line_is_true(page, runs):
    """In processor time against a probe beside it; `python -m benchmarks.compute_lines` judges by the clock."""
    stated, ran = compute_line(page), runs[page]
    seconds = ran.probes * LINE_SECONDS
    for said, measured, small, factor in (
        (stated["cpu"], seconds, SMALL_SECONDS, SECONDS_FACTOR),
        (stated["memory"], ran.megabytes, SMALL_MEGABYTES, MEGABYTES_FACTOR),
    ):
        ratio = max(measured, small) / max(said, small)
        assert 1 / factor <= ratio <= factor, (
            f"{page} says {stated}; it took {ran.probes:.0f} probes, which stand for {seconds:.0f} s, and "
            f"{ran.megabytes:.0f} MB"
        )


@pytest.fixture
def small_tree(tmp_path, monkeypatch):
    """A tree with one library file, one data file and something in the cache, in place of the repository."""
    for name in ("srlib/resample.py", "data/card.json", "constraints.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    for name, place in (("ROOT", ""), ("BUILD", "b"), ("CACHE", "b/cache"), ("SITE", "b/html")):
        monkeypatch.setattr(execute, name, tmp_path / place)
    execute.forget_stale()
    (tmp_path / "b" / "cache").mkdir()
    return tmp_path


@pytest.mark.parametrize("changed", ["srlib/resample.py", "srlib/new.py", "data/card.json", "constraints.txt"])
def test_cached_outputs_are_forgotten_when_their_world_changes(small_tree, changed):
    execute.forget_stale()
    assert (small_tree / "b" / "cache").exists()
    (small_tree / changed).write_text("2")
    execute.forget_stale()
    assert not (small_tree / "b" / "cache").exists()


def test_cached_outputs_are_forgotten_when_the_budget_changes(small_tree, monkeypatch):
    monkeypatch.setenv("SRLIB_BUDGET", "another")
    execute.forget_stale()
    assert not (small_tree / "b" / "cache").exists()


def write_chapter(path: Path, *cells: str) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


def texts(ran: Run) -> list[str]:
    """What the last line of each cell is."""
    return ["".join(output.data["text/plain"] for output in cell.outputs) for cell in ran.notebook.cells]


def test_chapters_are_executed_two_at_a_time_and_in_their_order(small_tree, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    meet = (
        "import os, pathlib, time\n"
        "pathlib.Path('{0}').touch()\n"
        "while not pathlib.Path('{1}').exists(): time.sleep(0.05)\n"  # for ever, if they came one after the other
        "os.environ['OMP_NUM_THREADS']"
    )
    both = [meet.format("a", "b"), meet.format("b", "a")] if execute.AT_ONCE == 2 else ["1", "2"]
    paths = [write_chapter(small_tree / f"{i}.ipynb", cell) for i, cell in enumerate([*both, "1 / 0", "'fourth'"])]
    first, second, third, fourth = execute.run_all(paths)
    if execute.AT_ONCE == 2:
        assert texts(first) == texts(second) == ["'1'"]
    assert not first.cached
    assert isinstance(third, CellExecutionError) and third.ename == "ZeroDivisionError"
    assert texts(fourth) == ["'fourth'"]
    again = list(execute.run_all(paths))
    assert [again[i].cached for i in (0, 1, 3)] == [True] * 3
    assert replace(again[0], notebook=None) == replace(first, notebook=None, cached=True), "its measures are kept"
    assert "OMP_NUM_THREADS" not in os.environ


def test_a_chapter_costs_what_it_computes_not_how_long_it_waits(small_tree, monkeypatch):
    """Ten probes cost ten probes more than nothing does, in the kernel or in a process that it starts."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    ten = execute.PROBE + "\nfor _ in range(10): probe()"
    cells = {
        "nothing": "None",
        "sleeps": "import time; time.sleep(8)",
        "computes": ten,
        "has children": f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ten!r}], check=True)",
    }
    runs = {name: run(write_chapter(small_tree / f"{name}.ipynb", cell)) for name, cell in cells.items()}
    cost = {name: ran.probes - runs["nothing"].probes for name, ran in runs.items()}
    assert runs["sleeps"].seconds >= 8
    assert cost["sleeps"] < 4 and 5 < cost["computes"] < 20 and 5 < cost["has children"] < 40, cost


def test_the_probe_leaves_no_trace_in_a_chapter(small_tree):
    """The same cells, by the bare client and between two probes, in all that a page shows or a cell can ask for."""
    cells = (
        "import random\nimport numpy as np\nimport torch\nbefore = torch.initial_seed(), torch.get_num_threads()\n"
        "torch.manual_seed(0), np.random.seed(0), random.seed(0);",
        "print('text')\ntorch.rand(2).tolist(), np.random.rand(), random.random()",
        "sorted(name for name in globals() if not name.startswith('_'))",
        "In, list(Out), torch.is_grad_enabled(), torch.get_default_dtype()",
    )
    path = write_chapter(small_tree / "chapter.ipynb", *cells)
    bare = nbformat.read(path, as_version=4)
    NotebookClient(bare, timeout=execute.CELL_SECONDS, kernel_name="python3", record_timing=False).execute()
    probed = run(path).notebook
    assert [cell.outputs for cell in probed.cells] == [cell.outputs for cell in bare.cells]
    assert [cell.execution_count for cell in probed.cells] == [1, 2, 3, 4]


def test_the_probe_draws_no_random_number():
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    with torch.no_grad():
        processor, seconds = probe()
        assert not torch.is_grad_enabled()
    assert processor > 0 and seconds > 0
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_a_chapter_without_all_its_measures_is_executed_again(small_tree):
    path = write_chapter(small_tree / "chapter.ipynb", "6 * 7")
    measured = {"execution_seconds": 1.0, "processor_seconds": 2.0, "probe_seconds": 0.5, "peak_megabytes": 3.0}
    bundle = CacheBundleIn(nbformat.read(path, as_version=4), str(path), data=measured)
    get_cache(str(execute.CACHE)).cache_notebook_bundle(bundle, check_validity=False)
    kept = run(path)
    assert kept.cached and (kept.seconds, kept.processor_seconds, kept.probes, kept.megabytes) == (1, 2, 4, 3)
    del measured["probe_seconds"]  # as an older version of the book wrote it
    get_cache(str(execute.CACHE)).cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    again = run(path)
    assert not again.cached and texts(again) == ["42"] and again.probe_seconds > 0
    assert run(path).cached


def test_who_stops_waiting_stops_the_chapters(small_tree):
    sleep = "import pathlib, time; time.sleep(10_000); pathlib.Path('slept').touch()"
    paths = [write_chapter(small_tree / f"{i}.ipynb", cell) for i, cell in enumerate(["1", sleep, sleep])]
    runs = execute.run_all(paths)
    next(runs)
    runs.close()  # whoever waited here would let a chapter sleep to its end
    assert not list(small_tree.glob("slept")) and execute._running == []


def test_install_cell_is_silent_where_srlib_is_there(tmp_path):
    path = write_chapter(tmp_path / "install.ipynb", install_cell())
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbmake", "--overwrite", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert nbformat.read(path, as_version=4).cells[0].outputs == []


def test_install_cell_installs_where_srlib_is_missing(tmp_path):
    """IPython hands the requirement to pip as one argument; `pip` here is a script that writes it down."""
    (tmp_path / "pip.py").write_text("import sys, json; json.dump(sys.argv[1:], open('asked.json', 'w'))")
    code = (
        "import sys; sys.modules['srlib'] = None\n"  # makes `import srlib` fail
        "from IPython.core.interactiveshell import InteractiveShell\n"
        f"InteractiveShell.instance().run_cell({install_cell()!r})"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "IPYTHONDIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    asked = json.loads((tmp_path / "asked.json").read_text())
    assert asked[:3] == ["install", "-q", "--no-deps"]
    assert re.fullmatch(r"srlib @ git\+https://github\.com/[\w-]+/[\w-]+@v\d+\.\d+\.\d+", asked[3])
    assert asked[4:] == ["pytorch_wavelets==1.3.0"]
