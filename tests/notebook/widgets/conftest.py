"""Widgets alone on a page of a Chromium without a network, and what is then on the screen."""

import base64
import contextlib
import io
import re
import shutil
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.conftest import PATIENCE, patient

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
browser_only = pytest.mark.skipif(
    not (CHROMIUM and find_spec("playwright")), reason="needs playwright and a Chromium on the path"
)
RED, BLUE, GREEN, WHITE = (255, 0, 0), (0, 0, 255), (0, 128, 0), (255, 255, 255)
STAGE = ".srlib-stage"


@pytest.fixture(autouse=True)
def static(monkeypatch):
    monkeypatch.setenv("SRLIB_STATIC", "1")


def plain(colour: tuple[int, int, int], height: int = 48, width: int = 64) -> Tensor:
    return (torch.tensor(colour) / 255).view(1, 3, 1, 1).expand(1, 3, height, width)


def uris(text: str) -> list[str]:
    return re.findall(r'data:image/[a-z]+;base64,[^"]+', text)


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = [
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-sync",
        ]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=PATIENCE)
        yield patient(chromium)
        chromium.close()


@pytest.fixture
def opened(browser):
    """Opens HTML in a page without a network; fails on console messages, requests and sideways scrolling."""
    with contextlib.ExitStack() as stack:
        pages = []

        def show(*texts: str, theme: str = "light", head: str = "", width: int = 800, **options):
            context = stack.enter_context(browser.new_context(viewport={"width": width, "height": 700}, **options))
            page = context.new_page()
            page.problems = []
            page.on("console", lambda message: page.problems.append(message.text))
            page.on("pageerror", lambda error: page.problems.append(str(error)))
            page.on("request", lambda request: page.problems.append(request.url[:99]))
            page.set_content(
                f'<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">{head}'
                f'</head><body style="margin: 8px"><p>Text</p>{"".join(texts)}</body></html>'
            )
            page.problems = [text for text in page.problems if not text.startswith("data:")]
            pages.append(page)
            return page

        yield show
        for page in pages:
            assert [text for text in page.problems if not text.startswith("data:")] == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def shot(page, selector: str) -> Image.Image:
    """What is on the screen once the pictures of the element are there."""
    element = page.locator(selector).first
    element.evaluate("e => Promise.all([...e.querySelectorAll('img')].map(each => each.decode().catch(() => {})))")
    return Image.open(io.BytesIO(element.screenshot())).convert("RGB")


def colour(page, selector: str, x: float, y: float = 0.75) -> tuple[int, int, int]:
    """The colour on the screen at a place given in parts of the element."""
    seen = shot(page, selector)
    return seen.getpixel((round(x * (seen.width - 1)), round(y * (seen.height - 1))))


def spot(page, selector: str, x: float, y: float = 0.75) -> tuple[float, float]:
    box = page.locator(selector).first.bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def drag(page, selector: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*spot(page, selector, *start))
    page.mouse.down()
    page.mouse.move(*spot(page, selector, *end), steps=4)
    page.mouse.up()


def swipe(page, selector: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    touch = page.context.new_cdp_session(page)
    places = [spot(page, selector, *start), spot(page, selector, *end)]
    path = [np.array(places[0]) + (np.array(places[1]) - places[0]) * i / 8 for i in range(9)]
    for i, (x, y) in enumerate(path):
        kind = "touchMove" if i else "touchStart"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": float(x), "y": float(y)}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
