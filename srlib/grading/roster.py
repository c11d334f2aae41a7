"""The roster: a CSV of students, by which files find their owners and extensions are kept."""

import csv
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from srlib.grading.intake import clean

_IDS = ("id", "student id", "sid", "sis user id", "sis login id", "email", "username")
_ALSO = ("sis user id", "sis login id", "email", "username", "sid", "student", "name", "also", "canvas id", "id")


@dataclass(frozen=True)
class Student:
    """One student.

    Args:
        id: what stands in the results, and what the personal data are drawn from.
        name: for people; may be empty.
        deadline: an extension of their own.
        also: other names by which a file may call them, in small letters.
        row: the row of the CSV as it was, for Canvas.
    """

    id: str
    name: str
    deadline: datetime | None
    also: tuple[str, ...]
    row: dict[str, str]


class Roster:
    """The students; false if there are none."""

    def __init__(self, students: tuple[Student, ...] = ()):
        self.students = students
        self._by_name: dict[str, Student | None] = {}
        for student in students:
            for name in {student.id.casefold(), *student.also}:
                same = self._by_name.get(name, student)
                self._by_name[name] = student if same is student else None  # two of one name: neither is meant

    def __bool__(self) -> bool:
        return bool(self.students)

    def __iter__(self) -> Iterator[Student]:
        return iter(self.students)

    def find(self, *names: str) -> Student | None:
        """The student that one of these names means: as it is, without case and spaces, or with an id as a part."""
        for name in names:
            if found := self._by_name.get(name.casefold()) or self._by_name.get(_squeezed(name)):
                return found
        words = {word for name in names for word in _words(name)}
        inside = [student for student in self.students if student.id.casefold() in words]  # a first name is no proof
        return inside[0] if len(inside) == 1 else None


def read(path: Path) -> Roster:
    """A roster from a CSV with a heading: `id`, and if wanted `name`, `deadline`, `also` (names parted by ;).

    A gradebook exported from Canvas is a roster, too.

    Raises: ValueError for a file without such a column, an id twice, or a deadline that is no time.
    """
    try:
        text = unicodedata.normalize("NFC", path.read_bytes().decode("utf-8-sig"))
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: no CSV in UTF-8 ({error})") from None
    heads = {head.strip().casefold(): head for head in (rows[0] if rows else {}) if head}
    order = _IDS if "student" not in heads else ("sis user id", "sis login id", "id")  # Canvas: ID is its own number
    column = next((heads[name] for name in order if name in heads and any(row[heads[name]] for row in rows)), None)
    if column is None:
        raise ValueError(f"{path}: a roster needs a heading with a column id; it has {', '.join(heads) or 'nothing'}")
    students, seen = [], set()
    for row in rows:
        number = clean((row[column] or "").strip())
        if not number:
            continue  # Canvas has a line of points possible, and test students without an id
        if number.casefold() in seen:
            raise ValueError(f"{path}: the id {number!r} stands there twice")
        seen.add(number.casefold())
        get = lambda name, row=row: (row.get(heads.get(name, "")) or "").strip()  # noqa: E731
        also = [part for name in _ALSO for part in (get(name).split(";") if name == "also" else [get(name)])]
        name = get("name") or get("student")
        first, _, last = name.rpartition(" ")
        also.append(f"{last} {first}")  # Canvas writes the family name first
        names = tuple({text for part in also if part.strip() for text in (part.strip().casefold(), _squeezed(part))})
        students.append(Student(number, clean(name), when(get("deadline"), str(path)), names, row))
    return Roster(tuple(students))


def when(text: str, where: str = "--deadline") -> datetime | None:
    """A moment from ISO 8601, in UTC; without a zone, local time. Empty: None.

    Raises: ValueError, which says where the text stands.
    """
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{where}: {text!r} is no time; write it as 2026-05-31T23:59 or 2026-05-31T23:59+02:00"
        ) from None


def _squeezed(name: str) -> str:
    """Canvas's form of a name: "Lovelace, Ada" -> lovelaceada."""
    return "".join(c for c in name.casefold() if c.isalnum())


def _words(name: str) -> list[str]:
    return [word for word in "".join(c if c.isalnum() else " " for c in name.casefold()).split() if len(word) > 2]
