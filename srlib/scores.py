"""The scores of an upscaler on a set: a row per picture, means and spreads, for a page and for a file."""

import math
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class SetScores:
    """Scores of one upscaler on a set: one row per picture, the means and the standard deviations.

    The PSNR of two equal pictures is infinite. Means and deviations are over the rows that are finite.

    Args:
        rows: the name and the scores of each picture.
    """

    protocol: str
    rows: tuple[dict, ...]

    def mean(self, score: str) -> float:
        """Mean of a score over the pictures where it is finite; infinite if it is so for all."""
        values = self._finite(score)
        return sum(values) / len(values) if values else math.inf

    def spread(self, score: str) -> float:
        """Standard deviation of a score over the pictures where it is finite; 0 for fewer than two."""
        values, mean = self._finite(score), self.mean(score)
        return (sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)) ** 0.5

    def as_dict(self) -> dict:
        """For a file: the protocol, the mean of each score, its standard deviation under "spread", and the rows.

        JSON has no infinity: a score that is infinite is None.
        """
        names = [name for name in self.rows[0] if name != "name"]
        return {
            "protocol": self.protocol,
            **{name: _or_none(self.mean(name)) for name in names},
            "spread": {name: self.spread(name) for name in names},
            "images": [{key: _or_none(value) for key, value in row.items()} for row in self.rows],
        }

    def _finite(self, score: str) -> list[float]:
        return [row[score] for row in self.rows if not math.isinf(row[score])]


@dataclass(frozen=True)
class Scores(SetScores):
    """PSNR and SSIM of one upscaler on a set."""

    scale: float
    unit: ClassVar[str] = "picture"  # what a row is of

    @property
    def psnr(self) -> float:
        """Mean PSNR over the pictures, not the PSNR of their mean error; see `identical`."""
        return self.mean("psnr")

    @property
    def ssim(self) -> float:
        """Mean SSIM over the pictures."""
        return self.mean("ssim")

    @property
    def identical(self) -> int:
        """How many pictures came out equal to the true ones; their PSNR is infinite and not part of the mean."""
        return sum(math.isinf(row["psnr"]) for row in self.rows)

    def as_dict(self) -> dict:
        """As `SetScores.as_dict`, with the scale, and with the number of identical pictures if there are any."""
        return {"scale": self.scale} | super().as_dict() | ({"identical": self.identical} if self.identical else {})

    def _repr_markdown_(self) -> str:
        lines = [f"| ×{self.scale:g}: {self.protocol} | PSNR (dB) | SSIM |", "|:--|--:|--:|"]
        lines += [f"| {row['name']} | {_decibels(row['psnr'])} | {row['ssim']:.4f} |" for row in self.rows]
        count = f"{len(self.rows)}" + (f", {self.identical} identical" if self.identical else "")
        return "\n".join([*lines, f"| **mean of {count}** | **{_decibels(self.psnr)}** | **{self.ssim:.4f}** |"])


def _decibels(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:.2f}"


def _or_none(value: float | str) -> float | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
