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
from srlib.evaluation.flicker import WARPING, FlickerScores
from srlib.evaluation.perceptual import PerceptualScores
from srlib.io import atomic
from srlib.metrics import NotFiniteError
from srlib.scores import Scores


@dataclass(frozen=True)
class Report:
    """What was found of one model, or of one folder of results, on one set."""

    model: str
    set: str
    scores: Scores
    look: PerceptualScores | None = None
    flicker: FlickerScores | None = None

    def as_dict(self) -> dict:
        """All scores, with one row per picture, or per clip."""
        more = {"perceptual": self.look, "flicker": self.flicker}
        found = {name: scores.as_dict() for name, scores in more.items() if scores is not None}
        return {"model": self.model, "set": self.set} | self.scores.as_dict() | found

    def row(self) -> dict[str, str]:
        """The means, for a table."""
        scores, look = self.scores, self.look
        cells = {
            "model": self.model,
            "scale": f"{scores.scale:g}",
            "set": self.set,
            "protocol": scores.protocol,
            f"{scores.unit}s": f"{len(scores.rows)}",
            "identical": f"{scores.identical}",
            "psnr": f"{scores.psnr:.4f}",
            "ssim": f"{scores.ssim:.4f}",
        }
        if look is not None:
            cells |= {"distance": f"{look.distance:.5f}", "measure": look.measure}
            cells |= {"colour_shift": f"{look.colour_shift:.2f}"}
        if self.flicker is not None:
            cells |= {"warping_error": f"{self.flicker.warping_error:.4f}", "hr_error": f"{self.flicker.hr:.4f}"}
        return cells


def reason_of(error: ValueError) -> str:
    """Why something has no scores, in words."""
    if isinstance(error, NotFiniteError):
        return f"gives NaN or infinity; its weights are damaged, or its training diverged ({error})"
    return str(error)


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
    rows = [_cells(report) for report in reports]
    rows = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(text.rjust(n) for text, n in zip(others, widths[1:], strict=True))]
        print("  ".join(cells), file=where)
    protocols = ", or ".join(dict.fromkeys(report.scores.protocol for report in reports))
    print(f"on {reports[0].set}: {protocols}", file=where)
    if reports[0].look is not None:
        print(f"distance: {reports[0].look.measure}", file=where)
    if reports[0].flicker is not None:
        print(_about(reports[0].flicker), file=where)


def _cells(report: Report) -> dict[str, str]:
    """A row of the table of several models."""
    scores, look, flicker = report.scores, report.look, report.flicker
    cells = {"model": report.model, "scale": f"×{scores.scale:g}", "PSNR dB": _decibels(scores.psnr)}
    cells |= {"SSIM": f"{scores.ssim:.4f}"}
    if look is not None:
        cells |= {"distance": f"{look.distance:.3f}", "colour shift": f"{look.colour_shift:.2f}/255"}
    if flicker is not None:
        cells |= {WARPING: f"{flicker.warping_error:.2f}/255"}
    return cells | {f"{scores.unit}s": _count(scores)}


def _lines(report: Report) -> list[str]:
    scores, look, flicker = report.scores, report.look, report.flicker
    psnr = f"{_decibels(scores.psnr)} dB" if math.isfinite(scores.psnr) else "infinite"
    count = len(scores.rows)
    told = f"mean of {count} {scores.unit}{'s' * (count != 1)}"
    if scores.identical:
        told += f"; {scores.identical} identical, not in the mean PSNR"
    lines = [
        f"{report.model} ×{scores.scale:g} on {report.set}: PSNR {psnr}, SSIM {scores.ssim:.4f} "
        f"({scores.protocol}; {told})"
    ]
    if scores.unit == "clip" and count > 1:
        width = max(len(row["name"]) for row in scores.rows)
        lines += [
            f"  {row['name']:<{width}}  {_decibels(row['psnr'])} dB  SSIM {row['ssim']:.4f}" for row in scores.rows
        ]
    if look is not None:
        lines.append(
            f"perceptual distance {look.distance:.3f} ({look.measure}), colour shift {look.colour_shift:.2f}/255"
        )
    if flicker is not None:
        lines.append(f"{WARPING} {flicker.warping_error:.2f}/255; {_about(flicker)}")
    return lines


def _about(flicker: FlickerScores) -> str:
    return f"{WARPING} of hr itself: {flicker.hr:.2f}/255; a blurred video scores better"


def _decibels(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "infinite"


def _count(scores: Scores) -> str:
    return f"{len(scores.rows)}" + (f" ({scores.identical} identical)" if scores.identical else "")
