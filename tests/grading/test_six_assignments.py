"""All six assignments through the sandbox: reference, stub, named mistakes, other styles, other wrong answers."""

import importlib
import json
from itertools import zip_longest

import pytest

from srlib.grading import folders, student
from srlib.grading.marker import Marker
from srlib.grading.questions import FunctionQuestion, MeasuredQuestion, ValueQuestion
from srlib.grading.sandbox.host import Sandbox
from tests.grading.notebooks import notebook

PARTS = ("pixels", "networks", "perception", "video", "loops", "real")
SETUP = "from srlib.assignments import attach, check, data, in_grader, use"
WORDS = {"raised", "unusable", "wrong", "part", "missing", "time"}  # statuses of an answer that gets less than all

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    with Sandbox() as made:
        yield made


@pytest.fixture(scope="module", params=PARTS)
def marker(request, server):
    made = Marker(folders.load(request.param), server, seed=11)
    made.calibrate()
    return made


@pytest.fixture(scope="module")
def answers(marker):
    return importlib.import_module(f"tests.grading.answers_{marker.assignment.part}")


def scores(marker, *cells: str, who: str = "ada") -> dict:
    record = marker.mark(notebook(SETUP, *cells), {}, who)
    assert record["left"] == 0 and not record["report"]["problem"], record["report"]
    return {score["name"]: score for score in record["scores"]}


def cells(marker, row: dict[str, tuple[str, str]]) -> list[str]:
    """The sources, with its data before each that has any; these first, since they use short names as they like."""
    given = {q.name for q in marker.assignment.questions if isinstance(q, ValueQuestion)}
    order = sorted(row, key=lambda name: name not in given)
    return [f'given = data("{name}")\n' * (name in given) + row[name][1] for name in order]


def together(lists: dict[str, dict[str, str]]) -> list[dict[str, tuple[str, str]]]:
    """question -> name -> source, as notebooks with one answer for each question: question -> (name, source)."""
    rows = zip_longest(*([(question, *item) for item in named.items()] for question, named in lists.items()))
    return [{item[0]: item[1:] for item in row if item} for row in rows]


def test_it_asks_for_twenty_points_in_five_questions(marker):
    assert marker.assignment.points == 20 and len(marker.assignment.questions) == 5
    assert len(student.cells_of(marker.loaded)) > 10


def test_the_master_gets_everything(marker):
    record = marker.mark(marker.loaded.master, {}, "somebody")
    assert [(s["name"], s["points"]) for s in record["scores"]] == [
        (q.name, q.points) for q in marker.assignment.questions
    ], record
    assert record["report"]["errors"] == {} and record["report"]["dropped"] == {}


def test_the_stub_gets_nothing(marker):
    stub = student.as_notebook(student.handed_out(marker.loaded), marker.loaded)
    record = marker.mark(json.dumps(stub).encode(), {}, "somebody")
    assert sum(s["points"] for s in record["scores"]) == 0, record["scores"]
    assert all(s["hint"] for s in record["scores"])


def test_each_named_mistake_gets_its_share_and_hint(marker, answers):
    questions = {q.name: q for q in marker.assignment.questions if isinstance(q, FunctionQuestion)}
    assert answers.MISTAKES.keys() == questions.keys()
    for name, question in questions.items():
        assert answers.MISTAKES[name].keys() == question.mistakes.keys()
    for row in together(answers.MISTAKES):
        found = scores(marker, *cells(marker, row))
        for name, (hint, _) in row.items():
            share = questions[name].mistakes[hint].share
            assert (found[name]["hint"], found[name]["points"]) == (hint, round(share * questions[name].points, 2))


def test_a_right_answer_counts_in_every_style(marker, answers):
    asked = {q.name for q in marker.assignment.questions if not isinstance(q, MeasuredQuestion)}
    assert answers.STYLES.keys() == asked
    for row in together(answers.STYLES):
        found = scores(marker, *cells(marker, row))
        for name, (style, _) in row.items():
            assert found[name]["points"] == found[name]["of"], (style, found[name])


def test_no_wrong_answer_of_the_second_list_passes(marker, answers):
    for row in together(answers.WRONG):
        found = scores(marker, *cells(marker, row))
        for name, (what, _) in row.items():
            assert found[name]["points"] < found[name]["of"], (what, found[name])
            assert found[name]["status"] in WORDS, (what, found[name])


def test_a_function_answer_worth_nothing_has_a_hint_without_the_right_value(marker, answers):
    row = together(answers.WRONG)[0]
    found = scores(marker, *cells(marker, row))
    assert all(s["hint"] and "expected" not in s["hint"].partition("shape")[0] for s in found.values()), found


def test_other_students_have_other_data(marker):
    mine, yours = marker.given("ada")[0], marker.given("grace")[0]
    for question, tensors in mine.items():
        assert any(not tensor.equal(yours[question][name]) for name, tensor in tensors.items()), question
    again = marker.given("ada")[0]
    assert all(t.equal(again[q][n]) for q, tensors in mine.items() for n, t in tensors.items())
