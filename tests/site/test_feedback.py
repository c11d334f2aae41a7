"""The page that a student gets back, in a browser: nothing on it runs or loads, and it fits a telephone."""

from datetime import UTC, datetime

import pytest

from srlib.grading import feedback
from srlib.grading.intake import Entry
from srlib.grading.questions import Assignment, FunctionQuestion
from srlib.grading.results import Row
from srlib.grading.submissions import Submission

RUN = "document.title='ran'"
EVIL = (
    f'<script>{RUN}</script><img src=x onerror="{RUN}"><svg onload="{RUN}">'
    "<style>*{display:none}</style><iframe src=javascript:alert(1)></iframe>"
    "<meta http-equiv=refresh content='0;url=x'></pre></td></table><a href=javascript:alert(1)>x</a>"
    "<form action=x><button>x</button></form><base href=x>&#60;b&#62;"
)
LONG = "x" * 300


@pytest.fixture
def html():
    names = ["double", "halve"]
    asked = [FunctionQuestion(name, 2, abs, lambda rng: [], []) for name in names]
    entry = Entry((f"{EVIL}{LONG}.ipynb".replace("/", ""),), lambda: b"", datetime(2026, 1, 1, tzinfo=UTC))
    submission = Submission(EVIL, entry, {}, late=7200.0)
    hints = (EVIL, LONG)
    scores = [{"name": name, "hint": hint, "points": 1.0, "of": 2} for name, hint in zip(names, hints, strict=True)]
    report = {"problem": EVIL, "errors": {"0": EVIL, "1": LONG}, "dropped": {"2": EVIL}, "skipped": [2, 3]}
    report |= {"output": f"{EVIL}\n{LONG}\n" * 40, "cut": True}
    record = {"scores": scores, "report": report, "isolation": "namespaces"}
    row = Row(EVIL, EVIL, "graded", submission, record, "", dict.fromkeys(names, 1.0))
    return feedback.page(row, Assignment("tiny", "A tiny one", asked))


@pytest.mark.parametrize("width", [390, 1280])
def test_a_feedback_page_runs_nothing_loads_nothing_and_fits(browser, tmp_path, html, width):
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 800})
    loaded, dialogs = [], []
    page.on("request", lambda request: loaded.append(request.url))
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_timeout(300)
    active = "script, img, svg, iframe, form, a, base, button, object, embed, video, link"
    assert page.evaluate(f"document.querySelectorAll('{active}').length") == 0
    assert page.evaluate("document.querySelectorAll('meta[http-equiv]').length") == 1
    assert len(loaded) == 1 and dialogs == [] and page.title().startswith("A tiny one: <script>")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.inner_text("h1").startswith("A tiny one: <script>")
    assert page.inner_text("tbody tr:nth-child(2) td.points") == "1 of 2"
    assert "Handed in 2.0 hours after the deadline." in page.inner_text("body")
    assert page.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse") == "collapse"
    page.close()
