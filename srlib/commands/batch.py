"""What a call of `srlib upscale` has to do: its pictures, and a place for each result, no two in one file."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from srlib.commands import pipes
from srlib.commands.arguments import NO_MEMORY, UsageError, complain, is_out_of_memory, note
from srlib.io import finder
from srlib.io.codecs import FORMATS, Header, ImageError, writable

FALLBACK = ".png"  # holds whatever a picture carries


@dataclass(frozen=True)
class Job:
    """One picture and where its result may go.

    Args:
        source: a file, or a word for a pipe.
        targets: places in order; the first whose format holds what the picture carries is taken.
    """

    source: Path | str
    targets: tuple[Path | str, ...]

    @property
    def name(self) -> str:
        """The name of the picture, to show."""
        return self.source.name if isinstance(self.source, Path) else "standard input"

    def done(self) -> bool:
        """Whether a result is there already: a file that is not empty. No other picture has the same places."""
        return any(Path(target).is_file() and Path(target).stat().st_size > 0 for target in self.targets)

    def target(self, header: Header, size: tuple[int, int]) -> Path | str:
        """The first place that can hold the result, (height, width) = `size`; a pipe holds anything.

        Raises: ImageError for a picture that cannot be written to any of them, or that would replace its own input.
        """
        for target in self.targets:
            if isinstance(target, str):
                return target
            try:
                writable(target, bits=header.bits, alpha=header.alpha, size=size)
            except ImageError:
                if target == self.targets[-1]:
                    raise
            else:
                break
        if isinstance(self.source, Path) and target.exists() and target.samefile(self.source):
            raise ImageError(f"{target}: is the input file; choose another output, or give --suffix for another name")
        return target


@dataclass(frozen=True)
class Naming:
    """How results in a folder are called.

    Args:
        extension: such as ".png" for every result; None: that of the picture, where its format holds the result.
        suffix: put between name and extension.
    """

    extension: str | None = None
    suffix: str = ""

    def targets(self, source: Path, folder: Path, short: str) -> tuple[Path, ...]:
        """The places for a result: the picture's own name first where its format may do, then another format.

        Args:
            short: the name without extension that no other picture of the folder has.
        """
        extension = self.extension or FALLBACK
        other = folder / f"{short}{self.suffix}{extension}"
        own = source.with_name(f"{source.stem}{self.suffix}{source.suffix}").name
        kind = FORMATS.get(source.suffix.lower())
        if kind is None or (self.extension and kind != FORMATS[self.extension]):
            return (other,)
        return (folder / own,) if self.extension or kind == FORMATS[FALLBACK] else (folder / own, other)


def plan(
    inputs: Sequence[str],
    output: str,
    naming: Naming,
    *,
    recursive: bool = False,
    shard: tuple[int, int] = (1, 1),
    say: Callable[[str], None] = note,
) -> list[Job]:
    """All pictures with their places; of several shards (i, n) the i-th, counted from 1.

    Shards take turns in the sorted list of pictures, so together they do each picture once.

    Args:
        say: called with what is left out of a folder.

    Raises: UsageError for a folder without pictures, a target that cannot take the results, and two results of one
        name; ImageError for a single picture whose target's format is unknown.
    """
    if "" in (*inputs, output):
        raise UsageError("a name is empty; is a variable unset?")
    target = Path(output)
    into = target.is_dir() or output.endswith(("/", os.sep))
    if len(inputs) == 1 and not Path(inputs[0]).is_dir() and not into:
        if shard != (1, 1):
            raise UsageError("--shard shares a folder of pictures, or several; there is one")
        return _single(inputs[0], output, naming)
    if any(map(pipes.is_pipe, inputs)) and len(inputs) > 1:
        raise UsageError("one picture at a time comes through a pipe; give files or a pipe, not both")
    what = f"{inputs[0]} is a folder" if len(inputs) == 1 else f"there are {len(inputs)} inputs"
    if len(inputs) == 1 and not Path(inputs[0]).is_dir() and target.exists() and not target.is_dir():
        raise UsageError(f"{output}: {target} is a file, not a folder")
    if output == "-" or pipes.is_pipe(output) or (target.exists() and not target.is_dir()):
        raise UsageError(f"{what}, so {output} must be a folder too")
    if finder.is_picture_name(target) and not into:
        raise UsageError(f"{what}, but {target} is the name of a picture; give a folder, or {target}/ if it is one")
    found = [pair for word in dict.fromkeys(inputs) for pair in _pictures(word, target, naming, recursive, say)]
    jobs = _jobs(found, naming, shard)
    if found and not jobs:
        say(f"nothing to do for shard {shard[0]} of {shard[1]}: {len(found)} pictures in all")
    return jobs


def passed_over(job: Job, error: Exception) -> int:
    """Say why one picture of many has no result, and return the exit status.

    Raises: the error itself where the next picture would do no better: where the disk is full, and after a bug.
    """
    if isinstance(error, ImageError):
        if getattr(error.__cause__, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise error
        return complain(error)
    if not is_out_of_memory(error):
        raise error
    return complain(f"{job.name}: {NO_MEMORY}")


def _single(source: str, output: str, naming: Naming) -> list[Job]:
    """One picture to a place with a name."""
    if naming.suffix:
        raise UsageError(f"--suffix names results in a folder; {output} is a name already, put {naming.suffix} into it")
    place: Path | str = output
    if not pipes.is_pipe(output):
        place, kind = Path(output), FORMATS.get(Path(output).suffix.lower())
        if not place.suffix:
            endings = ", ".join(FORMATS)
            raise UsageError(
                f"{output} is no folder, and no name of a picture either ({endings}); for a new folder write {output}/"
            )
        writable(place)
        if naming.extension and kind != FORMATS[naming.extension]:
            raise UsageError(f"{output} says {kind}, and --format says {FORMATS[naming.extension]}; give only one")
    else:
        pipes.check_output(output, naming.extension)
    return [Job(source if pipes.is_pipe(source) else Path(source), (place,))]


def _pictures(
    word: str, target: Path, naming: Naming, recursive: bool, say: Callable[[str], None]
) -> Iterator[tuple[Path | str, Path]]:
    """Each picture that a word stands for, with the folder of its result."""
    source = Path(word)
    if pipes.is_pipe(word):
        yield word, target
    elif not source.is_dir():
        yield source, target
    else:
        here = target.exists() and source.samefile(target)
        if here and not naming.suffix:
            raise UsageError(
                f"{target}: the results would overwrite the input pictures; choose another folder, or give --suffix"
            )
        files = finder.pictures(source, recursive=recursive, skip=target)
        if not files:
            raise UsageError(finder.nothing_in(source))
        if not recursive and (missed := finder.left_out(source, skip=target)):
            say(f"left out: {missed} of {source}; use --recursive")
        fresh = [file for file in files if not (here and file.stem.endswith(naming.suffix))]
        if len(fresh) < len(files):
            say(f"left out: {len(files) - len(fresh)} pictures named ...{naming.suffix}, as results of an earlier run")
        top = source if recursive else files[0].parent  # DIR, or DIR/HR
        folders = {parent: target / parent.relative_to(top) for parent in {file.parent for file in fresh}}
        yield from ((file, folders[file.parent]) for file in fresh)


def _jobs(found: Iterable[tuple[Path | str, Path]], naming: Naming, shard: tuple[int, int]) -> list[Job]:
    """A place for each result of a shard, no two of them one, whatever the other shards do."""
    found = list(dict.fromkeys(found))
    named = [folder / (source.name if isinstance(source, Path) else "stdin") for source, folder in found]
    owners: dict[Path, Path | str] = {}
    for (source, _), place in zip(found, named, strict=True):
        if owners.setdefault(place, source) != source:
            raise UsageError(f"{owners[place]} and {source} would both become {place}; give them one at a time")
    part = slice(shard[0] - 1, None, shard[1])
    named_part = zip(found[part], named[part], finder.short_names(named)[part], strict=True)
    jobs = [Job(source, naming.targets(place, folder, short)) for (source, folder), place, short in named_part]
    _protect((source for source, _ in found if isinstance(source, Path)), jobs)
    return jobs


def _protect(inputs: Iterable[Path], jobs: Iterable[Job]) -> None:
    """Refuse a result that would replace another picture of the input."""

    @cache
    def real(folder: Path) -> str:
        return os.path.realpath(folder)

    places = {real(target.parent) for job in jobs for target in job.targets}
    owners = {(real(source.parent), source.name): source for source in inputs if real(source.parent) in places}
    for job in jobs if owners else ():
        for target in job.targets:
            other = owners.get((real(target.parent), target.name))
            if other is not None and other != job.source:
                raise UsageError(f"{other} is an input, and the result of {job.source} would replace it; leave one out")
