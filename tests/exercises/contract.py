"""What the exercises of every chapter keep; the answers that are tried are the chapter's own.

`test_check.py` tries what needs no answers of a test's own: the reference, a stub and the known mistakes themselves.
"""

from collections.abc import Callable
from typing import Any

from srlib.exercises import Exercise, check
from tests.conftest import every

Answer = Callable[..., Any]


class Contract:
    """A chapter's test file has one class of this kind; `conftest.py` runs through its tasks.

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

    def test_other_right_answers_pass(self, task):
        every(lambda number, answer: self.passes(task, answer), enumerate(self.right[task]))

    def passes(self, task: str, answer: Answer) -> None:
        result = self.check(task, answer)
        assert result, result.hint

    def test_each_mistake_gets_its_own_hint(self, task):
        every(lambda word, answer: self.fails(task, word, answer), self.wrong[task])

    def fails(self, task: str, word: str, answer: Answer) -> None:
        result = self.check(task, answer)
        assert not result
        assert word in result.hint, result.hint
        assert sum(word in hint for hint in self.exercises[task].mistakes) == 1
