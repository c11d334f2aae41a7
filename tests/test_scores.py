"""Means, spreads and counts of scores, also where some are infinite."""

import json
import math

import pytest

from srlib.scores import Scores

INFINITE = {"name": "black", "psnr": math.inf, "ssim": 1.0}
A, B = {"name": "a", "psnr": 30.0, "ssim": 0.9}, {"name": "b", "psnr": 34.0, "ssim": 0.8}


def test_means_and_spreads_are_over_the_finite_rows():
    scores = Scores("P", (A, INFINITE, B), 4)
    assert scores.psnr == 32 and scores.ssim == pytest.approx(0.9) and scores.identical == 1
    assert scores.spread("psnr") == pytest.approx(8**0.5)
    found = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
    assert found["identical"] == 1 and [row["psnr"] for row in found["images"]] == [30.0, None, 34.0]
    assert "| black | ∞ | 1.0000 |" in scores._repr_markdown_() and "mean of 3, 1 identical" in scores._repr_markdown_()


def test_without_any_finite_row_the_mean_is_infinite():
    scores = Scores("P", (INFINITE,), 4)
    assert math.isinf(scores.psnr) and scores.spread("psnr") == 0 and scores.as_dict()["psnr"] is None
    assert "**∞**" in scores._repr_markdown_()


def test_without_infinite_rows_nothing_is_said_of_them():
    scores = Scores("P", (A, B), 3)
    assert "identical" not in scores.as_dict() and "identical" not in scores._repr_markdown_()
