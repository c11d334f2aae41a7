"""`srlib grade`: a folder of notebooks into grades, each run in a sandbox, and `--doctor`, which tries the sandbox."""

import argparse
import dataclasses
import os
import sys
import time
from pathlib import Path

import torch

from srlib.commands.arguments import UsageError, above_zero, positive
from srlib.commands.progress import Bar
from srlib.grading import (
    batch,
    doctor,
    drawn,
    feedback,
    folders,
    intake,
    results,
    roster,
    similar,
    student,
    submissions,
)
from srlib.grading.marker import Marker
from srlib.grading.sandbox import isolation
from srlib.grading.sandbox.cells import NoNotebook, read
from srlib.grading.sandbox.host import Sandbox
from srlib.grading.sandbox.launch import SandboxError
from srlib.grading.sandbox.limits import Limits
from srlib.grading.sandbox.prints import prints

_LIMITS = {  # option: (limit, factor, what it says)
    "cell-seconds": ("cell_seconds", 1, "for one cell"),
    "call-seconds": ("call_seconds", 1, "for one call of a function"),
    "notebook-seconds": ("notebook_seconds", 1, "for all cells of a notebook"),
    "calls-seconds": ("calls_seconds", 1, "for all calls of a notebook"),
    "memory": ("memory", 1e9, "GB of a notebook's processes together"),
    "processes": ("processes", 1, "of a notebook at once"),
    "files": ("file_bytes", 1e6, "MB that a notebook may write"),
    "output": ("output_bytes", 1e6, "MB of printed text that are kept"),
}


