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
        cells += [_raw(f"# BEGIN QUESTION\nname: {name}\npoints: {question.points:g}")]
        cells += [_raw("# BEGIN SOLUTION"), _code(_with_prompt(cell["source"])), _raw("# END SOLUTION")]
        test = _code(f"# HIDDEN\n{tested(QUESTIONS, loaded, name, seed, limits)}")
        cells += [_raw("# BEGIN TESTS"), test, _raw("# END TESTS"), _raw("# END QUESTION")]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return json.dumps(student.as_notebook(cells, loaded), indent=1, ensure_ascii=False) + "\n"


def tested(part: str, loaded: Loaded, name: str, seed: int, limits: dict, ends: str = "", masters: str = "") -> str:
    """The test cell of one question: an assertion, or for nbgrader the points.

    Args:
        part: the assignment's name or file, as `earned` takes it.
        loaded: the assignment.
        name: of the question.
        seed: of probes and pictures.
        limits: thresholds of measured questions.
        ends: "points" for nbgrader.
        masters: folder of the assignment, where it is not the clone's.
    """
    question = loaded.assignment.question(name)
    if isinstance(question, ValueQuestion):
        answers = [*question.names]
    elif isinstance(question, MeasuredQuestion) and question.network is not None:
        answers = []
    else:
        answers = [name]
    words = [repr(part), repr(name), *answers, f"seed={seed}"]
    words += [f"{key}={value:.6g}" for key, value in limits.get(name, {}).items()]
    words += [f"masters={masters!r}"] if masters else []
    call = f"earned({', '.join(words)}"
    first = "from srlib.grading.inkernel import earned\n"
    return f"{first}{call})" if ends == "points" else f"{first}assert {call}, show=False) >= {question.points:g}"


def _with_prompt(source: str) -> str:
    """Otter's marks in place of ours; what the student sees instead of a solution stands after it, as otter wants."""
    lines, stubbed = [], True
    for line in source.splitlines():
        indent, word = line[: len(line) - len(line.lstrip())], line.strip()
        if word == student.BEGIN:
            stubbed = bool(lines) and lines[-1].rstrip().endswith("# replace this")
            lines.append(f"{indent}# BEGIN SOLUTION")
        elif word == student.END:
            lines.append(f"{indent}# END SOLUTION")
            if not stubbed:
                lines += [f'{indent}""" # BEGIN PROMPT', f"{indent}{student.STUB}", f'{indent}"""; # END PROMPT']
        else:
            lines.append(line)
    return "\n".join(lines)


def _raw(text: str) -> student.Cell:
    return {"cell_type": "raw", "metadata": {}, "source": text}


def _code(text: str) -> student.Cell:
    return {"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
