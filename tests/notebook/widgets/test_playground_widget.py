"""playground: everywhere a comparison; while the site is built also the network, which the site's script is given."""

import base64
import json
import re
import shutil
from importlib.util import find_spec

import pytest
import torch

from srlib import checkpoints, onnx_export
from srlib.checkpoints import CheckpointError
from srlib.models.edsr import EDSR
from srlib.models.fcn import ESPCN
from srlib.notebook.widgets import playground as module
from srlib.notebook.widgets.html import Widget
from srlib.notebook.widgets.playground import playground
from srlib.onnx_export import onnx_runner, to_half
from tests.conftest import PATIENCE, patient

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
browser_only = pytest.mark.skipif(
    not (CHROMIUM and find_spec("playwright")), reason="needs playwright and a Chromium on the path"
)
exporter_only = pytest.mark.skipif(
    not (onnx_export.is_available() and find_spec("onnxruntime")), reason="needs onnx, onnxscript and onnxruntime"
)
LR = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def site(monkeypatch):
    monkeypatch.setenv("SRLIB_STATIC", "1")


def net(scale=2):
    torch.manual_seed(0)
    return EDSR(scale=scale, blocks=1, width=8, tail="light").eval()


def embedded(widget: Widget) -> dict:
    return json.loads(re.search(r'class="srlib-network">(.*?)</script>', widget.html, re.DOTALL).group(1))


@exporter_only
def test_the_page_runs_what_it_shows():
    mine = net()
    about = embedded(playground(mine, LR, name="This net, by me"))
    assert (about["name"], about["label"], about["scale"], about["channels"]) == (
        "this_net_by_me", "This net, by me", 2, 3,
    )  # fmt: skip
    assert about["receptive_radius"] >= 4 and "file" not in about
    with torch.no_grad():
        expected = to_half(mine)(LR)
    content = base64.b64decode(about["onnx"])
    assert about["bytes"] == len(content)
    found = onnx_runner(content)(LR)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert not torch.equal(expected, mine(LR))  # 16 bits, and the network in the notebook keeps its 32


def test_a_shipped_network_comes_from_the_site(monkeypatch):
    monkeypatch.setattr(onnx_export, "convert", None)
    widget = playground("espcn", LR, scale=3, name="ESPCN")
    assert embedded(widget) == {
        "name": "espcn", "label": "ESPCN", "scale": 3, "channels": 1, "receptive_radius": 6, "multiple": 1,
        "parameters": 22729,
        "file": "models/espcn_x3.onnx",
    }  # fmt: skip
    assert (
        'data-name="espcn" data-scale="3" data-channels="1" data-receptive_radius="6" data-multiple="1"' in widget.html
    )
    assert widget.html.count('<figure class="srlib-widget srlib-compare"') == 1


@pytest.mark.parametrize("why", ["a kernel", "no onnx", "too large"])
def test_elsewhere_it_is_the_comparison_alone(monkeypatch, why):
    if why == "a kernel":
        monkeypatch.setenv("SRLIB_STATIC", "0")
        monkeypatch.setattr(onnx_export, "convert", None)
    elif why == "no onnx":
        monkeypatch.setattr(onnx_export, "is_available", lambda: False)
    else:
        monkeypatch.setattr(module, "MOST_BYTES", 10)
        monkeypatch.setattr(onnx_export, "convert", lambda *a, **k: onnx_export.Exported(b"elevenbytes", 5, None))
    widget = playground(net(), LR, name="mine")
    assert "srlib-compare" in widget.html and "srlib-playground" not in widget.html
    assert "stays on your machine" not in widget.html


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("make", [lambda: ESPCN(scale=2, width=8), net], ids=["luma", "colour"])
def test_colour_and_grey_pictures_through_either_network(monkeypatch, make, channels):
    monkeypatch.setattr(onnx_export, "is_available", lambda: False)
    assert "48 x 64 pixels" in repr(playground(make(), LR[:, :channels], name="mine"))


