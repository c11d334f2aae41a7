"""The master measured: its own grade, its scores on several seeds, its time, and its outputs made new.

What earns everything is set from the master's run on the very pictures of a batch (`Marker.calibrate`); this shows an
instructor how much that varies, and that the master itself gets full marks.
"""

import json
import time
from statistics import mean, pstdev
from tempfile import TemporaryDirectory

from srlib.grading import drawn, student
from srlib.grading.folders import MASTER, Loaded
from srlib.grading.marker import Marker
from srlib.grading.sandbox.host import Sandbox
from srlib.io import atomic

SEEDS = range(5)


def run(loaded: Loaded) -> int:
    """Execute the master, then grade it under several seeds and print a table; 0 if it gets full marks, else 1.

    Raises: SandboxError; ValueError if the master does not answer a measured question.
    """
    execute(loaded)
    points, rows, seconds = [], {}, []
    with Sandbox() as sandbox:
        for seed in SEEDS:
            marker = Marker(loaded, sandbox, seed=seed)
            marker.calibrate()
            began = time.monotonic()
            record = marker.mark(loaded.master, {}, f"calibration {seed}")
            seconds.append(time.monotonic() - began)
            points.append(sum(score["points"] for score in record["scores"]))
            for score in record["scores"]:
                if score["points"] < score["of"] - 0.005:
                    print(f"seed {seed}: {score['name']} gets {score['points']:g} of {score['of']:g}: {score['hint']}")
            for name, found in marker.thresholds_as_json().items():
                rows.setdefault(name, []).append((found["floor"], found["full"]))
    for name, pairs in rows.items():
        floors, fulls = zip(*pairs, strict=True)
        gains = [full - floor for floor, full in pairs]
        print(f"{name}: nothing up to {mean(floors):.2f}, everything from {mean(fulls):.2f} {_unit(loaded, name)}")
        spread = f"from {min(gains):.2f} to {max(gains):.2f} over {len(pairs)} seeds, σ {pstdev(gains):.2f}"
        print(f"  gain {mean(gains):.2f}, {spread}")
    print(f"the master: {min(points):g} of {loaded.assignment.points:g} points, {mean(seconds):.1f} s a notebook")
    return 0 if min(points) >= loaded.assignment.points - 0.005 else 1


def execute(loaded: Loaded) -> None:
    """Run the master as a student would, with data for everybody, and keep its outputs in the file.

    Raises: ValueError without nbclient, or if a cell raises.
    """
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
    except ImportError as error:
        raise ValueError(f"{error.name} is missing: pip install 'srlib[grade]'") from None
    cells = student.cells_of(loaded)
    running = student.complete(loaded, drawn.given(loaded.assignment, 0, drawn.SHARED)[0])
    notebook = nbformat.from_dict(student.as_notebook(running, loaded))
    try:
        with TemporaryDirectory() as place:
            resources = {"metadata": {"path": place}}
            NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    except CellExecutionError as error:
        raise ValueError(f"{loaded.folder}: the master does not run: {str(error).splitlines()[-1]}") from None
    for cell, ran in zip(cells, notebook.cells, strict=True):
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = json.loads(json.dumps(ran.outputs)), ran.execution_count
    found = json.loads(loaded.master) | {"cells": cells}
    atomic.write(loaded.folder / MASTER, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def _unit(loaded: Loaded, name: str) -> str:
    return loaded.assignment.question(name).unit
