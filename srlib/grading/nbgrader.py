"""A source notebook for nbgrader (its format 3), made from our master. Its tests run in the student's kernel.

The questions stay in the clone or in `--masters`: nbgrader would hand out every file that lies beside the notebook.

Source: nbgrader's documentation, "Creating and grading assignments"; a test cell whose last line is a number gives
that many points.
"""

import json

from srlib.grading import inkernel, otter, student
from srlib.grading.folders import Loaded


def source(loaded: Loaded, seed: int, given: dict, masters: str = "") -> str:
    """The notebook.

    Args:
        loaded: the assignment.
        seed: of probes and pictures.
        given: the data for everybody.
        masters: folder of the assignment, where it is not the clone's.

    Raises: MasterError; SandboxError, since thresholds come from the master's run.
    """
    part = loaded.assignment.part
    limits = inkernel.thresholds(loaded, seed)
    cells = []
    for cell in student.complete(loaded, given):
        name = student.answer_of(cell)
        cells.append(cell)
        if name:
            cell["metadata"] = {"nbgrader": _mark(f"{name}-answer", solution=True)}
            test = otter.tested(part, loaded, name, seed, limits, ends="points", masters=masters)
            text = f"### BEGIN HIDDEN TESTS\n{test}\n### END HIDDEN TESTS"
            made = {"cell_type": "code", "id": f"test-{name}", "source": text, "outputs": [], "execution_count": None}
            points = loaded.assignment.question(name).points
            cells.append(made | {"metadata": {"nbgrader": _mark(f"{name}-test", grade=True) | {"points": points}}})
    return json.dumps(student.as_notebook(cells, loaded), indent=1, ensure_ascii=False) + "\n"


def _mark(name: str, *, solution: bool = False, grade: bool = False) -> dict:
    return {
        "grade": grade,
        "grade_id": name,
        "locked": grade,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
