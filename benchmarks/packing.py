"""Training pictures made small enough to travel: each as JPEG with full colour, or as it is where that is smaller."""

import io
import json
import shutil
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from srlib import images, metrics
from srlib.data import datasets
from srlib.evaluation.benchmark import SETS
from srlib.io import atomic

QUALITY = 95
LIMIT = 60_000_000  # bytes, of the repository and the pack
NOTE = "pack.json"


class PackError(ValueError):
    """Pictures that cannot be packed, in one line."""


@dataclass(frozen=True)
class Packed:
    """A picture as it travels: the name of its file, its content, what it was, and in dB how near it is to that."""

    name: str
    content: bytes
    bytes_before: int
    psnr: float | None  # None: the same pixels


def pack(
    folders: Sequence[Path], out: Path, *, root: Path, quality: int = QUALITY, limit: int = LIMIT
) -> dict[str, Any]:
    """Write `out`/SET/HR for each folder, so that SRLIB_DATA=`out` finds the sets; what was written, in numbers.

    Args:
        folders: SET or SET/HR, with pictures in it. Set5 and the others that networks are scored on lose nothing.
        out: a pack that is there already is replaced.
        root: the repository that travels along.
        quality: of the JPEGs, to 95; above, they grow and are hardly better.
        limit: bytes that both may weigh.

    Raises: PackError where there are no pictures, two would get one name, `out` holds something else, or it is too
        much; then nothing is written.
    """
    if out.exists() and any(out.iterdir()) and not (out / NOTE).is_file():
        raise PackError(f"{out}: holds other files than a pack; give another --out")
    sets = {}
    for name, folder in map(_find, folders):
        if name in sets:
            raise PackError(f"{folder}: a second set called {name}; rename one of the folders")
        sets[name] = [smallest(file, None if name in SETS else quality) for file in datasets.image_files(folder)]
        _check_names(folder, sets[name])
    known = {name: _summary(pictures) for name, pictures in sets.items()}
    total = _summary([picture for pictures in sets.values() for picture in pictures])
    repository = weight(root, out)
    if repository + total["bytes"] > limit:
        raise PackError(
            f"repository {repository / 1e6:.1f} MB + pack {total['bytes'] / 1e6:.1f} MB are more than "
            f"{limit / 1e6:.0f} MB; pack fewer sets, or give a lower --quality"
        )
    if out.exists():
        shutil.rmtree(out)
    for name, pictures in sets.items():
        (out / name / "HR").mkdir(parents=True)
        for picture in pictures:
            (out / name / "HR" / picture.name).write_bytes(picture.content)
    report = {"sets": known, "all": total, "repository_bytes": repository, "quality": quality}
    atomic.write(out / NOTE, json.dumps(report, indent=1) + "\n")
    return report


def smallest(file: Path, quality: int | None = QUALITY) -> Packed:
    """The file itself, or the same pixels as PNG, or, given a quality, nearly the same as JPEG: the smallest."""
    original, pixels = file.read_bytes(), images.read(file)
    array = images.to_uint8(pixels)[0].permute(1, 2, 0).numpy()
    picture = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else np.ascontiguousarray(array))
    found = Packed(file.name, original, len(original), None)
    if file.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        png = _encode(picture, "PNG", optimize=True)
        found = min(found, Packed(f"{file.stem}.png", png, len(original), None), key=lambda one: len(one.content))
    if quality is None:
        return found
    jpeg = _encode(picture, "JPEG", quality=quality, subsampling=0, optimize=True)
    if len(jpeg) >= len(found.content):
        return found
    decoded = images.from_uint8(np.asarray(Image.open(io.BytesIO(jpeg))))
    return Packed(f"{file.stem}.jpg", jpeg, len(original), float(metrics.psnr(decoded, pixels)))


def weight(root: Path, out: Path) -> int:
    """Bytes of the files that git tracks or would add, without those of the pack.

    Raises: PackError where there is no git, or no repository.
    """
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError) as error:
        raise PackError(f"{root}: cannot ask git what the repository weighs; pack in a clone") from error
    files = {root / name for name in listed.split("\0") if name}
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_relative_to(out.resolve()))


def describe(report: dict[str, Any]) -> Iterator[str]:
    """A line for each set and one for all."""
    for name, row in (*report["sets"].items(), ("all", report["all"])):
        made = f"{row['jpeg']} of {row['pictures']} made JPEG {report['quality']}"
        lost = f", PSNR at least {row['psnr_min']:.2f} dB, mean {row['psnr_mean']:.2f} dB" if row["jpeg"] else ""
        yield f"{name:<12} {row['bytes_before'] / 1e6:6.1f} MB -> {row['bytes'] / 1e6:6.1f} MB   {made}{lost}"
    both = report["repository_bytes"] + report["all"]["bytes"]
    yield f"with the repository {both / 1e6:.1f} MB"


def _find(folder: Path) -> tuple[str, Path]:
    """The name of a set and where its pictures are."""
    folder = folder.resolve()
    folder = folder / "HR" if (folder / "HR").is_dir() else folder
    if not folder.is_dir() or not datasets.image_files(folder):
        raise PackError(f"{folder}: no folder with pictures ({', '.join(datasets.IMAGE_SUFFIXES)})")
    return (folder.parent if folder.name == "HR" else folder).name, folder


def _check_names(folder: Path, pictures: Sequence[Packed]) -> None:
    names = [picture.name for picture in pictures]
    if twice := {name for name in names if names.count(name) > 1}:
        raise PackError(f"{folder}: two pictures would both become {twice.pop()}; rename one")


def _encode(picture: Image.Image, kind: str, **settings: Any) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **settings)
    return content.getvalue()


def _summary(pictures: Sequence[Packed]) -> dict[str, Any]:
    values = [picture.psnr for picture in pictures if picture.psnr is not None]
    return {
        "pictures": len(pictures),
        "jpeg": len(values),
        "bytes_before": sum(picture.bytes_before for picture in pictures),
        "bytes": sum(len(picture.content) for picture in pictures),
        "psnr_min": round(min(values), 2) if values else None,
        "psnr_mean": round(statistics.mean(values), 2) if values else None,
    }
