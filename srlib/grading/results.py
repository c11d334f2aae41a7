"""The files of a graded batch: grades, statistics of the questions, what is alike, and a table for Canvas.

The tables hold no times, so that the same hand-ins give the same bytes again.
"""

import csv
import io
import json
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy
import torch

from srlib.grading.batch import Setting
from srlib.grading.questions import Assignment
from srlib.grading.roster import Roster
from srlib.grading.similar import Pair
from srlib.grading.submissions import Submission
from srlib.io import atomic

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Row:
    """One line of grades.csv: a file, or a student without one.

    Args:
        student, name: id and name.
        status: "graded", "not counted", "no notebook", "problem" or "missing".
        submission: None for a student who handed in nothing.
        record: None unless it was graded.
        attention: why a person has to look; empty where nobody has to.
    """

    student: str
    name: str
    status: str
    submission: Submission | None = None
    record: dict[str, Any] | None = None
    attention: str = ""
    points: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Points of all questions."""
        return round(sum(self.points.values()), 2)


def rows(
    found: Sequence[Submission], records: Iterable[dict[str, Any]], roster: Roster, part: str, late: str = "keep"
) -> list[Row]:
    """All rows, sorted by student and file: every file has one, and everybody in the roster.

    Args:
        found: all submissions; those that count have a record, in the same order.
        records: of those that count.
        roster: the students.
        part: the assignment's name.
        late: "keep" or "zero": what becomes of points that come after the deadline.
    """
    names = {student.id: student.name for student in roster}
    records, made = iter(records), []
    for one in found:
        record = next(records) if one.counts else None
        name = names.get(one.student, "")
        if record is None:
            status = "not counted" if one.note.startswith("handed in more than once") else "no notebook"
            made.append(Row(one.student, name, status, one, None, "" if status == "not counted" else one.note))
            continue
        points = {score["name"]: float(score["points"]) for score in record["scores"]}
        if late == "zero" and one.late:
            points = dict.fromkeys(points, 0.0)
        problem = _attention(one, record, part)
        status = "problem" if record["report"]["problem"] and not record["report"]["cells"] else "graded"
        made.append(Row(one.student, name, status, one, record, problem, points))
    there = {row.student for row in made if row.record}
    made += [Row(student.id, student.name, "missing") for student in roster if student.id not in there]
    return sorted(made, key=lambda row: (row.student, row.submission.entry.parts if row.submission else ()))


def _attention(one: Submission, record: dict[str, Any], part: str) -> str:
    report = record["report"]
    reasons = [one.note, *record["notes"]]
    if report["problem"]:
        reasons.append(report["problem"])
    if any(score["status"] == "unjudged" for score in record["scores"]):
        reasons.append("a question could not be judged")
    if record["stamp"][0] not in ("", part):
        reasons.append(f"the notebook says it is of the assignment {record['stamp'][0]}")
    if record["left"]:
        left = "could not be ended" if record["left"] > 0 else "may be left: the sandbox did not say"
        reasons.append(f"processes of this notebook {left}")
    return "; ".join(reason for reason in reasons if reason)


def grades(table: Sequence[Row], assignment: Assignment) -> str:
    """grades.csv."""
    names = [question.name for question in assignment.questions]
    lines = [["student", "name", "points", "of", *names, "late_hours", "status", "file", "note"]]
    for row in table:
        graded = row.record is not None or row.status == "missing"
        points = [_number(row.points.get(name, 0.0)) if graded else "" for name in names]
        total = _number(row.total) if graded else ""
        late = f"{row.submission.late / 3600:.1f}" if row.submission and row.submission.late else ""
        file = row.submission.entry.path if row.submission else ""
        note = row.attention or (row.submission.note if row.submission else "")
        lines.append([row.student, row.name, total, _number(assignment.points), *points, late, row.status, file, note])
    return table_text(lines)


def questions(table: Sequence[Row], assignment: Assignment) -> str:
    """questions.csv: how each question went, and the hint that was given most often."""
    lines = [["question", "of", "notebooks", "mean", "right", "part", "none", "most_frequent_hint", "times"]]
    for question in assignment.questions:
        scores = [s for row in table if row.record for s in row.record["scores"] if s["name"] == question.name]
        hints = Counter(
            s["hint"] for s in scores if s["status"] == "part" or s["hint"] in getattr(question, "mistakes", {})
        )
        hint, times = min(hints.items(), key=lambda item: (-item[1], item[0])) if hints else ("", 0)
        shares = [s["points"] / question.points for s in scores]
        count = [
            sum(s >= 0.9999 for s in shares),
            sum(1e-9 < s < 0.9999 for s in shares),
            sum(s <= 1e-9 for s in shares),
        ]
        mean = _number(sum(s["points"] for s in scores) / len(scores)) if scores else ""
        lines.append([question.name, _number(question.points), len(scores), mean, *count, hint, times or ""])
    return table_text(lines)


def canvas(table: Sequence[Row], assignment: Assignment, roster: Roster) -> str:
    """A CSV that Canvas's gradebook imports: its own columns where the roster came from there."""
    heads = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    lines = [[*heads, assignment.title]]
    known = {student.id: student for student in roster}
    for row in table:
        if row.record is None and row.status != "missing":
            continue
        student = known.get(row.student)
        own = student.row if student else {}
        cells = [own.get(head, "") for head in heads]
        cells[0] = cells[0] or row.name or row.student
        cells[2] = cells[2] or row.student
        lines.append([*cells, _number(row.total)])
    return table_text(lines)


def similar(pairs: Sequence[Pair]) -> str:
    """similar.csv."""
    lines = [["first", "second", "share", "what"]]
    return table_text([*lines, *([p.first, p.second, f"{p.share:.2f}", p.what] for p in pairs)])


def summary(table: Sequence[Row], assignment: Assignment, setting: Setting, digest: str, more: dict[str, Any]) -> str:
    """grades.json: everything with which the grades can be made again, and each reason."""
    versions = {"srlib": metadata.version("srlib"), "python": platform.python_version()}
    versions |= {"torch": torch.__version__, "numpy": numpy.__version__, "system": platform.platform()}
    head = {
        "assignment": assignment.part,
        "title": assignment.title,
        "digest": digest,
        "seed": setting.seed,
    }
    head |= {"isolation": setting.isolation, "limits": setting.limits.as_json(), "versions": versions, **more}
    kept = ("scores", "question_seconds", "seconds", "cpu_seconds", "isolation", "stamp", "report")
    body = []
    for row in table:
        entry = {
            "student": row.student,
            "name": row.name,
            "status": row.status,
            "points": row.total,
            "note": row.attention,
        }
        if row.submission:
            entry |= {"file": row.submission.entry.path, "late_seconds": round(row.submission.late)}
        if row.record:
            entry |= {key: row.record[key] for key in kept}
            entry["report"] = {key: value for key, value in entry["report"].items() if key != "output"}
        body.append(entry)
    return json.dumps(head | {"submissions": body}, indent=1, ensure_ascii=True) + "\n"


def table_text(lines: Iterable[Sequence[Any]]) -> str:
    """A CSV; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for line in lines:
        writer.writerow([f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in line])
    return buffer.getvalue()


def write(out: Path, files: dict[str, str]) -> None:
    """Put files into the folder, each whole.

    Raises: OSError if one cannot be written.
    """
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, text)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
