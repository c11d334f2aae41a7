"""Which notebooks share code, and which weights are near copies: hints for a person, never a penalty."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch

from srlib.grading.weights import Sketch

SHARE = 0.8  # from this share of the smaller notebook's own prints on, a pair is listed
FEWEST = 20  # notebooks with fewer prints of their own are alike by chance


@dataclass(frozen=True)
class Pair:
    """Two that are alike: their names, the share of the smaller one that stands in the other, and what was compared."""

    first: str
    second: str
    share: float
    what: str


def code(prints: Mapping[str, Iterable[int]], handed_out: Iterable[int], share: float = SHARE) -> list[Pair]:
    """Pairs of notebooks whose own code is alike, the most alike first.

    Args:
        prints: name -> fingerprints.
        handed_out: of the student version, which everybody has.
        share: the smallest that is listed.
    """
    given = set(handed_out)
    own = {name: found for name, all_of in prints.items() if len(found := set(all_of) - given) >= FEWEST}
    pairs = []
    for first, second in combinations(sorted(own), 2):
        a, b = own[first], own[second]
        shared = len(a & b) / min(len(a), len(b))
        if shared >= share:
            pairs.append(Pair(first, second, shared, "code"))
    return sorted(pairs, key=lambda pair: (-pair.share, pair.first, pair.second))


def weights(sketches: Mapping[str, Sketch], what: str) -> list[Pair]:
    """Pairs whose weights are nearly equal; another seed or one more epoch gives other numbers."""
    names = sorted(sketches)
    return [Pair(a, b, 1.0, what) for a, b in combinations(names, 2) if sketches[a].nearly(sketches[b])]


def sketch_from(numbers: Sequence[float]) -> Sketch:
    """A sketch as it stands in a record: the count, then the numbers."""
    return Sketch(int(numbers[0]), torch.tensor(numbers[1:], dtype=torch.float64))
