"""`srlib grade --doctor`: which isolation works here, and whether the attacks stay inside it."""

import json
import time

from srlib.grading.attacks.corpus import ATTACKS, ONLY_THEMSELVES
from srlib.grading.sandbox import probe
from srlib.grading.sandbox.host import Sandbox
from srlib.grading.sandbox.launch import SandboxError
from srlib.grading.sandbox.limits import Limits

LIMITS = Limits(  # small, so that attacks end soon
    cell_seconds=2.0,
    notebook_seconds=12.0,
    call_seconds=2.0,
    calls_seconds=20.0,
    memory=900_000_000,
    file_bytes=8_000_000,
    output_bytes=100_000,
    reply_bytes=8_000_000,
)


def run(name: str | None = None) -> int:
    """Print what works, run every attack in the sandbox, print what got through; 0 if nothing did, else 1.

    Args:
        name: the isolation to try; None takes the first that works.
    """
    for row in probe.available():
        print(f"{row.name:13} {'works' if row.works else 'no   '}  {row.reason}")
    try:
        with Sandbox(name, limits=LIMITS) as sandbox:
            print(f"\n{len(ATTACKS)} attacks on {sandbox.isolation}, some minutes:", flush=True)
            failed = [line for attack in ATTACKS if (line := _attacked(sandbox, attack))]
    except SandboxError as error:
        print(f"\n{error}")
        return 1
    for line in failed:
        print(f"  {line}")
    print(f"{len(ATTACKS) - len(failed)} of {len(ATTACKS)} stayed inside and cost nobody else anything")
    return 1 if failed else 0


def _attacked(sandbox: Sandbox, name: str) -> str:
    """Empty if the attack stayed inside and the innocent cells beside it counted, else what went wrong."""
    attack = ATTACKS[name]
    sources = ("def good(x):\n    return x + 1", attack.cell, "def also(x):\n    return x * 2")
    made = [{"cell_type": "code", "source": source, "metadata": {}, "outputs": []} for source in sources]
    began = time.monotonic()
    with sandbox.open(json.dumps({"nbformat": 4, "cells": made}).encode()) as notebook:
        first, bad, second = (
            notebook.call("good", 2),
            notebook.call("bad") if attack.bad else None,
            notebook.call("also", 4),
        )
    if notebook.ended.left or notebook.ended.error:
        return f"{name}: processes are left, or the keeper failed: {notebook.ended}"
    if attack.empty and bad.ok and bad.value:
        return f"{name}: got through with {bad.value}"
    if name not in ONLY_THEMSELVES and not (first.ok and first.value == 3 and second.ok and second.value == 8):
        return f"{name}: the innocent cells did not count: {notebook.report.problem or first.reason or second.reason}"
    if time.monotonic() - began > LIMITS.longest:
        return f"{name}: took {time.monotonic() - began:.0f} s"
    return ""
