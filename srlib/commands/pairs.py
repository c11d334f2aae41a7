"""Pairs of results and originals by their names, for `srlib evaluate --results`."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from srlib import images
from srlib.commands.arguments import UsageError, note
from srlib.io import finder

LeaveOut = Callable[[str], None]
_SCALES = (2, 3, 4, 6, 8, 16)  # tried to explain why an original is a little larger than its result


def paired(
    results: Path, originals: Path, *, suffix: str = "", recursive: bool = False, leave_out: LeaveOut
) -> list[tuple[str, Path, Path]]:
    """(name, result, original) of every original that has a result of its name, whatever the extensions.

    Args:
        suffix: what the names of the results have besides, such as "_x4".
        recursive: also in subfolders, which must be called the same on both sides.
        leave_out: called with "name: reason" for an original without a result.

    Raises: UsageError for a folder without pictures, and if there is no pair.
    """
    found, wanted = _files(results, recursive), _files(originals, recursive)
    by_name, by_stem = {}, defaultdict(list)
    for place, file in found:
        by_name[place / file.name] = file
        by_stem[place / file.stem].append(file)
    pairs, missing = [], []
    shorts = finder.short_names([place / file.name for place, file in wanted])
    for (place, file), short in zip(wanted, shorts, strict=True):
        name, same = (place / short).as_posix(), by_name.get(place / f"{file.stem}{suffix}{file.suffix}")
        alike = [same] if same else by_stem[place / f"{short}{suffix}"]
        if len(alike) == 1:
            pairs.append((name, alike[0], file))
        elif alike:
            missing.append(f"{name}: has several results, {', '.join(map(str, alike))}; keep one")
        else:
            missing.append(f"{name}: no result in {results}")
    if not pairs:
        hint = _guess(wanted[0][1], wanted[0][0], found, suffix)
        raise UsageError(f"no picture in {results} is called like one in {originals}{hint}")
    for reason in missing:
        leave_out(reason)
    taken = {result for _, result, _ in pairs}
    if extra := [file for _, file in found if file not in taken]:
        note(f"{len(extra)} of {len(found)} results belong to no original, such as {extra[0]}")
    return pairs


def loaded(
    pairs: Sequence[tuple[str, Path, Path]], *, scale: int | None, leave_out: LeaveOut
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(name, sr, hr) of each pair, both (1, C, H, W) with the channels of hr.

    Args:
        scale: hr is cut to a multiple of it where sr has that size, as a data set's pictures are before they are made
            small; None: sizes must be equal.
        leave_out: called with "name: reason" for a picture that cannot be read, and for a pair of other sizes.
    """
    for name, result, original in pairs:
        try:
            sr, hr = images.read(result), images.read(original)
        except images.ImageError as error:
            leave_out(str(error))
            continue
        if scale and sr.shape[-2:] == _cut(hr, scale).shape[-2:]:
            hr = _cut(hr, scale)
        if sr.shape[-2:] != hr.shape[-2:]:
            sizes = (
                f"the result has {sr.shape[-1]} x {sr.shape[-2]} pixels, the original {hr.shape[-1]} x {hr.shape[-2]}"
            )
            cut = next((s for s in _SCALES if sr.shape[-2:] == _cut(hr, s).shape[-2:]), None)
            hint = f"give --scale {cut}, which cuts the original to a multiple" if cut else "make both of one size"
            leave_out(f"{name}: {sizes}; {hint}")
            continue
        if sr.shape[1] != hr.shape[1]:
            sr = sr.mean(1, keepdim=True) if hr.shape[1] == 1 else sr.expand(-1, 3, -1, -1)
        yield name, sr, hr


def _files(folder: Path, recursive: bool) -> list[tuple[Path, Path]]:
    """The pictures of a folder, each with the subfolder where it lies."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: {'is a file, not a folder' if folder.exists() else 'no such folder'}")
    files = finder.pictures(folder, recursive=recursive)
    if not files:
        raise UsageError(finder.nothing_in(folder))
    top = folder if recursive else files[0].parent
    return [(file.parent.relative_to(top), file) for file in files]


def _guess(original: Path, place: Path, found: Sequence[tuple[Path, Path]], suffix: str) -> str:
    """A hint at a result whose name goes on where the original's ends."""
    for where, file in found:
        rest = file.stem.removeprefix(original.stem)
        if where == place and rest not in ("", suffix, file.stem):
            return f"; {file.name} would be it with --suffix={rest}"
    return ""


def _cut(picture: Tensor, scale: int) -> Tensor:
    height, width = picture.shape[-2:]
    return picture[..., : height - height % scale, : width - width % scale]
