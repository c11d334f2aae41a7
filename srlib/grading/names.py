"""What the path of a hand-in says: whose it is, whether it was late, by the customs of the systems it comes from."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

from srlib.grading.intake import Entry, Unreadable

METADATA = "submission_metadata.yml"
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<user>\d+)_(?P<number>\d+)_(?P<file>.+)", re.DOTALL)
_MOODLE = re.compile(r"(?P<name>.+)_\d+_assignsubmission_file_?")
_GRADESCOPE = re.compile(r"submission_(\d+)")
_AGAIN = re.compile(r"-(\d+)$")  # Canvas numbers what is handed in again: pixels-1.ipynb


@dataclass(frozen=True)
class Origin:
    """Where a file comes from.

    Args:
        label: who it is of, without a roster.
        names: all that may be an id in the roster, the surest first.
        when: when it was handed in, as far as the system says so.
        late: whether the system says that it was late; None if it says nothing.
        assignment: the folder in which nbgrader keeps an assignment, or empty.
        attempt: Canvas's number of what was handed in again, else 0.
    """

    label: str
    names: tuple[str, ...]
    when: datetime | None = None
    late: bool | None = None
    assignment: str = ""
    attempt: int = 0


@dataclass
class Listed:
    """A submission in Gradescope's list."""

    known: dict[str, str] = field(default_factory=dict)
    when: datetime | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Id, mail address and name of the first student."""
        return tuple(self.known[key] for key in ("sid", "email", "name") if self.known.get(key))


def origin(entry: Entry, listed: dict[str, Listed]) -> Origin:
    """What a path says.

    Args:
        entry: the file.
        listed: Gradescope's list (see `gradescope`).
    """
    parts = entry.parts[1:] if entry.parts[0] == "submitted" and len(entry.parts) > 1 else entry.parts
    for part in parts[: 1 if parts[0].lower().endswith(".zip") else 2]:  # what is in a student's zip is the student's
        if match := _GRADESCOPE.fullmatch(part):
            found = listed.get(match[1], Listed())
            return Origin((found.names or (part,))[0], (part, *found.names), found.when)
    first = parts[0]
    if match := _CANVAS.fullmatch(first if len(parts) == 1 else stem(first)):
        again = _AGAIN.search(stem(match["file"]))
        attempt = int(again[1][:9]) if again else 0
        label = f"{match['name']}_{match['user']}"  # two may have one name
        return Origin(label, (match["user"], match["name"]), late=bool(match["late"]), attempt=attempt)
    if len(parts) > 1:
        match = _MOODLE.fullmatch(first)
        label = match["name"] if match else stem(first) if first.lower().endswith(".zip") else first
        return Origin(label, (label,), assignment=parts[1] if len(parts) > 2 else "")
    label = stem(first)
    if first.lower().endswith(".safetensors") and "." in label:
        label = label.rsplit(".", 1)[0]
    return Origin(label, (label,))


def keys(entry: Entry, label: str) -> list[tuple]:
    """What a notebook and its weights have in common: a label, a folder, or the beginning of a name.

    A notebook has the keys of its label, its folder and its whole name; weights have one for each beginning of theirs.
    """
    found: list[tuple] = [("label", label)]
    if len(entry.parts) > 1:
        return [*found, ("folder", *entry.parts[:-1])]
    name = stem(entry.parts[0])
    if entry.suffix == ".ipynb":
        return [*found, ("name", name)]
    return [*found, *(("name", name[:at]) for at, letter in enumerate(name) if letter in "._-")]


def _is_gradescopes(first: str) -> bool:
    """Whether a list of submissions in this folder is Gradescope's own."""
    return not _GRADESCOPE.fullmatch(first) and not first.lower().endswith(".zip")


def question_of(weights: Entry, label: str) -> str:
    """The question that a file of weights is for: what its name has at the end, with the student's taken away."""
    name = weights.parts[-1]
    match = _CANVAS.fullmatch(name)
    words = _AGAIN.sub("", stem(match["file"] if match else name))
    return re.sub(r"^[._-]+", "", words.removeprefix(label)) or words


def stem(name: str) -> str:
    """A file's name without its ending."""
    return PurePosixPath(name).stem or name


def gradescope(found: Sequence[Entry]) -> dict[str, Listed]:
    """Submission number -> what Gradescope's list says of it; empty where there is no such list."""
    listed: dict[str, Listed] = {}
    for entry in found:
        if entry.parts[-1] != METADATA or len(entry.parts) > 2 or not _is_gradescopes(entry.parts[0]):
            continue  # a file of that name inside a submission is the student's
        try:
            lines = entry.read().decode("utf-8", "replace").splitlines()
        except Unreadable:
            continue
        current = Listed()
        for line in lines:
            if match := _GRADESCOPE.fullmatch(line.rstrip(": \r")):
                current = listed.setdefault(match[1], Listed())
            elif match := re.match(r"\s+(?:- )?:(sid|email|name|created_at): *(.*)", line):
                text = match[2].strip().strip("'\"")
                if match[1] != "created_at":
                    current.known.setdefault(match[1], text)
                elif current.when is None:
                    current.when = _moment(text)
    return listed


def _moment(text: str) -> datetime | None:
    """A time as Gradescope writes it: 2026-05-01 12:00:00.000000000 Z."""
    match = re.match(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|[+-]\d\d:?\d\d)?", text)
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{(match[3] or 'Z').replace('Z', '+00:00')}")
        return moment.astimezone(UTC)
    except (TypeError, ValueError):
        return None
