"""Notebooks and limits for the tests of the sandbox."""

import json
from dataclasses import replace

from srlib.grading.doctor import LIMITS

SMALL = replace(LIMITS, memory=700_000_000)


def notebook(*cells: str, **more) -> bytes:
    """A notebook of these code cells."""
    made = [
        {"cell_type": "code", "id": f"c{n}", "source": cell, "metadata": {}, "outputs": [], "execution_count": None}
        for n, cell in enumerate(cells)
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made} | more).encode()
