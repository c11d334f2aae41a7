"""What `srlib publish` measures: networks of pictures and of clips, before and after rounding, beside the old ones."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from srlib.checkpoints import CheckpointError
from srlib.commands.arguments import UsageError, quiet
from srlib.commands.progress import Bar
from srlib.evaluation import benchmark, video_benchmark
from srlib.metrics import PAPER, NotFiniteError
from srlib.training.fit import rounded_scores
from srlib.training.recipe import Scores, paper_scores

MAX_LOSS = 0.01  # dB; 16 bits cost some 0.001 dB, and more where weights leave their range
COPIES = "copies"  # the part of a card with the scores of five copies of the centre frame


@dataclass(frozen=True)
class Judge:
    """How networks of one kind are scored.

    Args:
        protocol: for the card.
        names: of scores on a card, in its order; those that cannot be measured here are kept of the same file.
        sets: what is on this machine, by name; on the first, 32 and 16 bits are compared.
        measure: (network, name, set) -> scores.
    """

    protocol: str
    names: Sequence[str]
    sets: Mapping[str, Any]
    measure: Callable[[nn.Module, str, Any], Scores]

    def score(self, net: nn.Module, sets: Mapping[str, Any]) -> Scores:
        """Of all these sets, with a bar."""
        scores: Scores = {}
        for name, content in Bar(sets.items(), desc="scoring", unit="set", leave=False, disable=quiet()):
            for scale, row in self.measure(net, name, content).items():
                scores.setdefault(scale, {}).update(row)
        return scores

    def compared(self, name: str, full: nn.Module, half: nn.Module) -> tuple[list[str], Scores]:
        """What 16 bits cost on the first set, a line for each scale; and the scores of what ships on all sets.

        Raises: CheckpointError where rounding costs too much, or gives no numbers.
        """
        whole, told = self.score(full, dict(itertools.islice(self.sets.items(), 1))), []
        try:
            scores = self.score(half, self.sets)
        except NotFiniteError as error:
            raise CheckpointError(f"{name} would give nan dB with 16 bits a number: {error}") from error
        for scale, row in whole.items():
            first = next(iter(row))
            before, after = row[first]["psnr"], scores[scale][first]["psnr"]
            told.append(f"{first} ×{scale}: {before:.4f} dB with 32 bits a number, {after:.4f} dB with 16")
            if not before - after <= MAX_LOSS:
                raise CheckpointError(f"{name} would lose more than {MAX_LOSS} dB by rounding: {told[-1]}")
        return told, scores

    def told(self, scores: Scores, before: dict, part: str = "scores") -> dict[str, Scores]:
        """For the card: what was measured, and what the card of the same file knows of sets that are not here."""
        scores, found = rounded_scores(scores), {}
        for scale, row in scores.items():
            known = before.get(part, {}).get(scale, {}) | row
            found[scale] = {name: known[name] for name in self.names if name in known} or row
        return {part: found}


def of_pictures() -> Judge:
    """Under the papers' protocol, on the benchmark sets; without any, on the evaluation photographs."""

    def measure(net: nn.Module, name: str, pictures: Any) -> Scores:
        return paper_scores(net, {name: pictures}, getattr(net, "scales", (net.scale,)))

    return Judge(str(PAPER), benchmark.SETS, benchmark.sets_here(), measure)


def of_clips(net: nn.Module) -> Judge:
    """On clips made of stills, and on Vid4 where it is here; the names say which, and how."""

    def measure(net: nn.Module, name: str, content: Any) -> Scores:
        return {str(net.scale): video_benchmark.scored(net, name, content)}

    protocol = f"BI, {PAPER}; where a name says another, that one"
    return Judge(protocol, video_benchmark.names(net.scale), video_benchmark.sets_here(net), measure)


def refuse_worse(name: str, scores: Scores, before: Scores) -> None:
    """A network gives way to one whose mean PSNR, over the sets that both were scored on, is not lower.

    Raises: UsageError for a worse one, and where the two have no set in common.
    """
    for scale, old in before.items():
        both = [key for key in old if key in scores.get(scale, {})]
        if old and not both:
            raise UsageError(
                f"{name} ships with scores on {', '.join(old)}, none of which is on this machine; "
                "put one into $SRLIB_DATA, or replace it uncompared with --force"
            )
        ours, theirs = (sum(of[key]["psnr"] for key in both) / max(1, len(both)) for of in (scores[scale], old))
        if ours < theirs:
            raise UsageError(
                f"{name}: {ours:.4f} dB at ×{scale} over {', '.join(both)}, worse than the {theirs:.4f} dB of the one "
                "that ships; --force replaces it"
            )


def lines(told: Mapping[str, Scores]) -> Iterator[str]:
    """What the card says, as a table."""
    width = max(len(name) for row in told["scores"].values() for name in [benchmark.PHOTOGRAPHS, *row])
    for scale, row in told["scores"].items():
        for name, found in row.items():
            copies = told.get(COPIES, {}).get(scale, {}).get(name)
            more = f"; five copies of the centre frame {copies['psnr']:.2f} dB" if copies else ""
            yield f"  ×{scale}  {name:<{width}}  {found['psnr']:.2f} dB  SSIM {found['ssim']:.4f}{more}"
