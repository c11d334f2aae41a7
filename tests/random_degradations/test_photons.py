"""photons: the Poisson distribution itself, at every level."""

import numpy as np
import pytest
from scipy import stats

from srlib.random_degradations.photons import photons


@pytest.mark.parametrize("level", [1, 7, 40, 128, 255])
def test_counts_follow_the_distribution(level):
    counts = photons(np.full((400, 500), level, np.uint8), np.random.default_rng(level))
    law = stats.poisson(level * 256 / 255)
    low, high = int(law.ppf(1e-4)), int(law.ppf(1 - 1e-4))
    observed = [(counts < low).sum(), *np.bincount(counts.ravel(), minlength=high + 1)[low : high + 1]]
    observed.append(counts.size - sum(observed))
    expected = counts.size * np.diff([0, *law.cdf(np.arange(low - 1, high + 1)), 1])
    kept = expected > 4
    statistic = ((np.array(observed) - expected)[kept] ** 2 / expected[kept]).sum()
    assert stats.chi2.sf(statistic, kept.sum()) > 1e-4


def test_every_level_has_its_mean_and_variance():
    levels = np.arange(256, dtype=np.uint8)[:, None].repeat(20_000, 1)
    counts = photons(levels, np.random.default_rng(0)).astype(float)
    means = np.arange(256) * 256 / 255
    assert (counts[0] == 0).all()
    assert (np.abs(counts.mean(1) - means) <= 4.5 * np.sqrt(means / 20_000)).all()
    np.testing.assert_allclose(counts.var(1)[1:], means[1:], rtol=0.06)


def test_the_extremes_are_reached():
    """The first and the last cell hold the tails; without them the counts would end within 3.5 σ."""
    counts = photons(np.full((1000, 1000), 128, np.uint8), np.random.default_rng(3))
    law = stats.poisson(128 * 256 / 255)
    assert counts.min() < law.ppf(2e-5) and counts.max() > law.ppf(1 - 2e-5)


def test_the_shape_stays_and_the_seed_decides():
    levels = np.random.default_rng(0).integers(256, size=(5, 7, 3), dtype=np.uint8)
    one, two, other = (photons(levels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.shape == (5, 7, 3) and (one == two).all() and (one != other).any()
