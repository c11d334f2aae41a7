"""The scores of `srlib evaluate`: printed, as JSON and as a table."""

import csv
import io
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from srlib.commands import pipes
from srlib.commands.arguments import UsageError
from srlib.evaluation.perceptual import PerceptualScores
from srlib.io import atomic
from srlib.metrics import Scores


@dataclass(frozen=True)
class Report:
    """What was found of one model, or of one folder of results, on one set."""

    model: str
    set: str
    scores: Scores
    look: PerceptualScores | None = None

    def as_dict(self) -> dict:
        """All scores, with one row per picture."""
        look = {} if self.look is None else {"perceptual": self.look.as_dict()}
        return {"model": self.model, "set": self.set} | self.scores.as_dict() | look

    def row(self) -> dict[str, str]:
        """The means, for a table."""
        scores, look = self.scores, self.look
        cells = {
            "model": self.model,
            "scale": f"{scores.scale:g}",
            "set": self.set,
            "protocol": scores.protocol,
            "pictures": f"{len(scores.rows)}",
            "identical": f"{scores.identical}",
            "psnr": f"{scores.psnr:.4f}",
            "ssim": f"{scores.ssim:.4f}",
        }
        if look is not None:
            cells |= {"distance": f"{look.distance:.5f}", "measure": look.measure}
            cells |= {"colour_shift": f"{look.colour_shift:.2f}"}
        return cells


def check_files(*paths: str | None) -> None:
    """Check before the work that reports can be written there.

    Raises: UsageError for a folder, and for a file in a folder that does not exist.
    """
    for path in paths:
        if path is None or pipes.is_pipe(path):
            continue
        if not path or Path(path).is_dir() or not Path(path).absolute().parent.is_dir():
            raise UsageError(
                f"{path or 'an empty name'}: scores must go to a file in an existing folder (--json, --csv)"
            )


def write(reports: Sequence[Report], json_file: str | None, csv_file: str | None) -> None:
    """Write the files that were asked for.

    Raises: OSError where one cannot be written.
    """
    if json_file is not None:
        found = [report.as_dict() for report in reports]
        put(json_file, json.dumps(found if len(found) > 1 else found[0], indent=1, ensure_ascii=False) + "\n")
    if csv_file is not None:
        text = io.StringIO()
        table = csv.DictWriter(text, list(reports[0].row()), lineterminator="\n")
        table.writeheader()
        table.writerows(report.row() for report in reports)
        put(csv_file, text.getvalue())


def put(path: str, text: str) -> None:
    """Write text to a file, whole or not at all, or to standard output.

    Raises: OSError where it cannot be written.
    """
    content = text.encode(errors="surrogateescape")  # names as the disk has them, whatever the console's language
    if not _is_text(content):
        content = text.encode(errors="backslashreplace")  # bytes that are no text, as JSON escapes them
    if pipes.is_pipe(path):
        pipes.write(path, content)
    else:
        atomic.write(path, content)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def show(reports: Sequence[Report], *, aside: bool = False) -> None:
    """Print the means: a line for one model, a table for several.

    Args:
        aside: on standard error, since standard output has something else.
    """
    where = sys.stderr if aside else sys.stdout
    if len(reports) == 1:
        print(*_lines(reports[0]), sep="\n", file=where)
        return
    looks = reports[0].look is not None
    rows = [("model", "scale", "PSNR dB", "SSIM", *["distance", "colour shift"] * looks, "pictures")]
    for report in reports:
        scores, look = report.scores, report.look
        seen = (f"{look.distance:.3f}", f"{look.colour_shift:.2f}/255") if look else ()
        values = (f"×{scores.scale:g}", _decibels(scores.psnr), f"{scores.ssim:.4f}", *seen, _count(scores))
        rows.append((report.model, *values))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(text.rjust(n) for text, n in zip(others, widths[1:], strict=True))]
        print("  ".join(cells), file=where)
    protocols = ", or ".join(dict.fromkeys(report.scores.protocol for report in reports))
    print(f"on {reports[0].set}: {protocols}", file=where)
    if looks:
        print(f"distance: {reports[0].look.measure}", file=where)


def _lines(report: Report) -> list[str]:
    scores, look = report.scores, report.look
    psnr = f"{_decibels(scores.psnr)} dB" if math.isfinite(scores.psnr) else "infinite"
    count = len(scores.rows)
    told = f"mean of {count} picture{'s' * (count != 1)}"
    if scores.identical:
        told += f"; {scores.identical} identical, not in the mean PSNR"
    lines = [
        f"{report.model} ×{scores.scale} on {report.set}: PSNR {psnr}, SSIM {scores.ssim:.4f} "
        f"({scores.protocol}; {told})"
    ]
    if look is not None:
        lines.append(
            f"perceptual distance {look.distance:.3f} ({look.measure}), colour shift {look.colour_shift:.2f}/255"
        )
    return lines


def _decibels(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "infinite"


def _count(scores: Scores) -> str:
    return f"{len(scores.rows)}" + (f" ({scores.identical} identical)" if scores.identical else "")
