"""What a run's folder belongs to: settings, pictures and start, noted when it begins and compared when it goes on."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from srlib.io import atomic
from srlib.training.run import TrainingError
from srlib.training.state import FREE

RUN = "run.json"


def digest(pictures: Iterable[Tensor]) -> str:
    """A checksum of pictures: of their sizes and values, in their order. Where they lie does not matter.

    Shapes: any, one after the other; nothing is copied.
    """
    found = hashlib.sha256()
    for picture in pictures:
        found.update(f"{picture.dtype} {tuple(picture.shape)}".encode())
        found.update(picture.detach().cpu().contiguous().numpy())
    return found.hexdigest()


def check_free(folder: Path, resume: bool) -> None:
    """Refuse a folder that holds a run that is not to be continued, and what is no folder.

    Raises: TrainingError.
    """
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"{folder}: is a file; give another folder with --out")
    if (folder / RUN).exists() and not resume:
        raise TrainingError(f"{folder}: holds a run already; give --resume to go on with it, or another --out")


def claim(folder: Path, known: Mapping[str, Any], resume: bool) -> None:
    """Note in the folder what runs here; another run's folder is left alone.

    Args:
        known: the recipe, described; "start"; "data": where the pictures are, in words; "pictures": role -> `digest`.

    Raises: TrainingError as `check_free`, and for a run with another recipe, other pictures or another start; the
        steps of the last phase may differ, and so may the place of the same pictures.
    """
    check_free(folder, resume)
    note, text = folder / RUN, _text(known)
    if note.exists():
        _compare(note, json.loads(text))
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write(note, text)


def _text(known: Mapping[str, Any]) -> str:
    """What must be the same when the run is resumed; but not the steps of the last phase, which may grow."""
    phases = known["recipe"]["phases"]
    kept = []
    for k, phase in enumerate(phases, 1):
        free = FREE if k == len(phases) else FREE - {"steps"}
        kept.append(phase | {"config": {key: value for key, value in phase["config"].items() if key not in free}})
    known = dict(known) | {"recipe": known["recipe"] | {"phases": kept}}
    return json.dumps(known, indent=1, ensure_ascii=False) + "\n"


def _compare(note: Path, now: dict) -> None:
    """Say what differs from the run that began here."""
    try:
        was = dict(json.loads(note.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise TrainingError(f"{note}: damaged; give another --out, or delete this folder to begin again") from error
    seen = was.pop("pictures", None)
    if seen is None:  # a run begun before pictures were noted
        if was.get("data") != now["data"]:
            raise TrainingError(f"{note}: began with other data; give the same --data, or another --out")
    elif changed := [role for role, found in now["pictures"].items() if seen.get(role) != found]:
        raise TrainingError(
            f"{note}: the pictures ({', '.join(changed)}) are not those that this run began with; put them back, or "
            f"begin another run with what it has learned: --start {note.parent}/NAME.safetensors --out DIR"
        )
    for key in ("recipe", "start"):
        if difference := _difference(was.get(key), now[key], key):
            raise TrainingError(f"{note}: has other settings: {difference}; keep the old one, or give another --out")


def _difference(was: Any, now: Any, place: str) -> str:
    """The first place where two descriptions differ, with both values; "" where they agree."""
    if isinstance(was, dict) and isinstance(now, dict):
        pairs = [(key, was.get(key), now.get(key)) for key in dict.fromkeys([*was, *now])]
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        pairs = [(str(k), *pair) for k, pair in enumerate(zip(was, now, strict=True))]
    else:
        return "" if was == now else f"{place} was {_short(was)}, now {_short(now)}"
    found = (_difference(a, b, key if not key.isdigit() else place) for key, a, b in pairs)
    return next(filter(None, found), "")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
