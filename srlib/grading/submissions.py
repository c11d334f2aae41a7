"""Who handed in what: files become submissions, submissions find their student, one of several counts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from srlib.grading import names
from srlib.grading.intake import Entry
from srlib.grading.names import Origin
from srlib.grading.roster import Roster, Student

_UNKNOWN_DELAY = 1.0  # seconds, where Canvas says only that it was late


@dataclass(frozen=True)
class Submission:
    """One notebook that somebody handed in, with what lies beside it.

    Args:
        student: id from the roster, else what the file's name says.
        entry: the notebook, or a file that is none.
        weights: name -> file of weights.
        late: seconds after this student's deadline; 0 if there is none, or in time.
        counts: whether this one is graded: one of several is.
        note: what a person should know: why it does not count, or what is wrong with the file.
        attempt: Canvas's number of what was handed in again, else 0.
        when: when it was handed in, as far as that is known.
    """

    student: str
    entry: Entry
    weights: dict[str, Entry]
    late: float = 0.0
    counts: bool = True
    note: str = ""
    attempt: int = 0
    when: datetime | None = None


def submissions(
    found: Sequence[Entry], roster: Roster, deadline: datetime | None = None, others: Collection[str] = ()
) -> list[Submission]:
    """Sort the files of a folder into submissions, one for each notebook and each file that is none.

    Of several by one student the newest that is in time counts; if none is, the newest.

    Args:
        found: the folder's entries.
        roster: the students; may be empty.
        deadline: for everybody without one in the roster. Whether something is late is known from Canvas's file name,
            from the time in Gradescope's list, else from the file's own time.
        others: names of other assignments; what lies in a folder of such a name, as nbgrader has them, is passed over.
    """
    listed = names.gradescope(found)
    origins = {entry.parts: names.origin(entry, listed) for entry in found}
    found = [entry for entry in found if origins[entry.parts].assignment not in others]
    weights: dict[tuple, list[Entry]] = {}
    for entry in found:
        if entry.suffix == ".safetensors" and not entry.problem:
            for key in names.keys(entry, origins[entry.parts].label):
                weights.setdefault(key, []).append(entry)
    made, used = [], set()
    for entry in found:
        if entry.suffix != ".ipynb":
            continue
        origin, mine = origins[entry.parts], {}
        for file in [file for key in names.keys(entry, origin.label) for file in weights.get(key, ())]:
            mine[names.question_of(file, origin.label)] = file
            used.add(file.parts)
        made.append(_submission(entry, origin, mine, roster, deadline))
    for entry in found:
        if entry.suffix == ".ipynb" or entry.parts in used or entry.parts[-1] == names.METADATA:
            continue
        one = _submission(entry, origins[entry.parts], {}, roster, None)
        made.append(replace(one, counts=False, note=entry.problem or "no notebook"))
    return _one_each(sorted(made, key=lambda one: (one.student, one.entry.parts)))


def _submission(entry: Entry, origin: Origin, weights: dict, roster: Roster, deadline: datetime | None) -> Submission:
    student = roster.find(*origin.names)
    when = origin.when or entry.when
    late = _late(student, origin, when, deadline)
    note = entry.problem or ("" if student or not roster else "not in the roster")
    name = student.id if student else origin.label
    return Submission(name, entry, weights, late, not entry.problem, note, origin.attempt, when)


def _late(student: Student | None, origin: Origin, when: datetime, deadline: datetime | None) -> float:
    """Seconds after the deadline. Canvas's own mark counts, but for students with an extension."""
    extended = student.deadline if student else None
    limit = extended or deadline
    by_time = max((when - limit).total_seconds(), 0.0) if limit else 0.0
    if origin.late is None or extended:
        return by_time
    return max(by_time, _UNKNOWN_DELAY) if origin.late else 0.0


def _one_each(made: list[Submission]) -> list[Submission]:
    """Of several that could count, one does; the others say which."""
    by_student: dict[str, list[Submission]] = {}
    for one in made:
        if one.counts:
            by_student.setdefault(one.student, []).append(one)
    best = {name: max(several, key=_order) for name, several in by_student.items()}
    chosen = []
    unclear = {name for name, several in by_student.items() if _share_a_folder(several)}
    for one in made:
        if one.counts and one is not best[one.student]:
            other = best[one.student].entry.path
            one = replace(one, counts=False, note=f"handed in more than once; {other} counts")
        elif one.counts and one.student in unclear:
            one = replace(one, note="one of several notebooks with other names in its folder")
        chosen.append(one)
    return chosen


def _share_a_folder(several: list[Submission]) -> bool:
    """Whether notebooks of different names lie in one folder: then they may be of different students."""
    places = {one.entry.parts[:-1] for one in several if len(one.entry.parts) > 1 and not one.attempt}
    return len(several) > 1 and len(places) == 1


def _order(one: Submission) -> tuple:
    """In time before late, then by Canvas's number, then by time, then by name, so that the order is never chance."""
    return (one.late == 0, one.attempt, one.when, one.entry.parts)
