"""Build the site: `python -m book._tools.build`, which is what `make book` runs.

Vendors what the pages load, exports the networks, executes the chapters that changed, runs Jupyter Book with warnings
as errors, and then looks at what came out, because Jupyter Book can end well without having built a page.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from bs4 import BeautifulSoup

from book._tools import execute, lighten
from book._tools.models import models
from book._tools.pages import BUILD, ROOT, SITE, BuildError, chapters, pages, source
from book._tools.vendor import vendor

NEEDED = {"jupyter-book": "1.", "sphinx-book-theme": "1.1.4"}


def plain(text: str) -> str:
    """Terminal output without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def check_versions() -> None:
    """Refuse the versions that build nothing, or pages that look wrong, without an error of their own."""
    for name, wanted in NEEDED.items():
        if not version(name).startswith(wanted):
            raise BuildError(f"this book needs {name} {wanted}, not {version(name)}: remove .venv and run make book")


def execute_chapters() -> None:
    """Execute every chapter that is not in the cache; all of them, so that one build shows every failure."""
    failed = []
    for page, done in zip(chapters(), execute.run_all(map(source, chapters())), strict=True):
        if not isinstance(done, execute.Run):
            failed.append(plain(f"{page}:\n{done}"))
            print(f"  {page}: failed", flush=True)
        elif not done.cached:
            print(f"  {page}: {done.seconds:.0f} s, {done.megabytes:.0f} MB", flush=True)
    if failed:
        raise BuildError("\n".join(failed))


def surroundings() -> str:
    """What decides how Sphinx reads a page besides the page itself: settings, extensions, papers, terms, and what
    the chapters import and are called, which the reference tells."""
    files = [ROOT / "_config.yml", ROOT / "_toc.yml", ROOT / "book" / "references.bib", ROOT / "book" / "glossary.md"]
    told = (re.findall(r'"(?:# |from srlib)[^"]*', source(page).read_text(encoding="utf-8")) for page in chapters())
    tools = sorted((ROOT / "book" / "_tools").glob("*.py"))
    return f"{execute.fingerprint([*files, *tools])} {execute.world()} {list(told)}"


def jupyter_book() -> None:
    """Run Jupyter Book with warnings as errors; what it says goes to `_build/build.log`.

    Every page is written anew. Pages that have not changed are not read anew, unless their surroundings have: Sphinx
    itself follows changes in the pages' own files only. After a warning all are read, so that it is said again.
    """
    shutil.rmtree(SITE, ignore_errors=True)
    read, now = BUILD / "read-with", surroundings()
    if not read.is_file() or read.read_text() != now:
        shutil.rmtree(BUILD / ".doctrees", ignore_errors=True)
    read.unlink(missing_ok=True)
    program = Path(sys.executable).with_name("jupyter-book")
    command = [str(program), "build", ".", "-W", "--keep-going", "-n"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = plain(done.stdout)
    log = BUILD / "build.log"
    log.write_text(output, encoding="utf-8")
    if done.returncode:
        lines = output.splitlines()
        said = [line for line in lines if re.search(r"WARNING|ERROR|CRITICAL|Exception", line)] or lines[-20:]
        raise BuildError("\n".join([*said, f"all of it: {log.relative_to(ROOT)}"]))
    read.write_text(now)


def problems() -> list[str]:
    """What is wrong with the built site, one line each."""
    found = [] if (SITE / "index.html").is_file() else ["index.html is missing"]
    for page in pages():
        html = SITE / f"{page}.html"
        if not html.is_file():
            found.append(f"{page}: the page is missing")
            continue
        text = html.read_text(encoding="utf-8")
        if 'class="output traceback' in text or "Traceback (most recent call last)" in text:
            found.append(f"{page}: a cell failed")
        if source(page).suffix == ".ipynb" and 'class="cell_output' not in text:
            found.append(f"{page}: no cell has an output, so the chapter was not executed")
        if lost_views(text):
            found.append(
                f"{page}: an output needs a running kernel; give it an HTML form (srlib.notebook.widgets.compare)"
            )
    return found


def lost_views(page: str) -> set[str]:
    """The views of ipywidgets on a page whose state the page does not hold, so that nothing would be shown."""
    soup = BeautifulSoup(page, "html.parser") if "application/vnd.jupyter.widget-view+json" in page else None
    if soup is None:
        return set()
    kinds = {
        kind: soup.find_all("script", type=f"application/vnd.jupyter.widget-{kind}+json") for kind in ("view", "state")
    }
    known = {model for script in kinds["state"] for model in json.loads(script.string)["state"]}
    return {json.loads(script.string)["model_id"] for script in kinds["view"]} - known


def build() -> str:
    """Bring the site up to date and say what was done."""
    start = time.perf_counter()
    check_versions()
    for page in pages():
        source(page)
    vendor()
    models()
    execute.forget_stale()
    inputs = (p for p in sorted((ROOT / "book").rglob("*")) if p.is_file() and "node_modules" not in p.parts)
    built_from = execute.fingerprint([ROOT / "_config.yml", ROOT / "_toc.yml", *inputs]) + execute.world()
    built_from += os.environ.get("SRLIB_BASEURL", "")
    stamp, index = BUILD / "built-from", (SITE / "index.html").relative_to(ROOT)
    if stamp.is_file() and stamp.read_text() == built_from and not problems():
        return f"Nothing changed: {index}"
    stamp.unlink(missing_ok=True)
    print("Executing chapters ...", flush=True)
    execute_chapters()
    print("Building pages ...", flush=True)
    jupyter_book()
    lighten.site()
    if found := problems():
        raise BuildError("\n".join(found))
    stamp.write_text(built_from)
    return f"Built {len(pages())} pages in {time.perf_counter() - start:.0f} s: {index}"


def main() -> int:
    try:
        print(build())
    except (BuildError, FileNotFoundError) as error:
        print(f"The book was not built.\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the chapters that were done are kept.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
