"""The page that a student gets back: text only, nothing on it can run, whatever the notebook wrote."""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from typing import Any

from srlib.grading.questions import Assignment
from srlib.grading.results import Row

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th { overflow-wrap: normal; }
th, td { text-align: left; vertical-align: top; padding: 0.4rem 0.6rem; border-bottom: 1px solid #8886; }
td.points { white-space: nowrap; text-align: right; overflow-wrap: normal; }
pre { overflow: auto; max-height: 24rem; padding: 0.6rem; border: 1px solid #8886; white-space: pre-wrap; }
.small { font-size: 0.9rem; opacity: 0.8; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"


def page(row: Row, assignment: Assignment) -> str:
    """The feedback of one notebook as a page of HTML.

    Args:
        row: with a record.
        assignment: the assignment.
    """
    record = row.record
    title = f"{assignment.title}: {row.name or row.student}"
    late = row.submission.late
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p><strong>{row.total:g} of {assignment.points:g} points</strong></p>",
        f"<p>Handed in {_hours(late)} after the deadline.</p>" if late else "",
        _questions(row, assignment),
        _cells(record["report"]),
        _output(record["report"]),
        f'<p class="small">File: {escape(row.submission.entry.path)}</p>',
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _questions(row: Row, assignment: Assignment) -> str:
    lines = ['<table><thead><tr><th>Question</th><th class="points">Points</th><th>Why</th></tr></thead><tbody>']
    for score in row.record["scores"]:
        points = f"{row.points[score['name']]:g} of {assignment.question(score['name']).points:g}"
        lines.append(
            f'<tr><td>{escape(score["name"])}</td><td class="points">{points}</td><td>{escape(score["hint"])}</td></tr>'
        )
    return "\n".join([*lines, "</tbody></table>"])


def _cells(report: dict[str, Any]) -> str:
    """What went wrong in which cell; the first code cell is number 1, as people count."""
    lines = []
    if report["problem"]:
        lines.append(f"<li>{escape(_sentence(report['problem']))}</li>")
    lines += _listed(report["errors"], "raised")
    lines += _listed(report["dropped"], "was left out:")
    if skipped := [n for n in report["skipped"] if str(n) not in report["dropped"]]:
        lines.append(
            f"<li>Not run, for lack of time: code cells {escape(', '.join(str(n + 1) for n in skipped[:20]))}.</li>"
        )
    return "<h2>Your notebook</h2>\n<ul>\n" + "\n".join(lines) + "\n</ul>" if lines else ""


def _listed(found: dict[str, str], verb: str) -> Sequence[str]:
    return [f"<li>Code cell {int(n) + 1} {verb} {escape(_sentence(text))}</li>" for n, text in list(found.items())[:40]]


def _output(report: dict[str, Any]) -> str:
    text = report["output"].strip()
    if not text:
        return ""
    cut = "<p>The output was cut.</p>" if report["cut"] else ""
    return f"<h2>What it printed</h2>\n<pre>{escape(text)}</pre>\n{cut}"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.0f} days"
