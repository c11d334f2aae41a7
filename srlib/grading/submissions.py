"""Who handed in what: files become submissions, submissions find their student, one of several counts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath

from srlib.grading.intake import Entry, Unreadable
from srlib.grading.roster import Roster, Student

_CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<user>\d+)_(?P<number>\d+)_(?P<file>.+)", re.DOTALL)
_MOODLE = re.compile(r"(?P<name>.+)_\d+_assignsubmission_file_?")
_GRADESCOPE = re.compile(r"submission_(\d+)")
_AGAIN = re.compile(r"-(\d+)$")  # Canvas numbers what is handed in again: pixels-1.ipynb
_ENDINGS = (".ipynb", ".safetensors")
_METADATA = "submission_metadata.yml"


@dataclass(frozen=True)
class Submission:
    """One notebook that somebody handed in, with what lies beside it.

    Args:
        student: id from the roster, else what the file's name says.
        entry: the notebook, or a file that is none.
        weights: name -> file of weights.
        late: seconds after this student's deadline; 0 if there is none, or in time.
        counts: whether this one is graded: one of several is.
        known: whether the student stands in the roster (true without one).
        note: what a person should know: why it does not count, or what is wrong with the file.
    """

    student: str
    entry: Entry
    weights: dict[str, Entry]
    late: float = 0.0
    counts: bool = True
    known: bool = True
    note: str = ""


def submissions(found: Sequence[Entry], roster: Roster, deadline: datetime | None = None) -> list[Submission]:
    """Sort the files of a folder into submissions, one for each notebook and each file that is none.

    Of several by one student the newest that is in time counts; if none is, the newest.

    Args:
        found: the folder's entries.
        roster: the students; may be empty.
        deadline: for everybody without one in the roster.
    """
    people = _gradescope_people(found)
    notebooks = [entry for entry in found if entry.suffix == ".ipynb"]
    weights = [entry for entry in found if entry.suffix == ".safetensors"]
    others = [e for e in found if e.suffix not in _ENDINGS and e.parts[-1] != _METADATA]
    made, used = [], set()
    for entry in notebooks:
        label = _label(entry, people)
        mine = {}
        for file in weights:
            if not file.problem and (_label(file, people) == label or _beside(file, entry)):
                mine[_weights_name(file, label)] = file
                used.add(file.path)
        student = roster.find(*_names(entry, label, people))
        made.append(_submission(label, entry, mine, student, roster, deadline))
    for entry in (*others, *(file for file in weights if file.path not in used)):
        label = _label(entry, people)
        student = roster.find(*_names(entry, label, people))
        note = entry.problem or "no notebook"
        name = student.id if student else label
        made.append(Submission(name, entry, {}, counts=False, known=bool(student or not roster), note=note))
    return _one_each(sorted(made, key=lambda s: (s.student, s.entry.parts)))


def _submission(
    label: str, entry: Entry, weights: dict, student: Student | None, roster: Roster, deadline
) -> Submission:
    limit = student.deadline if student and student.deadline else deadline
    late = max((entry.when - limit).total_seconds(), 0.0) if limit else 0.0
    name = student.id if student else label
    note = entry.problem or ("" if student or not roster else "not in the roster")
    return Submission(name, entry, weights, late, not entry.problem, bool(student or not roster), note)


def _one_each(made: list[Submission]) -> list[Submission]:
    """Of several that could count, one does; the others say which."""
    by_student: dict[str, list[Submission]] = {}
    for one in made:
        if one.counts:
            by_student.setdefault(one.student, []).append(one)
    best = {name: max(several, key=_order) for name, several in by_student.items()}
    chosen = []
    for one in made:
        if one.counts and one is not best[one.student]:
            other = best[one.student].entry.path
            one = replace(one, counts=False, note=f"handed in more than once; {other} counts")
        chosen.append(one)
    return chosen


def _order(one: Submission) -> tuple:
    """In time before late, then by Canvas's number, then by time, then by name, so that the order is never chance."""
    again = _AGAIN.search(PurePosixPath(one.entry.parts[-1]).stem)
    return (one.late == 0, int(again[1][:9]) if again else 0, one.entry.when, one.entry.parts)


def _label(entry: Entry, people: dict[str, tuple[str, ...]]) -> str:
    """Who a path speaks of, without a roster."""
    parts = entry.parts[1:] if entry.parts[0] == "submitted" and len(entry.parts) > 1 else entry.parts
    for part in parts[:2]:
        if match := _GRADESCOPE.fullmatch(part):
            return people.get(match[1], (part,))[0]
    first = parts[0]
    if len(parts) > 1:
        match = _MOODLE.fullmatch(first) or _CANVAS.fullmatch(_stem(first))
        return match["name"] if match else _stem(first) if first.lower().endswith(".zip") else first
    match = _CANVAS.fullmatch(first)
    if match:
        return match["name"]
    stem = _stem(first)
    return stem.rsplit(".", 1)[0] if first.lower().endswith(".safetensors") and "." in stem else stem


def _names(entry: Entry, label: str, people: dict[str, tuple[str, ...]]) -> list[str]:
    """All that could be a student's id in the roster, the surest first."""
    parts = entry.parts[1:] if entry.parts[0] == "submitted" and len(entry.parts) > 1 else entry.parts
    found = [label]
    for part in parts[:2]:
        if match := _GRADESCOPE.fullmatch(part):
            found += people.get(match[1], ())
        if match := _CANVAS.fullmatch(part):
            found.append(match["user"])
    return found


def _beside(file: Entry, notebook: Entry) -> bool:
    """In one folder or zip of one student, or named after the notebook: ada.ipynb, ada.network.safetensors."""
    if len(notebook.parts) > 1:
        return file.parts[:-1] == notebook.parts[:-1]
    stem = _stem(notebook.parts[-1])
    return len(file.parts) == 1 and file.parts[0].startswith((f"{stem}.", f"{stem}_", f"{stem}-"))


def _weights_name(file: Entry, label: str) -> str:
    """The question that a file of weights is for: what its name has at the end, with the student's taken away."""
    name = file.parts[-1]
    match = _CANVAS.fullmatch(name)
    stem = _AGAIN.sub("", _stem(match["file"] if match else name))
    return re.sub(r"^[._-]+", "", stem.removeprefix(label)) or stem


def _stem(name: str) -> str:
    return PurePosixPath(name).stem or name


def _gradescope_people(found: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """Submission number -> id, mail address and name of its first student, as Gradescope writes them."""
    people: dict[str, dict[str, str]] = {}
    for entry in found:
        if entry.parts[-1] != _METADATA:
            continue
        try:
            lines = entry.read().decode("utf-8", "replace").splitlines()
        except Unreadable:
            continue
        number = ""
        for line in lines:
            if match := _GRADESCOPE.fullmatch(line.rstrip(": \r")):
                number = match[1]
            elif number and (match := re.match(r"\s+(?:- )?:(sid|email|name): *(.*)", line)):
                people.setdefault(number, {}).setdefault(match[1], match[2].strip().strip("'\""))
    order = ("sid", "email", "name")
    return {
        n: tuple(known[key] for key in order if known.get(key)) for n, known in people.items() if any(known.values())
    }