def test_the_original_gives_decibels_and_their_protocol(monkeypatch):
    monkeypatch.setattr(onnx_export, "is_available", lambda: False)
    widget = playground(net(), LR, name="mine", hr=torch.rand(1, 3, 48, 64), caption="Noise.", alt="noise")
    told = r"Noise\. PSNR: bicubic \d+\.\d\d, mine \d+\.\d\d dB \(Y \(BT\.601 studio\), border 2, 8-bit\)\."
    assert re.search(told, widget.html) and 'alt="mine: noise"' in widget.html


@exporter_only
def test_names_are_escaped():
    widget = playground(net(), LR, name='</script><b title="x">')
    assert embedded(widget)["label"] == '</script><b title="x">' and "<b title" not in widget.html


def test_names_that_are_not_shipped_are_refused():
    with pytest.raises(CheckpointError, match="no trained network 'espcm'"):
        playground("espcm", LR, scale=2, name="ESPCN")
    with pytest.raises(CheckpointError, match="give one of these scales"):
        playground("espcn", LR, name="ESPCN")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=PATIENCE)
        yield patient(started)
        started.close()


SCRIPT = "export async function mount(element, network) { element.textContent = JSON.stringify(network); }"
BROKEN = "throw new Error('old browser');"


@pytest.fixture
def opened(browser):
    """Opens a widget in a page at a/page.html of a site that has the given script; what was asked for."""
    contexts = []

    def show(widget, *, root="../", script=SCRIPT, theme="light", below=0, width=800):
        context = browser.new_context(viewport={"width": width, "height": 700})
        contexts.append(context)
        page = context.new_page()
        attribute = "" if root is None else f'data-content_root="{root}"'
        html = f'<!doctype html><html lang="en" data-theme="{theme}" {attribute}><head><meta charset="utf-8"></head>'
        html += f'<body><div style="height: {below}px"></div>{widget.html}</body></html>'
        page.asked, page.errors = [], []

        def answer(route):
            page.asked.append(route.request.url.removeprefix("http://site/"))
            kind = "text/javascript" if route.request.url.endswith(".js") else "text/html"
            route.fulfill(body=script if kind == "text/javascript" else html, content_type=f"{kind}; charset=utf-8")

        page.route("http://site/**", answer)
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
        page.goto("http://site/a/page.html", wait_until="networkidle")
        return page

    yield show
    for context in contexts:
        context.close()


@pytest.fixture
def shipped():
    checkpoints.load("espcn", 2)
    return playground("espcn", LR, scale=2, name="ESPCN", caption="Noise.")


@browser_only
def test_on_the_site_the_script_is_given_the_network(opened, shipped):
    page = opened(shipped)
    page.locator(".srlib-mount:not(:empty)").wait_for(state="attached")
    assert page.asked == ["a/page.html", "_static/playground/playground.js"]
    assert json.loads(page.locator(".srlib-mount").text_content()) == embedded(shipped)
    assert page.get_by_text("stays on your machine").is_visible()
    assert page.get_by_role("group", name="Try ESPCN on a picture of your own").is_visible()
    assert page.locator(".srlib-stage").is_visible() and page.errors == []


@browser_only
def test_away_from_the_site_nothing_is_asked_for(opened, shipped):
    page = opened(shipped, root=None)
    assert page.asked == ["a/page.html"] and page.errors == []
    assert not page.get_by_text("stays on your machine").is_visible()


@browser_only
def test_what_is_far_down_the_page_is_loaded_on_the_way(opened, shipped):
    page = opened(shipped, below=4000)
    assert page.asked == ["a/page.html"]
    page.mouse.wheel(0, 3000)
    page.locator(".srlib-mount:not(:empty)").wait_for(state="attached")
    assert len(page.asked) == 2


@browser_only
def test_where_the_script_fails_the_comparison_stays(opened, shipped):
    page = opened(shipped, script=BROKEN)
    assert not page.get_by_text("stays on your machine").is_visible()
    assert page.locator(".srlib-stage").is_visible() and page.errors == []


@browser_only
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_one_frame_around_both_and_no_sideways_scrolling(opened, shipped, theme):
    page = opened(shipped, theme=theme, width=390)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    styles = "[...document.querySelectorAll('figure')].map(getComputedStyle)"
    assert page.evaluate(f"{styles}.map((each) => each.borderTopWidth)") == ["1px", "0px"]
    assert page.evaluate(f"{styles}[0].paddingLeft") == "0px"
