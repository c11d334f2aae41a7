"""Intervals over seeds against known values, SciPy and their own promise."""

import math

import numpy as np
import pytest
from scipy import stats

from srlib.evaluation.statistics import Effect, paired_effect, t_interval


def test_an_interval_by_hand():
    found = t_interval([1.0, 2.0, 3.0, 4.0])
    assert found.mean == 2.5
    assert found.half_width == pytest.approx(3.182446 * math.sqrt(5 / 3) / 2, rel=1e-6)
    assert (found.low, found.high, found.count) == (2.5 - found.half_width, 2.5 + found.half_width, 4)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("count", [2, 3, 8, 21])
def test_an_interval_is_scipys(count, confidence):
    values = np.random.default_rng(count).normal(3, 2, count)
    found = t_interval(values.tolist(), confidence)
    low, high = stats.t.interval(confidence, count - 1, values.mean(), stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low, rel=1e-9), pytest.approx(high, rel=1e-9))


def test_nineteen_of_twenty_intervals_hold_the_mean():
    draws = np.random.default_rng(0).normal(0.7, 0.1, (4000, 6))
    held = [abs(effect.mean - 0.7) <= effect.half_width for effect in map(t_interval, draws.tolist())]
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)


def test_pairs_take_the_seeds_spread_away():
    luck = np.random.default_rng(1).normal(0, 1, 8)
    control = {seed: 30 + value for seed, value in enumerate(luck)}
    treated = {seed: value + 0.1 for seed, value in control.items()}
    effect = paired_effect(treated | {99: 0.0}, control | {98: 0.0})
    assert effect.mean == pytest.approx(0.1)
    assert effect.half_width < 1e-9 < 0.5 < t_interval(list(control.values())).half_width
    assert effect.count == 8


@pytest.mark.parametrize(
    ("mean", "half", "word"),
    [
        (0.01, 0.02, "none"),
        (0.02, 0.03, "open"),
        (0.05, 0.04, "higher"),
        (-0.05, 0.04, "lower"),
        (0.015, 0.01, "none"),
        (0.025, 0.02, "higher"),
    ],
)
def test_the_verdict_for_a_band_of_three_hundredths(mean, half, word):
    assert Effect(mean, half, 8).verdict(0.03) == word


def test_it_is_written_with_its_sign():
    assert str(Effect(0.0184, 0.0126, 6)) == "+0.018 ± 0.013"


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [math.inf, 1.0]])
def test_too_few_or_broken_values_are_refused(values):
    with pytest.raises(ValueError, match="at least two values, all finite"):
        t_interval(values)


def test_other_words_of_refusal():
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1, got 95"):
        t_interval([1.0, 2.0], 95)
    with pytest.raises(ValueError, match="half a width, at least 0; got -1"):
        Effect(0, 1, 2).verdict(-1)
    with pytest.raises(ValueError, match="at least two values"):
        paired_effect({0: 1.0, 1: 2.0}, {1: 1.0})
