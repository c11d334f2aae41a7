"""What an assignment asks: functions, values computed from a student's own data, measured pictures, trained weights.

An assignment is a folder with `master.ipynb` and `questions.py`, whose `ASSIGNMENT` is made of the classes here. A
question says what is right and what each named mistake is worth; `srlib.grading.judge` asks the notebook and compares.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Generator, Tensor, nn

from srlib.exercises import Exercise

Apply = Callable[..., Tensor]


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer, and what it is worth.

    Args:
        function: the wrong function; for a value, it takes what `ValueQuestion.data` gave and returns the wrong values.
        share: share of the points, 0 to 1.
    """

    function: Callable
    share: float


@dataclass(frozen=True)
class FunctionQuestion:
    """A function, called on probes that the student has not seen.

    Args:
        name: name of the student's function.
        points: points of a right answer.
        reference: the right function.
        probes: probes drawn by a generator: tuples of arguments, such that no mistake agrees with the reference on all.
        examples: a few small probes that the student may see; the student's notebook checks itself on them.
        mistakes: hint -> mistake. The hint says what was done and why that is wrong.
        tolerance: largest absolute difference that counts as right.
    """

    name: str
    points: float
    reference: Callable
    probes: Callable[[Generator], Sequence[tuple]]
    examples: Sequence[tuple]
    mistakes: Mapping[str, Mistake] = field(default_factory=dict)
    tolerance: float = 1e-4

    def exercise(self, probes: Sequence[tuple]) -> Exercise:
        """The same as an exercise of the course, on these probes."""
        wrong = {hint: mistake.function for hint, mistake in self.mistakes.items()}
        return Exercise(self.reference, probes, wrong, self.tolerance)


@dataclass(frozen=True)
class ValueQuestion:
    """Values that the notebook computes from data of its own for each student, found under their names at the end.

    Args:
        name: name of the question.
        points: points of a right answer.
        names: names of the values.
        data: draws a student's data: a dictionary of tensors, which the notebook gets by `srlib.assignments.data`, and
            the truth, which stays with the grader.
        judge: `judge(truth, values) -> (share, hint)`. The values come from the notebook: `names` -> float64 tensor,
            bool, int, text, or a list or tuple of these; whatever else they are, `judge` must not raise.
        like: for each name a value of the right form, which the student's own check compares forms with.
    """

    name: str
    points: float
    names: Sequence[str]
    data: Callable[[Generator], tuple[dict[str, Tensor], Any]]
    judge: Callable[[Any, dict[str, Any]], tuple[float, str]]
    like: Sequence[Any] = ()


@dataclass(frozen=True)
class MeasuredQuestion:
    """A result that is measured, and worth the share of the way from `floor` to `full`.

    Args:
        name: name of the student's function; for weights, of the file without its ending.
        points: points at `full` and above.
        measure: `measure(apply, pictures, generator) -> (score, note)`: `apply` is the student's function, called in
            the sandbox, or the network filled with the student's weights; more is better. An `apply` that fails raises
            `AnswerError`, which `measure` lets pass.
        picture_size: side of the square pictures, RGB in [0, 1], that `measure` gets; (3, side, side) each.
        pictures: how many.
        baseline: what earns nothing, as an `apply`; its score is the floor.
        unit: of the score, for the feedback.
        network: for weights: builds the network from the settings in the file's header (texts); ValueError if they
            make no sense. None: a function.
        parameters: for weights: the most parameters allowed.
        settings: for weights: the names that the file's header has to have.
        slack: this much below the master's own score still earns everything.
    """

    name: str
    points: float
    measure: Callable[[Apply, Sequence[Tensor], Generator], tuple[float, str]]
    baseline: Apply
    picture_size: int = 96
    pictures: int = 4
    unit: str = "dB"
    network: Callable[[Mapping[str, str]], nn.Module] | None = None
    parameters: int = 0
    settings: Sequence[str] = ()
    slack: float = 0.1


Question = FunctionQuestion | ValueQuestion | MeasuredQuestion


@dataclass(frozen=True)
class Assignment:
    """One part's assignment.

    Args:
        part: name of the folder.
        title: for people.
        questions: in the notebook's order.

    Raises: ValueError if two questions have one name, or a share is not between 0 and 1.
    """

    part: str
    title: str
    questions: Sequence[Question]

    def __post_init__(self) -> None:
        names = [question.name for question in self.questions]
        if len(set(names)) < len(names):
            raise ValueError(f"assignment {self.part}: two questions have one name, of {', '.join(names)}")
        for question in self.questions:
            for hint, mistake in getattr(question, "mistakes", {}).items():
                if not 0 <= mistake.share <= 1:
                    raise ValueError(f"assignment {self.part}, {question.name}: share {mistake.share} of {hint!r}")

    @property
    def points(self) -> float:
        """Points of the whole assignment."""
        return sum(question.points for question in self.questions)

    def question(self, name: str) -> Question:
        """The question called `name`.

        Raises: ValueError, which lists all.
        """
        for question in self.questions:
            if question.name == name:
                return question
        raise ValueError(f"no question {name!r}; there are {', '.join(q.name for q in self.questions)}")


class AnswerError(Exception):
    """The student's function gave no usable picture; the text is for the student."""