def add(commands: argparse._SubParsersAction) -> None:
    """The parser of the command."""
    command = commands.add_parser("grade", help="grade a folder of notebooks, each run in a sandbox")
    command.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", help="the hand-ins: a folder, or a zip")
    command.add_argument("--assignment", metavar="PART", help="which assignment: pixels, networks, ...")
    command.add_argument(
        "--out", metavar="DIR", type=Path, help="where the results go; a batch that was stopped goes on"
    )
    command.add_argument("--roster", metavar="CSV", type=Path, help="the students: id, name, deadline, also")
    command.add_argument(
        "--seed", type=int, default=0, help="of probes, data and pictures; take a long number and keep it to yourself"
    )
    command.add_argument("--jobs", metavar="N", type=positive, help="notebooks at once; default: the processor's cores")
    command.add_argument("--deadline", metavar="T", help="such as 2026-05-31T23:59; what comes later is marked late")
    command.add_argument(
        "--late", choices=("keep", "zero"), default="keep", help="points of what is late; default: keep"
    )
    command.add_argument(
        "--masters", metavar="DIR", type=Path, help="your own assignments, in place of the public ones"
    )
    command.add_argument("--pictures", metavar="DIR", type=Path, help="held-out pictures of your own")
    command.add_argument("--similar", metavar="SHARE", type=_share, default=similar.SHARE, help="from which share on")
    command.add_argument("--shard", metavar="I/N", type=_shard, default=(1, 1), help="only the I-th of N parts")
    names = (*isolation.ORDER, isolation.NONE)
    command.add_argument("--isolation", choices=names, help="default: the first that works; 'none' has to be asked for")
    command.add_argument("--doctor", action="store_true", help="which isolation works here; try the attacks on it")
    limits = command.add_argument_group("limits of a notebook")
    for option, (field, factor, text) in _LIMITS.items():
        standard = getattr(Limits, field) / factor
        limits.add_argument(f"--{option}", metavar="N", type=above_zero, help=f"{text}; default: {standard:g}")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Grade, or examine the sandbox; 0: all is graded, 1: some need a person, 2: wrong use.

    Raises: UsageError; ValueError for an assignment, roster or folder that is not there; OSError.
    """
    if options.doctor:
        return doctor.run(options.isolation)
    missing = [name for name in ("folder", "assignment", "out") if getattr(options, name) is None]
    if missing:
        word = {"folder": "FOLDER"}.get(missing[0], f"--{missing[0]}")
        raise UsageError(f"{word} is missing: srlib grade FOLDER --assignment PART --out DIR")
    loaded = folders.load(options.assignment, options.masters)
    people = roster.read(options.roster) if options.roster else roster.Roster()
    deadline = roster.when(options.deadline or "")
    found = submissions.submissions(_entries(options), people, deadline, _others(options))
    if not found and not people:
        raise UsageError(f"{options.folder}: nothing has been handed in there")
    if options.out.resolve() == options.folder.resolve():
        raise UsageError("--out is FOLDER itself: its results would be graded as hand-ins")
    if options.seed < 2**32:
        print(
            f"seed {options.seed} can be guessed by a notebook from its own data; take a number of 18 digits for grades"
        )
    limits = _limits(options)
    torch.set_num_threads(1)
    try:
        with Sandbox(options.isolation, limits=limits) as sandbox:
            return _grade(options, loaded, found, people, sandbox)
    except SandboxError as error:
        raise UsageError(f"{error}\nsrlib grade --doctor says more") from None


def _grade(options, loaded, found, people, sandbox) -> int:
    began = time.monotonic()
    digest = drawn.digest_of([p for p in options.pictures.rglob("*") if p.is_file()]) if options.pictures else ""
    setting = batch.Setting(loaded.digest_with_outputs, options.seed, digest, sandbox.limits, sandbox.isolation)
    options.out.mkdir(parents=True, exist_ok=True)
    marker = Marker(loaded, sandbox, seed=options.seed, pictures=options.pictures)
    batch.calibrate(marker, setting, options.out)
    counting = [one for one in found if one.counts]
    index, count = options.shard
    mine = counting[index - 1 :: count]
    jobs = options.jobs or os.cpu_count() or 1
    fresh = 0
    with Bar(total=len(mine), desc=loaded.assignment.part, unit="notebook") as bar:

        def told(record: dict, new: bool) -> None:
            nonlocal fresh
            fresh += new
            bar.update(1)

        records = batch.grade(marker, mine, setting, options.out, jobs=jobs, told=told)
    if count > 1:
        records = batch.kept(marker, counting, setting, options.out)
        if len(records) < len(counting):
            print(f"{len(records)} of {len(counting)} graded; the results are written when the last part is done")
            return 0
    table = results.rows(found, records, people, loaded.assignment.part, options.late)
    pairs = _pairs(table, loaded, marker.master_sketches, options.similar)
    more = {
        "isolation_promises": isolation.PROMISES.get(sandbox.plan.name, ""),
        "thresholds": marker.thresholds_as_json(),
    }
    files = {
        "grades.csv": results.grades(table, loaded.assignment),
        "questions.csv": results.questions(table, loaded.assignment),
        "similar.csv": results.similar(pairs),
        "canvas.csv": results.canvas(table, loaded.assignment, people),
        "grades.json": results.summary(table, loaded.assignment, setting, loaded.digest, more),
    }
    pages = {f"feedback/{drawn.plain(r.student)}.html": feedback.page(r, loaded.assignment) for r in table if r.record}
    results.write(options.out, files | pages)
    return _told(options, table, pairs, fresh, sandbox, time.monotonic() - began)


def _told(options, table, pairs, fresh: int, sandbox, seconds: float) -> int:
    graded = [row for row in table if row.record]
    mean = sum(row.total for row in graded) / max(len(graded), 1)
    print(f"{len(graded)} notebooks graded ({fresh} run now, {seconds:.0f} s), on average {mean:.2f} points")
    print(f"isolation: {sandbox.isolation}; results: {options.out / 'grades.csv'}")
    if pairs:
        print(f"{len(pairs)} pairs are alike: {options.out / 'similar.csv'}")
    attention = [row for row in table if row.attention]
    for row in attention[:20]:
        print(f"look at {row.submission.entry.path}: {row.attention}", file=sys.stderr)
    if len(attention) > 20:
        print(f"... and {len(attention) - 20} more: see the notes in grades.csv", file=sys.stderr)
    return 1 if attention else 0


def _pairs(table, loaded, masters, share: float) -> list[similar.Pair]:
    """Alike in code, the master among them, and in weights, the master's own among them."""
    handed_out = prints(cell["source"] for cell in student.handed_out(loaded) if cell["cell_type"] == "code")
    found = {row.student: row.record["prints"] for row in table if row.record}
    try:
        found["(the master)"] = prints(read(loaded.master).sources)
    except NoNotebook as error:
        raise UsageError(f"{loaded.folder}: {error}") from None
    pairs = similar.code(found, handed_out, share)
    for question in loaded.assignment.questions:
        sketches = {
            row.student: similar.sketch_from(numbers)
            for row in table
            if row.record and (numbers := row.record["sketches"].get(question.name))
        }
        if question.name in masters:
            sketches["(the master)"] = masters[question.name]
        pairs += similar.weights(sketches, f"weights of {question.name}")
    return pairs


def _entries(options: argparse.Namespace) -> list[intake.Entry]:
    """The hand-ins, without what belongs to the grader: its results and the roster."""
    folder, own = options.folder, [options.out, options.roster]
    within = (path.resolve().relative_to(folder.resolve()).parts for path in own if path and _within(path, folder))
    inside = [tuple(map(intake.file_name, parts)) for parts in within]
    return [e for e in intake.entries(folder) if not any(e.parts[: len(parts)] == parts for parts in inside if parts)]


def _others(options: argparse.Namespace) -> set[str]:
    """The other assignments' names, which nbgrader's folders may have."""
    return set(folders.parts(options.masters)) - {options.assignment}


def _within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _limits(options: argparse.Namespace) -> Limits:
    changed = {}
    for option, (field, factor, _) in _LIMITS.items():
        value = getattr(options, option.replace("-", "_"))
        if value is not None:
            changed[field] = type(getattr(Limits, field))(value * factor)
    return dataclasses.replace(Limits(), **changed)


def _share(text: str) -> float:
    value = above_zero(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1")
    return value


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part such as 2/8")
    return int(index), int(count)
