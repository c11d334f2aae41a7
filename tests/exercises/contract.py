"""What the exercises of every chapter keep; the answers that are tried are the chapter's own."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from srlib.exercises import Exercise, check, find

Answer = Callable[..., Any]


class Contract:
    """A chapter's test file has one class of this kind; `conftest.py` runs through its tables.

    Args:
        chapter: as in the names of its exercises.
        exercises: its table.
        right: {task: answers that must pass}, other than the reference.
        wrong: {task: (words that only this hint has, an answer with that mistake)}, one for each mistake.
    """

    chapter: str
    exercises: dict[str, Exercise]
    right: dict[str, list[Answer]]
    wrong: dict[str, list[tuple[str, Answer]]]

    def check(self, task: str, answer: Answer):
        return check(f"{self.chapter}-{task}", answer)

    def test_every_task_is_tried(self):
        assert set(self.right) == set(self.wrong) == set(self.exercises)
        known = {task: len(exercise.mistakes) for task, exercise in self.exercises.items()}
        assert {task: len(row) for task, row in self.wrong.items()} == known

    def test_reference_passes_at_once_and_stub_fails(self, task):
        def stub(*arguments):
            raise NotImplementedError

        start = time.perf_counter()
        assert self.check(task, find(f"{self.chapter}-{task}").reference)
        assert time.perf_counter() - start < 2
        result = self.check(task, stub)
        assert not result and "not written yet" in result.hint

    def test_other_right_answers_pass(self, task, right):
        assert self.check(task, right)

    def test_each_mistake_gets_its_own_hint(self, task, word, wrong):
        result = self.check(task, wrong)
        assert not result
        assert word in result.hint
        assert sum(word in hint for hint in self.exercises[task].mistakes) == 1

    def test_no_two_mistakes_agree(self, task):
        """Otherwise the second would be given the first one's hint."""
        for hint, mistake in self.exercises[task].mistakes.items():
            assert self.check(task, mistake).hint == hint


def cases(contract: type[Contract], names: list[str]) -> list:
    """The values of a test's arguments: each right answer, each wrong one, or each task."""
    if "right" in names:
        table = {task: [(answer,) for answer in row] for task, row in contract.right.items()}
    elif "wrong" in names:
        table = contract.wrong
    else:
        table = {task: [()] for task in contract.exercises}
    return [pytest.param(task, *one, id=f"{task}-{i}") for task, row in table.items() for i, one in enumerate(row)]
