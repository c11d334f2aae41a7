"""Effects of a training with their uncertainty: differences paired by seed, t-intervals, and a band declared before."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from scipy.special import stdtrit


@dataclass(frozen=True)
class Effect:
    """A mean difference over seeds and half the width of its t-interval.

    Args:
        count: seeds, of which each gave one difference.
    """

    mean: float
    half_width: float
    count: int

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half_width

    def verdict(self, band: float) -> str:
        """What the interval says about a band around zero, inside which an effect counts as none.

        "none": the whole interval lies inside the band. "higher", "lower": all of it lies on one side of zero, and it
        reaches beyond the band. "open": it holds zero and more than the band.

        Args:
            band: half its width, at least 0, declared before the numbers were seen.

        Raises: ValueError for a band below 0.
        """
        if not band >= 0:
            raise ValueError(f"a band is half a width, at least 0; got {band}")
        if -band <= self.low and self.high <= band:
            return "none"
        if self.low <= 0 <= self.high:
            return "open"
        return "higher" if self.mean > 0 else "lower"

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ± {self.half_width:.3f}"


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Effect:
    """Mean of independent values and its t-interval (Student, Biometrika 1908).

    With n values, half the width is t · s / √n: s is their standard deviation (n − 1 in its denominator), t the
    quantile of Student's distribution with n − 1 degrees of freedom. Of 3 values t is 4.3, of 8 it is 2.36.

    Args:
        confidence: share of such intervals that hold the true mean, if the values are normal.

    Raises: ValueError for fewer than two values, for one that is not finite, and for a confidence outside 0 to 1.
    """
    if len(values) < 2 or not all(map(math.isfinite, values)):
        raise ValueError(f"an interval needs at least two values, all finite; got {list(values)}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    count = len(values)
    mean = math.fsum(values) / count
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    quantile = float(stdtrit(count - 1, (1 + confidence) / 2))
    return Effect(mean, quantile * spread / math.sqrt(count), count)


def paired_effect(
    treated: Mapping[Hashable, float], control: Mapping[Hashable, float], confidence: float = 0.95
) -> Effect:
    """Mean difference of two arms that were trained from the same seeds, with its t-interval.

    A seed sets the start and the batches. Most of the spread between trainings comes from there, and the difference
    within a seed is free of it. The seed is the unit: the pictures of a test set, scored by the same two networks,
    share those networks' luck, and an interval over pictures leaves it out.

    Args:
        treated, control: seed -> score; seeds that only one arm has are passed over.

    Raises: as `t_interval`, for fewer than two seeds in common.
    """
    shared = [seed for seed in treated if seed in control]
    return t_interval([treated[seed] - control[seed] for seed in shared], confidence)
