"""The parts of `gpu.py run`: what each is called with, how long it may take, and what the report says of it."""

import argparse
import importlib
import importlib.util
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from srlib import checkpoints
from srlib.io import atomic
from srlib.recipes.table import find
from srlib.training.fit import commit, device_name, planned_steps
from srlib.training.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
REPORT = "report.json"
NEEDED = ("srlib.cli", "benchmarks.throughput")  # what the parts import
FINISH = 30  # seconds that training may need before its first step and after its last
GRACE = 5  # seconds between asking a part to end and ending it


class Report:
    """`report.json`, written anew whenever something is noted; what an earlier call has noted there stays."""

    def __init__(self, out: Path, options: argparse.Namespace) -> None:
        self.path, self.begun = out / REPORT, options.begun
        before = json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else {}
        note = options.pack / "pack.json"
        self.content = {
            "recipe": recipe_of(options).name,
            "device": device_name(torch.device(options.device)),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "commit": commit(),
            "smoke": options.smoke,
            "minutes": options.minutes,
            "seconds": 0.0,
            "pictures": json.loads(note.read_text(encoding="utf-8"))["all"] if note.is_file() else None,
            "parts": before.get("parts", {}),
        }

    def note(self, part: str, row: dict[str, Any]) -> None:
        """Say what became of a part."""
        self.content["parts"][part] = row
        self.content["seconds"] = round(time.monotonic() - self.begun, 1)
        atomic.write(self.path, json.dumps(self.content, indent=1, ensure_ascii=False) + "\n")

    def succeeded(self, part: str) -> bool:
        return self.content["parts"].get(part, {}).get("ok", False)

    def told(self, part: str) -> str:
        """A line for the screen."""
        row = self.content["parts"][part]
        return f"{'done' if row['ok'] else 'FAILED'} after {row['seconds']:.0f} s: {row['said']}"


def rehearse(options: argparse.Namespace) -> None:
    """Find out now what would go wrong later.

    Raises: ImportError for a package that is missing; ValueError for a device or a recipe that cannot be used.
    """
    for name in NEEDED:
        importlib.import_module(name)
    try:
        torch.ones(2, device=options.device).sum().item()
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {options.device!r} cannot be used here; to rehearse: --smoke --device cpu") from error
    recipe = recipe_of(options)
    recipe.build()
    for phase in recipe.phases:  # a loss may read weights that are missing
        phase.step()


def recipe_of(options: argparse.Namespace) -> Recipe:
    """The recipe that is named.

    Raises: ValueError for a name or scale that is not there.
    """
    return find(options.recipe, options.scale)


def carry_out(part: str, options: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Run a part as a program of its own, what it prints into a file; whether it succeeded, its seconds, a line."""
    begun = time.monotonic()
    left = options.begun + 60 * options.minutes - begun
    if left <= GRACE:
        return {"ok": False, "seconds": 0.0, "said": "no time was left"}
    if part == "tests" and importlib.util.find_spec("pytest") is None:
        return {"ok": False, "seconds": 0.0, "said": "pytest is not installed here"}
    words, limit = {"tests": tests, "throughput": throughput, "training": training}[part](options, out, left)
    text = out / f"{part}.txt"
    with text.open("ab") as file:
        start = file.tell()
        status = _run(words, min(limit, left - GRACE), _environment(options), file)
    with text.open("rb") as file:
        file.seek(start)
        printed = [line.strip(" =") for line in file.read().decode(errors="replace").splitlines() if line.strip(" =")]
    said = printed[-1] if printed else "it printed nothing"
    if status is None:
        said = f"its time was over; the last it printed: {said}"
    row = {"ok": status == 0, "seconds": round(time.monotonic() - begun, 1), "said": said}
    if part == "training" and (done := _progress(options, out)):
        row |= done | {"said": f"step {done['steps']} of {done['planned']}; {said}"}
    return row


def tests(options: argparse.Namespace, out: Path, left: float) -> tuple[list[str], float]:
    """The tests marked gpu, within a third of the time."""
    chosen = torch.device(options.device).type + (" and (stream or (stopped and fp32))" if options.smoke else "")
    words = ["-m", "pytest", "tests/gpu", "-m", "gpu", "-k", chosen, "-v", "--durations=10", "-p", "no:cacheprovider"]
    words += ["-W", "default"]  # another version of torch may warn of what does no harm
    return [sys.executable, *words], 60 * options.minutes / 3


def throughput(options: argparse.Namespace, out: Path, left: float) -> tuple[list[str], float]:
    """Four measurements of a seventy-fifth of the time each: 8 s of 10 minutes."""
    seconds = 0.1 if options.smoke else 60 * options.minutes / 75
    words = ["--recipe", options.recipe, "--scale", options.scale, "--device", options.device, "--seconds", seconds]
    words += ["--json", out / "throughput.json", *_given(options, "batch")]
    return [sys.executable, str(ROOT / "benchmarks" / "throughput.py"), *map(str, words)], 60 * options.minutes / 5


def training(options: argparse.Namespace, out: Path, left: float) -> tuple[list[str], float]:
    """The recipe, in what is left of the time."""
    minutes = 0.05 if options.smoke else max(left - FINISH, left / 3) / 60
    words = ["-m", "srlib", "train", options.recipe, "--scale", options.scale, "--device", options.device]
    words += ["--out", out / "run", "--resume", "--minutes", f"{minutes:.3f}"]
    words += _given(options, "batch") + _given(options, "steps") + _given(options, "learning-rate")
    return [sys.executable, *map(str, words)], left


def _given(options: argparse.Namespace, name: str) -> list[str]:
    value = getattr(options, name.replace("-", "_"))
    return [] if value is None else [f"--{name}", str(value)]


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """That of the parts: the clone can be imported, its pictures are found, cuBLAS gives the same bits again."""
    data = [str(options.pack.resolve())] if options.pack.is_dir() else []
    places = {"PYTHONPATH": [str(ROOT)], "SRLIB_DATA": data}
    found = {name: os.pathsep.join(filter(None, [*own, os.environ.get(name)])) for name, own in places.items()}
    return os.environ | found | {"PYTHONUNBUFFERED": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def _run(words: list[str], limit: float, environment: dict[str, str], file: Any) -> int | None:
    """The exit status of a program; None if it had to be ended, with all that it had started."""
    program = subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        return program.wait(limit)
    except subprocess.TimeoutExpired:
        program.send_signal(signal.SIGINT)
        try:
            program.wait(GRACE - 1)
        except subprocess.TimeoutExpired:
            pass
        return None
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()


def _progress(options: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Steps done and scores, of the last checkpoint; nothing where there is none."""
    recipe = recipe_of(options)
    try:
        card = checkpoints.read_card(out / "run" / f"{recipe.name}.safetensors")
    except checkpoints.CheckpointError:
        return {}
    return {"steps": card["steps"], "planned": planned_steps(card), "scores": card["scores"]}
