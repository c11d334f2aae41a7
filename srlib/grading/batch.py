"""A folder of hand-ins graded: one JSON a submission, written whole, so that a batch can be stopped and goes on.

A record is kept under the digest of everything it depends on: notebook, weights, questions, srlib, seed, pictures,
limits, isolation, student. What has not changed is not run again.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import srlib
from srlib.grading import drawn, weights
from srlib.grading.intake import Unreadable
from srlib.grading.marker import Marker, Thresholds
from srlib.grading.sandbox.limits import Limits
from srlib.grading.submissions import Submission
from srlib.io import atomic

RECORDS = "submissions"
_RETRIES = 1  # for a notebook whose supervisor did not answer: once more before a person has to look


@dataclass(frozen=True)
class Setting:
    """What a batch's records depend on beside the files.

    Args:
        assignment: digest of the assignment.
        seed: of everything drawn.
        pictures: digest of the folder of pictures, or empty.
        limits: of the sandbox.
        isolation: what is used.
    """

    assignment: str
    seed: int
    pictures: str
    limits: Limits
    isolation: str

    @cached_property
    def digest(self) -> str:
        """One digest for all, srlib's own code included."""
        parts = (
            self.assignment,
            self.seed,
            self.pictures,
            sorted(self.limits.as_json().items()),
            self.isolation,
            _code(),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def calibrate(marker: Marker, setting: Setting, out: Path) -> None:
    """Give the marker the thresholds of an interrupted batch, else new ones, which are written down.

    A file that does not fit the setting, or is no file of thresholds, is replaced.

    Raises: ValueError if the master does not answer a measured question.
    """
    path = out / "thresholds.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["setting"] == setting.digest:
            marker.thresholds = {name: Thresholds(*pair) for name, pair in found["thresholds"].items()}
            return
    except (OSError, ValueError, KeyError, TypeError):
        pass
    marker.calibrate()
    made = {name: [t.floor, t.full] for name, t in marker.thresholds.items()}
    written = {"setting": setting.digest, "thresholds": made}
    out.mkdir(parents=True, exist_ok=True)
    atomic.write(path, json.dumps(written, indent=1))


def grade(
    marker: Marker, chosen: Sequence[Submission], setting: Setting, out: Path, *, jobs: int = 1, told=lambda *_: None
) -> list[dict[str, Any]]:
    """The records of these submissions, in their order; those that are there already are taken from `out`.

    Args:
        marker: marks them.
        chosen: the submissions that count.
        setting: what the records depend on.
        out: folder of the results.
        jobs: how many notebooks at once.
        told: called with each new record.

    Raises: OSError if a record cannot be written; SandboxError if the sandbox does not start again.
    """
    folder = out / RECORDS
    folder.mkdir(parents=True, exist_ok=True)

    def one(submission: Submission) -> tuple[dict[str, Any], bool]:
        path = folder / f"{drawn.plain(submission.student)}.json"
        try:
            notebook = submission.entry.read()
            files, notes = _weights(submission)
        except Unreadable as error:
            return _unreadable(submission, marker, str(error)), True
        key = _key(setting, submission, notebook, files)
        kept = _kept(path, key)
        if kept is not None:
            return kept, False
        for _ in range(_RETRIES + 1):
            record = marker.mark(notebook, files, submission.student)
            if not _sandbox_failed(record):
                break
        record |= {
            "key": "" if _sandbox_failed(record) else key,
            "student": submission.student,
            "file": submission.entry.path,
            "notes": notes,
        }
        atomic.write(path, json.dumps(record, ensure_ascii=True))
        return record, True

    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(one, submission): index for index, submission in enumerate(chosen)}
        found: dict[int, dict[str, Any]] = {}
        try:
            for done in as_completed(waiting):
                found[waiting[done]], fresh = done.result()
                told(found[waiting[done]], fresh)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [found[index] for index in range(len(chosen))]


def kept(marker: Marker, chosen: Sequence[Submission], setting: Setting, out: Path) -> list[dict[str, Any]]:
    """The records that other parts of a batch have written for these submissions, in their order; some may lack."""
    found = []
    for submission in chosen:
        try:
            key = _key(setting, submission, submission.entry.read(), _weights(submission)[0])
        except Unreadable as error:
            found.append(_unreadable(submission, marker, str(error)))
            continue
        found.append(_kept(out / RECORDS / f"{drawn.plain(submission.student)}.json", key))
    return [record for record in found if record is not None]


def _weights(submission: Submission) -> tuple[dict[str, bytes], list[str]]:
    """The files of weights by question, and a note for each that cannot be read."""
    files, notes = {}, []
    for name, entry in submission.weights.items():
        try:
            files[name] = entry.read()
        except Unreadable as error:
            notes.append(f"{entry.path}: {error}")
    return files, notes


def _unreadable(submission: Submission, marker: Marker, reason: str) -> dict[str, Any]:
    from srlib.grading import judge

    scores = [score.__dict__ for score in judge.nothing(marker.assignment, f"the file could not be read: {reason}")]
    report = {
        "problem": reason,
        "errors": {},
        "dropped": {},
        "skipped": [],
        "output": "",
        "cut": False,
        "runs": 0,
        "cells": 0,
    }
    record = {"scores": scores, "question_seconds": {}, "report": report, "prints": [], "sketches": {}, "seconds": 0.0}
    record |= {"cpu_seconds": 0.0, "left": 0, "isolation": "", "key": "", "notes": [], "stamp": ["", ""]}
    return record | {"student": submission.student, "file": submission.entry.path}


def _sandbox_failed(record: dict[str, Any]) -> bool:
    problem = record["report"]["problem"]
    if record["left"] < 0:
        return True  # it did not say how the notebook ended
    return "supervisor did not answer" in problem or "could not be entered" in problem


def _key(setting: Setting, submission: Submission, notebook: bytes, files: dict[str, bytes]) -> str:
    parts = [setting.digest, submission.student, weights.digest(notebook)]
    parts += [f"{name}={weights.digest(data)}" for name, data in sorted(files.items())]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _kept(path: Path, key: str) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record if record["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _code() -> str:
    package = Path(srlib.__file__).parent
    return drawn.digest_of([path for path in package.rglob("*.py") if "_data" not in path.parts])
