"""Gradescope: a zip with srlib, the assignment, `setup.sh` and `run_autograder`; and what the latter runs.

    python -m srlib.grading.gradescope ROOT

ROOT is /autograder there: it has `source/` (the zip), `submission/`, `submission_metadata.json` and `results/`.
Source: Gradescope's documentation, "Autograder specifications" and "Test output format".
"""

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch

import srlib
from srlib.grading import drawn, folders, intake, names
from srlib.grading.folders import MASTER, QUESTIONS, Loaded
from srlib.grading.marker import Marker
from srlib.grading.sandbox.host import Sandbox
from srlib.io import atomic

SETUP = """#!/usr/bin/env bash
# Installs srlib and what it needs; Gradescope runs this once, when the image is built.
set -euo pipefail
root=${AUTOGRADER_ROOT:-/autograder}
python=
for name in python3.13 python3.12 python3.11 python3; do
  command -v "$name" >/dev/null || continue
  if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'; then
    python=$name
    break
  fi
done
if [ -z "$python" ]; then
  apt-get -qq update
  apt-get -qq install --yes python3.11 python3.11-venv
  python=python3.11
fi
"$python" -m venv "$root/env"
pip="$root/env/bin/python -m pip install --quiet --disable-pip-version-check"
$pip --index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" --no-deps "torch@VERSION@"
$pip "$root/source/package[grade]"
"""
RUN = """#!/usr/bin/env bash
# Grades one submission; Gradescope runs this for each.
root=${AUTOGRADER_ROOT:-/autograder}
mkdir -p "$root/results"
cd "$root" && exec "$root/env/bin/python" -m srlib.grading.gradescope "$root"
"""
_LEFT_OUT = {"__pycache__", "_data", "results"}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # so that the same sources give the same zip


def write(path: Path, loaded: Loaded, seed: int) -> None:
    """The zip for "Configure autograder".

    Raises: OSError; ValueError if srlib is not a clone, whose sources go into the zip.
    """
    root = Path(srlib.__file__).resolve().parents[1]
    if not (root / "pyproject.toml").is_file():
        raise ValueError("the zip for Gradescope is made in a clone of the repository: srlib's sources go into it")
    version = torch.__version__.partition("+")[0]
    files: dict[str, bytes] = {
        "setup.sh": SETUP.replace("@VERSION@", f"=={version}").encode(),
        "run_autograder": RUN.encode(),
        "settings.json": json.dumps({"part": loaded.assignment.part, "seed": seed}).encode(),
    }
    for name in (MASTER, QUESTIONS):
        files[f"assignments/{loaded.assignment.part}/{name}"] = (loaded.folder / name).read_bytes()
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT"):
        files[f"package/{name}"] = (root / name).read_bytes()
    for folder in ("srlib", "data"):
        for file in sorted((root / folder).rglob("*")):
            inside = file.relative_to(root)
            if file.is_file() and not _LEFT_OUT & set(inside.parts):
                files[f"package/{inside.as_posix()}"] = file.read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = (0o755 if name in ("setup.sh", "run_autograder") else 0o644) << 16
            archive.writestr(member, content)
    atomic.write(path, buffer.getvalue())


def run(root: Path) -> dict[str, Any]:
    """Grade what lies in `root/submission`; the contents of results.json.

    Raises: SandboxError if no isolation works there.
    """
    settings = json.loads((root / "source" / "settings.json").read_text(encoding="utf-8"))
    loaded = folders.load(settings["part"], root / "source" / "assignments")
    entries = [entry for entry in intake.entries(root / "submission") if not entry.problem]
    notebooks = [entry for entry in entries if entry.suffix == ".ipynb"]
    if not notebooks:
        return {"score": 0, "output": "No notebook (.ipynb) was handed in.", "visibility": "visible"}
    newest = max(notebooks, key=lambda entry: entry.when)
    weights = {names.question_of(entry, ""): entry.read() for entry in entries if entry.suffix == ".safetensors"}
    torch.set_num_threads(1)
    with Sandbox() as sandbox:
        marker = Marker(loaded, sandbox, seed=settings["seed"])
        marker.calibrate()
        record = marker.mark(newest.read(), weights, _student(root))
    tests = [
        {
            "name": score["name"],
            "score": score["points"],
            "max_score": score["of"],
            "output": score["hint"],
            "output_format": "text",
            "visibility": "visible",
        }
        for score in record["scores"]
    ]
    report = record["report"]
    cells = [f"Code cell {int(n) + 1}: {text}" for kind in ("errors", "dropped") for n, text in report[kind].items()]
    output = "\n".join(text for text in (report["problem"], *cells) if text)
    made = {"tests": tests, "output_format": "text", "visibility": "visible", "stdout_visibility": "hidden"}
    return made | {"output": output, "extra_data": {"isolation": record["isolation"], "digest": loaded.digest}}


def _student(root: Path) -> str:
    """The id of who handed in, as Gradescope says it."""
    try:
        users = json.loads((root / "submission_metadata.json").read_text(encoding="utf-8"))["users"]
        return intake.clean(str(users[0].get("sid") or users[0].get("email") or users[0].get("name") or drawn.SHARED))
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return drawn.SHARED


def main(root: Path) -> int:
    """Write `root/results/results.json`, whatever happens; 0 if the submission was graded."""
    try:
        results, status = run(root), 0
    except Exception as error:  # whatever it is, Gradescope needs a file with results
        text = f"The autograder could not grade this, which is no fault of yours: {error}"
        results, status = {"score": 0, "output": text, "visibility": "visible"}, 1
    (root / "results").mkdir(exist_ok=True)
    atomic.write(root / "results" / "results.json", json.dumps(results, indent=1))
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "/autograder")))
