"""The built site on a local server, and a Chromium that reaches nothing else."""

import functools
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from book._tools.pages import SITE
from tests.conftest import PATIENCE, patient

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
# Continuous integration sets this, so that there a missing browser is a failure and not a skipped test.
REQUIRED = os.environ.get("SRLIB_REQUIRE_BROWSER") == "1"
FLAGS = [
    "--no-sandbox",  # containers run as root, where Chromium refuses its sandbox
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
]


def pytest_collection_modifyitems(items):
    reason = "no Chromium on the PATH: install chromium to run the browser tests"
    for item in items:
        if "browser" in item.fixturenames and CHROMIUM is None and not REQUIRED:
            item.add_marker(pytest.mark.skipif(True, reason=reason))


def pytest_terminal_summary(terminalreporter):
    if CHROMIUM is None:
        terminalreporter.section("no Chromium: nothing was tried in a browser", sep="!", red=True, bold=True)


class Quiet(SimpleHTTPRequestHandler):
    """The standard handler without a line of log for each request."""

    def log_message(self, *_):
        pass


@dataclass
class Visit:
    """An open page, and what went wrong or went out while it was open."""

    page: Page
    status: int
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@contextmanager
def serving(folder: Path, handler: type[SimpleHTTPRequestHandler] = Quiet) -> Iterator[str]:
    """The address of a server of a folder, while it is needed."""
    server = ThreadingHTTPServer(("localhost", 0), functools.partial(handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def site():
    assert (SITE / "index.html").is_file(), "no site yet: run make book"
    return SITE


@pytest.fixture(scope="session")
def address(site) -> Iterator[str]:
    with serving(site) as where:
        yield where


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "SRLIB_REQUIRE_BROWSER is set, and there is no Chromium on the PATH"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        yield patient(started)
        started.close()


@pytest.fixture
def visit(browser, address):
    """A function that opens a page of the site, with its width and colour scheme."""
    contexts = []

    def open_page(name: str, *, width: int = 1280, scheme: str = "light") -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        seen = Visit(page, 0)

        def route(request):
            if request.request.url.startswith((f"{address}/", "data:", "blob:")):
                request.continue_()
            else:
                seen.foreign.append(request.request.url)
                request.abort()

        def console(message):
            if message.type == "error":
                seen.errors.append(message.text)

        def response(answer):
            if answer.status >= 400:
                seen.missing.append(f"{answer.status} {answer.url}")

        context.route("**/*", route)
        page.on("console", console)
        page.on("pageerror", lambda error: seen.errors.append(error.message))
        page.on("response", response)
        page.on("requestfailed", lambda request: seen.missing.append(request.url))
        seen.status = page.goto(f"{address}/{name}", wait_until="load").status
        page.wait_for_load_state("networkidle")
        return seen

    yield open_page
    for context in contexts:
        context.close()
