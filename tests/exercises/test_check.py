"""The mechanism of the exercises, and what every exercise of every chapter must do."""

import time

import pytest
import torch

from book._tools.probe import probe
from srlib import exercises
from srlib.exercises import Exercise, Result, check, find, names

MOST_PROBES = 4  # of processor time for a check: 2 s where the chapters' compute lines were written


def not_written(*arguments):
    raise NotImplementedError


@pytest.fixture
def doubling(monkeypatch):
    """One toy exercise, double(x), under the name toy-double."""
    exercise = Exercise(
        reference=lambda x: 2 * x,
        probes=[(torch.tensor([1.0, 3.0]),), (torch.tensor([[0.5]]),)],
        mistakes={"you squared instead of doubling": lambda x: x**2},
    )
    monkeypatch.setattr(exercises, "find", lambda name: exercise)


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda x: x**2, "squared"),
        (not_written, "not written yet"),
        (lambda x: None, "return"),
        (lambda x: x[5], "IndexError"),
        (lambda x: x.mul_(2), "changed its argument"),
        (lambda x: "two", "returned a str"),
        (lambda x: (x, x), "2 value"),
        (lambda x: torch.cat([x, x]), "shape is"),
        (lambda x: x / 0 * 0, "NaN"),
        (lambda x: 2 * x + 0.1, "values differ: 2.1 at"),
    ],
)
def test_each_kind_of_failure_has_its_sentence(doubling, answer, words):
    result = check("toy-double", answer)
    assert not result and words in result.hint and repr(result).startswith("✗ toy-double: ")


@pytest.mark.parametrize("answer", [lambda x: x + x, lambda x: (x + x).numpy(), lambda x: 2 * x.double()])
def test_right_answers_in_any_number_type_pass(doubling, answer):
    assert check("toy-double", answer) == Result("toy-double", True, "right.")


def test_a_notebook_shows_the_sentence_as_text():
    assert Result("a-b", False, "x < y & z")._repr_html_() == "<p>✗ a-b: x &lt; y &amp; z</p>"


def test_wrong_use_is_an_error():
    with pytest.raises(ValueError, match="there are .*interpolation-cubic"):
        check("interpolation-cubics", not_written)
    with pytest.raises(ValueError, match="no exercise 'nonsense'"):
        check("nonsense", not_written)
    with pytest.raises(TypeError, match="your function itself"):
        check(names()[0], 3.0)


@pytest.fixture(scope="module")
def probe_seconds() -> float:
    return min(probe()[0] for _ in range(2))


@pytest.mark.parametrize("name", names())
def test_reference_passes_stub_fails_every_mistake_gets_its_own_hint_fast(name, probe_seconds):
    exercise = find(name)
    start = time.process_time()
    assert check(name, exercise.reference)
    assert "not written yet" in check(name, not_written).hint
    hints = [check(name, mistake).hint for mistake in exercise.mistakes.values()]
    seconds = time.process_time() - start
    assert hints == list(exercise.mistakes) and len(set(hints)) == len(hints) >= 2
    each = seconds / (len(hints) + 2)
    assert each / probe_seconds < MOST_PROBES, (
        f"a check takes {each:.2f} s of the processor, a probe {probe_seconds:.2f}"
    )
