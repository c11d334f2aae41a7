"""One notebook marked: run in the sandbox, every question judged, all of it one record that can be stored as JSON.

What does not depend on a student is computed once: probes and their right values, held-out pictures,
floors, and how far the master itself comes, which is what earns everything.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from srlib.grading import drawn, judge, weights
from srlib.grading.folders import Loaded
from srlib.grading.handout import GIVEN, pack_given
from srlib.grading.judge import Score
from srlib.grading.questions import AnswerError, FunctionQuestion, MeasuredQuestion, ValueQuestion
from srlib.grading.sandbox.cells import read
from srlib.grading.sandbox.host import Sandbox
from srlib.grading.sandbox.launch import SandboxError
from srlib.grading.sandbox.notebook import Notebook, Report

MASTER = "master"
_SHOWN = 20_000  # characters of output that are kept for the feedback


@dataclass(frozen=True)
class Thresholds:
    """Scores of a measured question: nothing up to `floor`, everything from `full`, the master's own less the slack."""

    floor: float
    full: float


class Marker:
    """Marks notebooks of one assignment, once `calibrate` has set its thresholds; several threads may use one marker.

    Args:
        loaded: the assignment.
        sandbox: where notebooks run.
        seed: of probes, data and pictures.
        pictures: a folder of held-out pictures; None draws them.

    Raises: ValueError if there are too few pictures, or the master's weights do not fit.
    """

    def __init__(
        self,
        loaded: Loaded,
        sandbox: Sandbox,
        *,
        seed: int = 0,
        pictures: Path | None = None,
    ):
        self.loaded, self.sandbox, self.seed = loaded, sandbox, seed
        self.assignment = loaded.assignment
        self.keys, self.pictures = {}, {}
        for question in self.assignment.questions:
            if isinstance(question, FunctionQuestion):
                probes = question.probes(self._draw(question.name))
                self.keys[question.name] = judge.function_key(question, probes)
            elif isinstance(question, MeasuredQuestion):
                draw = self._draw(question.name, "pictures")
                self.pictures[question.name] = drawn.pictures(question, draw, pictures)
        self.thresholds: dict[str, Thresholds] = {}
        self.master_sketches = self._sketches()
        self.shared = self.given(drawn.SHARED)[1]

    def given(self, student: str) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """A student's own data for all questions, and the truths."""
        return drawn.given(self.assignment, self.seed, student)

    def mark(self, notebook: bytes, files: dict[str, bytes], student: str) -> dict[str, Any]:
        """Run and judge one notebook; whatever it does becomes a record.

        Args:
            notebook: the file's bytes.
            files: weights handed in beside it: question -> bytes.
            student: whose data and truths it gets.

        Raises: SandboxError if the sandbox itself fails.
        """
        data, truths = self.given(student)
        with self.sandbox.open(notebook, files={GIVEN: pack_given(data)}) as opened:
            report, sketches = opened.report, {}
            if report.problem and not report.cells:
                scores = judge.nothing(self.assignment, report.problem)
            else:
                scores = [
                    self._judged(question, opened, files, truths, sketches) for question in self.assignment.questions
                ]
            ended = opened.close()
        return {
            "scores": [asdict(score) | {"points": round(score.points, 2), "seconds": 0.0} for score in scores],
            "question_seconds": {score.name: round(score.seconds, 3) for score in scores},
            "report": _report(report),
            "prints": list(report.prints),
            "sketches": {name: [sketch.count, *sketch.numbers.tolist()] for name, sketch in sketches.items()},
            "seconds": round(report.seconds + sum(score.seconds for score in scores), 3),
            "cpu_seconds": round(ended.cpu_seconds, 3),
            "left": ended.left,
            "stamp": list(report.stamp),
            "isolation": report.isolation,
        }

    def _judged(self, question, notebook: Notebook, files: dict, truths: dict, sketches: dict) -> Score:
        """The score of one question; a fault of the judge costs a person's time and never the batch."""
        try:
            return self._score(question, notebook, files, truths, sketches)
        except SandboxError:
            raise
        except Exception as error:
            text = f"this could not be judged: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return Score(question.name, 0, question.points, text, "unjudged")

    def _score(self, question, notebook: Notebook, files: dict, truths: dict, sketches: dict) -> Score:
        if isinstance(question, FunctionQuestion):
            return judge.function(question, self.keys[question.name], notebook)
        if isinstance(question, ValueQuestion):
            return judge.values(question, truths[question.name], notebook, self.shared[question.name])
        thresholds = self.thresholds[question.name]
        shown, draw = self.pictures[question.name], self._draw(question.name, "measure")
        if question.network is None:
            return judge.by_function(question, notebook, shown, draw, thresholds.floor, thresholds.full)
        try:
            network, sketches[question.name] = weights.filled(question, _weights(question.name, notebook, files))
            return judge.measured(question, network, shown, draw, thresholds.floor, thresholds.full)
        except AnswerError as error:
            return Score(question.name, 0, question.points, str(error), "wrong")

    def thresholds_as_json(self) -> dict[str, dict[str, float]]:
        """The thresholds, rounded, for people."""
        return {name: {"floor": round(t.floor, 3), "full": round(t.full, 3)} for name, t in self.thresholds.items()}

    def calibrate(self) -> None:
        """Set the thresholds: floors by the baselines, and the master's own scores less the slack.

        Raises: ValueError if the master does not answer a measured question.
        """
        questions = [q for q in self.assignment.questions if isinstance(q, MeasuredQuestion)]
        floors = {
            q.name: q.measure(q.baseline, self.pictures[q.name], self._draw(q.name, "measure"))[0] for q in questions
        }
        self.thresholds = {name: Thresholds(floor, floor + 1e9) for name, floor in floors.items()}
        record = self.mark(self.loaded.master, {}, MASTER) if questions else {"scores": []}
        found = {}
        for score in record["scores"]:
            if score["name"] in floors:
                if score["measured"] is None or score["measured"] <= floors[score["name"]]:
                    problem = record["report"]["problem"] or score["hint"]
                    raise ValueError(f"{self.loaded.folder}: the master does not answer {score['name']}: {problem}")
                slack = self.assignment.question(score["name"]).slack
                found[score["name"]] = Thresholds(floors[score["name"]], score["measured"] - slack)
        self.thresholds = found

    def _sketches(self) -> dict[str, weights.Sketch]:
        """Of the weights that travel in the master's outputs, which are public where the master is."""
        found, attached = {}, read(self.loaded.master).attached
        for question in self.assignment.questions:
            data = attached.get(f"{question.name}.safetensors")
            if data is not None and isinstance(question, MeasuredQuestion) and question.network is not None:
                try:
                    found[question.name] = weights.filled(question, data)[1]
                except AnswerError as error:
                    raise ValueError(f"{self.loaded.folder}: {error}") from None
        return found

    def _draw(self, *names: str):
        return drawn.generator(self.seed, self.assignment.part, *names)


def _weights(name: str, notebook: Notebook, files: dict[str, bytes]) -> bytes:
    """The file that was handed in beside the notebook, else the one attached to it or written by it.

    Raises: AnswerError if there is none.
    """
    if name in files:
        return files[name]
    reply = notebook.file(f"{name}.safetensors")
    if not reply.ok or not isinstance(reply.value, bytes):
        raise AnswerError(f"no file {name}.safetensors was handed in, beside the notebook or attached to it.")
    return reply.value


def _report(report: Report) -> dict[str, Any]:
    found = {
        key: value for key, value in asdict(report).items() if key not in ("seconds", "isolation", "prints", "stamp")
    }
    by_cell = {key: {str(n): text for n, text in found[key].items()} for key in ("errors", "dropped")}
    return found | by_cell | {"skipped": list(report.skipped), "output": report.output[:_SHOWN]}
