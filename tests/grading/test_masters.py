"""Each assignment run from top to bottom as by a student who has every answer; also with Colab's versions."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from srlib.grading import drawn, folders, student
from srlib.grading.questions import MeasuredQuestion

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("part", ["pixels", "networks", "perception", "video", "loops", "real"])
def test_the_outputs_that_it_carries_are_of_passed_checks(part):
    cells = nbformat.read(ROOT / "assignments" / part / "master.ipynb", as_version=4).cells
    checks = [cell for cell in cells if cell.cell_type == "code" and cell.source.startswith("check(")]
    assert [cell.outputs[0].data["text/plain"][0] for cell in checks] == ["✓"] * 5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's manager, which is not ours
@pytest.mark.parametrize("part", ["pixels", "networks", "perception", "video", "loops", "real"])
def test_all_its_cells_run_and_all_its_checks_pass(part, tmp_path):
    loaded = folders.load(part, ROOT / "assignments")
    questions = loaded.assignment.questions
    given = drawn.given(loaded.assignment, 0, drawn.SHARED)[0]
    made = nbformat.from_dict(student.as_notebook(student.complete(loaded, given), loaded))
    NotebookClient(made, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    checks = [cell for cell in made.cells if cell.cell_type == "code" and cell.source.startswith("check(")]
    assert len(checks) == len(questions)
    for cell in checks:
        (output,) = (output for output in cell.outputs if output.output_type == "execute_result")
        assert output.data["text/plain"].startswith("✓"), output.data["text/plain"]
    trained = [q.name for q in questions if isinstance(q, MeasuredQuestion) and q.network is not None]
    carried = [cell for cell in made.cells if "data-srlib-file" in str(cell.get("outputs", ""))]
    assert len(carried) == len(trained)
