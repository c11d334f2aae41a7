"""Notebooks and limits for the tests of the sandbox."""

import json

from srlib.grading.sandbox.limits import Limits

SMALL = Limits(
    cell_seconds=2.0,
    notebook_seconds=12.0,
    call_seconds=2.0,
    calls_seconds=20.0,
    memory=700_000_000,
    file_bytes=8_000_000,
    output_bytes=100_000,
    reply_bytes=8_000_000,
)


def notebook(*cells: str, **more) -> bytes:
    """A notebook of these code cells."""
    made = [
        {"cell_type": "code", "id": f"c{n}", "source": cell, "metadata": {}, "outputs": [], "execution_count": None}
        for n, cell in enumerate(cells)
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made} | more).encode()
