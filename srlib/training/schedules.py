"""Learning-rate schedules: step -> factor of the rate; and those of our recipes, by the number of steps."""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def cosine(steps: int, *, warmup: int = 0, end: float = 0.0) -> Schedule:
    """A learning-rate schedule: up in a line, then down along half a cosine (Loshchilov & Hutter, ICLR 2017, eq. 5).

    Args:
        warmup: steps of the line.
        end: factor at the last step.
    """

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))

    return factor


def multistep(*milestones: int, gamma: float = 0.5) -> Schedule:
    """A learning-rate schedule: `gamma` times as much from each of these steps on."""
    return lambda step: gamma ** sum(step >= milestone for milestone in milestones)


# Of the number of steps: what a recipe names, since the number may change.


def constant(steps: int) -> Schedule:
    """The same rate all along."""
    return lambda step: 1.0


def warm_cosine(steps: int) -> Schedule:
    """Five hundred steps up, then down along half a cosine to zero. A faster start kills units for good."""
    return cosine(steps, warmup=min(500, steps // 4))


def multistep_at(steps: int, *, fractions: tuple[float, ...], gamma: float = 0.5) -> Schedule:
    """`multistep` with its milestones at these fractions of all steps."""
    return multistep(*(int(steps * fraction + 1e-9) for fraction in fractions), gamma=gamma)
