"""A master for `otter assign` (otter-grader 6 and 7), made from ours. Its tests run in the student's kernel.

Source: otter-grader's documentation, "Notebook format" of Otter Assign.
"""

import json

from srlib.grading import inkernel, student
from srlib.grading.folders import QUESTIONS, Loaded
from srlib.grading.questions import MeasuredQuestion, ValueQuestion

CONFIG = """# ASSIGNMENT CONFIG
name: {part}
export_cell: false
check_all_cell: true
autograder_files:
  - {questions}
generate:
  pdf: false
  seed: {seed}
tests:
  ok_format: true"""


def master(loaded: Loaded, seed: int, given: dict) -> str:
    """The notebook; `questions.py` has to lie beside it.

    Args:
        loaded: the assignment.
        seed: of probes and pictures.
        given: the data for everybody.

    Raises: MasterError; SandboxError, since thresholds come from the master's run.
    """
    limits = inkernel.thresholds(loaded, seed)
    complete = student.complete(loaded, given)
    cells = [_raw(CONFIG.format(part=loaded.assignment.part, questions=QUESTIONS, seed=seed))]
    for cell in complete:
        name = student.answer_of(cell)
        if not name:
            cells.append(cell)
            continue
        question = loaded.assignment.question(name)
        solution = cell["source"].replace(student.BEGIN, "# BEGIN SOLUTION").replace(student.END, "# END SOLUTION")
        # an undefined name would stop a student's own run of the tests, so the stub stands beside the solution
        prompt = student.without_solution(cell["source"])
        cells += [
            _raw(f"# BEGIN QUESTION\nname: {name}\npoints: {question.points:g}"),
            _raw("# BEGIN PROMPT"),
            _code(prompt),
        ]
        cells += [
            _raw("# END PROMPT"),
            _raw("# BEGIN SOLUTION"),
            _code(solution),
            _raw("# END SOLUTION"),
            _raw("# BEGIN TESTS"),
        ]
        cells += [
            _code(f"# HIDDEN\n{test(loaded, name, seed, limits)}"),
            _raw("# END TESTS"),
            _raw("# END QUESTION"),
        ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return json.dumps(student.as_notebook(cells, loaded), indent=1, ensure_ascii=False) + "\n"


def test(loaded: Loaded, name: str, seed: int, limits: dict, ends: str = "") -> str:
    """The test cell of one question: an assertion, or for nbgrader the points."""
    question = loaded.assignment.question(name)
    if isinstance(question, ValueQuestion):
        answers = [*question.names]
    elif isinstance(question, MeasuredQuestion) and question.network is not None:
        answers = []
    else:
        answers = [name]
    words = [
        repr(QUESTIONS),
        repr(name),
        *answers,
        f"seed={seed}",
        *(f"{k}={v:.6g}" for k, v in limits.get(name, {}).items()),
    ]
    call = f"earned({', '.join(words)}"
    first = "from srlib.grading.inkernel import earned\n"
    return f"{first}{call})" if ends == "points" else f"{first}assert {call}, show=False) >= {question.points:g}"


def _raw(text: str) -> student.Cell:
    return {"cell_type": "raw", "metadata": {}, "source": text}


def _code(text: str) -> student.Cell:
    return {"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
