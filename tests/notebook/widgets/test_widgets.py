import json
import re
import types
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from srlib.images import to_uint8
from srlib.notebook.widgets import html
from srlib.notebook.widgets.clip import clip
from srlib.notebook.widgets.compare import compare
from srlib.notebook.widgets.explore import explore
from srlib.notebook.widgets.html import Widget, data_uri
from srlib.notebook.widgets.live import control, words
from srlib.notebook.widgets.zoom import zoom
from tests.notebook.widgets.conftest import (
    BLUE,
    GREEN,
    RED,
    STAGE,
    WHITE,
    browser_only,
    colour,
    decoded,
    drag,
    plain,
    shot,
    spot,
    swipe,
    uris,
)

widgets_only = pytest.mark.skipif(not find_spec("ipywidgets"), reason="needs ipywidgets")


def noise(height: int, width: int, channels: int = 3) -> Tensor:
    levels = torch.randint(0, 256, (1, channels, height, width), generator=torch.Generator().manual_seed(0))
    return levels / 255


def quarters(side: int) -> Tensor:
    """Red and blue over green and white."""
    top = torch.cat([plain(RED, side // 2, side // 2), plain(BLUE, side // 2, side // 2)], 3)
    bottom = torch.cat([plain(GREEN, side // 2, side // 2), plain(WHITE, side // 2, side // 2)], 3)
    return torch.cat([top, bottom], 2)


def every_widget() -> dict[str, Widget]:
    def drawn(width):
        figure, axes = plt.subplots(figsize=(4, 3))
        axes.plot([0, width])
        return figure

    lr, hr = quarters(8), quarters(64)
    return {
        "compare": compare(lr, hr, caption="A caption that needs two lines on a telephone"),
        "zoom": zoom({"low": lr, "high": hr, "another with a long long long name": hr}, alt="Four colours"),
        "explore": explore(
            lambda a, kernel, kind: (quarters(64) * a, f"{a} {kernel}"),
            a=[1.0, 0.5], kernel=["box", "cubic"], kind=list("abcdef"), alt="Four colours", caption="Darker",
        ),
        "chart": explore(drawn, width=[1, 2, 3]),
        "clip": clip(
            {"low": [lr, 1 - lr], "high": [hr, 1 - hr], "another with a long long long name": [hr, 1 - hr]},
            caption="A caption that needs two lines on a telephone", alt="Four colours",
        ),
    }  # fmt: skip


# What the HTML holds


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_stored_without_loss(channels):
    image = noise(17, 23, channels)
    stored = decoded(uris(compare(image, image).html)[0])
    expected = to_uint8(image)[0].permute(1, 2, 0).expand(-1, -1, 3).numpy()
    np.testing.assert_array_equal(stored if stored.ndim == 3 else stored[..., None].repeat(3, 2), expected)


def test_quality_makes_the_page_lighter():
    image = noise(64, 64)
    assert len(compare(image, image, webp_quality=80).html) < 0.8 * len(compare(image, image).html)
    with pytest.raises(ValueError, match="1 to 100"):
        compare(image, image, webp_quality=0)


def test_a_picture_too_long_for_webp_is_a_png():
    assert data_uri(Image.new("L", (16_384, 2))).startswith("data:image/png")


@pytest.mark.parametrize("name", ["compare", "zoom", "explore", "chart", "clip"])
def test_html_is_self_contained_and_the_same_every_time(name):
    widget = every_widget()[name]
    assert widget._repr_html_() == widget.html == every_widget()[name].html
    kind = "explore" if name == "chart" else name
    assert widget.html.startswith(f'<figure class="srlib-widget srlib-{kind}"')
    assert widget.html.endswith("</figure>")
    assert not re.search(r"https?:|//cdn|@import|url\(|\bid=|\bon[a-z]+=", re.sub(r"base64,[^\"]+", "", widget.html))
    assert set(widget._repr_mimebundle_()) == {"text/html", "text/plain"}
    alternatives = re.findall(r'<img [^>]*alt="([^"]*)"', widget.html)
    assert len(alternatives) == widget.html.count("<img ") and all(len(text) > 8 for text in alternatives)


def test_words_are_escaped():
    image = plain(RED)
    text = compare(image, image, ('<b>"', "&amp;"), alt='"><script>', caption="a < b & c").html
    assert "<b>" not in text and '"><script>' not in text
    assert "a &lt; b &amp; c" in text
    frames = explore(lambda a: (image, "</script><i>"), a=[1, 2]).html
    assert "</script><i>" not in frames


def test_alternative_text_follows_the_frame():
    def frames(alt: str | None) -> list[str]:
        html = explore(lambda a, kind: plain(RED), a=[-0.5, 2], kind=["x", "y"], alt=alt).html
        return json.loads(re.search(r'class="srlib-frames">(.*?)</script>', html)[1])["alts"]

    assert frames("Zone plate, a is {a}")[2] == "Zone plate, a is 2"
    assert frames("Zone plate")[1] == "Zone plate (a = −0.5, kind = y)"
    assert frames(None)[0] == "Computed with a = −0.5, kind = x"
    with pytest.raises(ValueError, match="for a, kind only"):
        frames("Zone plate {b}")


def test_equal_frames_are_stored_once():
    html = explore(lambda a, b: noise(16, 16) * a, a=[0.5, 1.0], b=[1, 2, 3]).html
    assert len(uris(html)) == 2


def test_explore_takes_arrays_ranges_and_figures():
    seen = []

    def fn(a, b, c):
        seen.append((a, b, c))
        figure, _ = plt.subplots(figsize=(1, 1))
        return figure, "text"

    explore(fn, a=np.linspace(0, 1, 2), b=range(2), c=torch.tensor([1.5]))
    assert seen == [(0.0, 0, 1.5), (0.0, 1, 1.5), (1.0, 0, 1.5), (1.0, 1, 1.5)]
    assert [type(value) for value in seen[0]] == [float, int, float]
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("value", "expected"), [(-0.75, "−0.75"), (0.1 + 0.2, "0.3"), (-3, "−3"), (True, "yes"), ("a-b", "a-b")]
)
def test_values_are_written_for_people(value, expected):
    assert words(value) == expected


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: compare(plain(RED), torch.zeros(1, 3, 4, 4, dtype=torch.uint8)), TypeError, "srlib.images"),
        (lambda: compare(plain(RED, 20, 30), plain(RED, 50, 60)), ValueError, r"\(20, 30\) and \(50, 60\)"),
        (lambda: compare(plain(RED, 20, 30), plain(RED, 40, 90)), ValueError, "whole multiple of"),
        (lambda: compare(plain(RED), plain(RED), "ab"), ValueError, "labels must be two names"),
        (lambda: zoom({}), ValueError, "dict of pictures"),
        (
            lambda: zoom({"a": plain(RED, 20, 20), "b": plain(RED, 40, 60)}),
            ValueError,
            "one scene.*a is 20 x 20",
        ),
        (lambda: zoom({"a": plain(RED)}, box=(0, 0, 100, 2)), ValueError, "not inside the 48 x 64"),
        (lambda: explore(lambda: plain(RED)), ValueError, "at least one argument"),
        (lambda: explore(lambda a: plain(RED), a=[]), ValueError, "a has no values"),
        (lambda: explore(lambda a: plain(RED), a="abc"), ValueError, "a needs a list of values"),
        (lambda: explore(lambda a: plain(RED), a=3), ValueError, "a needs a list of values"),
        (lambda: explore(lambda a: None, a=[1]), TypeError, "got NoneType"),
        (lambda: explore(lambda a: (plain(RED), 1), a=[1]), TypeError, r"got \(Tensor, int\)"),
        (
            lambda: explore(lambda a, b: plain(RED), a=range(21), b=range(20)),
            ValueError,
            "21 · 20 = 420 pictures, more than 400",
        ),
    ],
)
def test_wrong_calls_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_pages_are_kept_light(monkeypatch):
    monkeypatch.setattr(html, "MOST_BYTES", 20_000)
    image, calls = noise(64, 64), []

    def fn(a):
        calls.append(a)
        return image * a

    for call in (
        lambda: compare(image, image),
        lambda: zoom({"a": image, "b": image}),
        lambda: explore(fn, a=range(9)),
    ):
        with pytest.raises(ValueError, match="MB.*webp_quality=90"):
            call()
    assert len(calls) < 4  # it stops as soon as it is too much


def test_errors_of_the_function_are_not_swallowed():
    def fn(a):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        explore(fn, a=[0.5])
    assert caught.value.__notes__ == ["explore called it with a=0.5"]


def test_an_argument_may_be_called_fn():
    assert explore(lambda fn: plain(RED), fn=["a", "b"])


# Where a kernel runs


@pytest.fixture
def kernel(monkeypatch):
    import IPython
    import ipywidgets  # noqa: F401 - version 7 wants a real kernel while it is imported

    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setenv("SRLIB_STATIC", "0")
    return shell


VIEW = "application/vnd.jupyter.widget-view+json"


@widgets_only
def test_a_live_kernel_adds_a_control_and_keeps_the_page(kernel, monkeypatch):
    widget = explore(lambda a: plain(RED) * a, a=[0.5, 1.0])
    bundle = widget._repr_mimebundle_()
    assert bundle["text/html"] == widget.html
    assert bundle[VIEW]["model_id"]
    monkeypatch.setenv("SRLIB_STATIC", "1")
    assert VIEW not in explore(lambda a: plain(RED) * a, a=[0.5, 1.0])._repr_mimebundle_()
    monkeypatch.setenv("SRLIB_STATIC", "0")
    kernel.kernel = None  # IPython in a terminal
    assert VIEW not in explore(lambda a: plain(RED) * a, a=[0.5, 1.0])._repr_mimebundle_()


@widgets_only
def test_live_sliders_reach_values_between_and_show_errors():
    import ipywidgets

    def compute(values):
        if values["a"] > 0.9:
            raise ValueError("<too much>")
        return html.frame(plain(RED), None, f"a is {values['a']}"), "a red picture"

    axes = {
        "a": [0.0, 0.5, 1.0],
        "scale": [2, 3, 8],
        "kernel": ["x", "y"],
        "kind": list("abcdef"),
        "on": [True, False],
    }
    box = control(compute, axes, "A caption")
    slider, scale, kernel, kind, on, picture = box.children
    kinds = [type(child).__name__ for child in box.children]
    assert kinds == ["FloatSlider", "SelectionSlider", "ToggleButtons", "Dropdown", "ToggleButtons", "HTML"]
    assert (slider.min, slider.max, scale.value, kernel.value, kind.value, on.value) == (
        0,
        1,
        2,
        "x",
        "a",
        True,
    )
    assert "A caption" in picture.value and 'alt="a red picture"' in picture.value
    slider.value = 0.335
    assert "a is 0.335" in picture.value
    slider.value = 0.95
    assert "ValueError: &lt;too much&gt;" in picture.value and 'role="alert"' in picture.value
    slider.value = 0.4
    assert "a is 0.4" in picture.value and "Error" not in picture.value
    ipywidgets.Widget.close_all()


# What a reader sees and moves


@browser_only
def test_compare_follows_mouse_and_keys(opened):
    page = opened(compare(plain(RED), plain(BLUE)).html)
    assert (colour(page, STAGE, 0.3), colour(page, STAGE, 0.7)) == (RED, BLUE)
    drag(page, STAGE, (0.5, 0.75), (0.8, 0.75))
    assert (colour(page, STAGE, 0.7), colour(page, STAGE, 0.9)) == (RED, BLUE)
    page.locator(".srlib-split").focus()
    page.keyboard.press("Home")
    assert colour(page, STAGE, 0.2) == BLUE
    assert page.locator(".srlib-split").get_attribute("aria-valuetext") == "0 % before"
    page.locator(STAGE).focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert (colour(page, STAGE, 0.1), colour(page, STAGE, 0.3)) == (RED, BLUE)


@browser_only
def test_compare_follows_a_finger(opened):
    page = opened(compare(plain(RED), plain(BLUE)).html, has_touch=True, is_mobile=True, width=360)
    swipe(page, STAGE, (0.5, 0.75), (0.15, 0.75))
    assert (colour(page, STAGE, 0.05), colour(page, STAGE, 0.4)) == (RED, BLUE)


@browser_only
def test_a_finger_that_moves_up_scrolls_the_page(opened):
    page = opened(compare(plain(RED), plain(BLUE)).html, "<p>x</p>" * 80, has_touch=True, is_mobile=True, width=360)
    swipe(page, STAGE, (0.5, 0.9), (0.5, 0.1))
    page.wait_for_function("scrollY > 20")
    assert (colour(page, STAGE, 0.3), colour(page, STAGE, 0.7)) == (RED, BLUE)


@browser_only
def test_compare_zooms_both_layers_together(opened):
    page = opened(compare(quarters(64), quarters(32)).html)
    views = "[...document.querySelectorAll('.srlib-layer img')].map((image) => getComputedStyle(image).transform)"
    assert colour(page, STAGE, 0.9, 0.9) == WHITE
    page.mouse.dblclick(*spot(page, STAGE, 0.3, 0.3))
    first, second = page.evaluate(views)
    assert first == second and first.startswith("matrix(4,")
    assert page.locator("output").inner_text() == "4×"
    assert (colour(page, STAGE, 0.1, 0.6), colour(page, STAGE, 0.9, 0.6)) == (RED, RED)
    drag(page, STAGE, (0.9, 0.9), (0.1, 0.1))
    assert page.evaluate(views)[0] != first
    assert (colour(page, STAGE, 0.2, 0.9), colour(page, STAGE, 0.9, 0.1)) == (GREEN, BLUE)
    page.get_by_role("button", name="Whole").click()
    assert colour(page, STAGE, 0.9, 0.9) == WHITE
    page.get_by_role("button", name="Zoom in").click()
    page.locator(STAGE).focus()
    page.keyboard.press("+")
    assert page.locator("output").inner_text() == "2.3×"
    page.keyboard.press("0")
    assert page.get_by_role("button", name="Zoom out").is_disabled()


@browser_only
def test_the_wheel_scrolls_the_page_until_the_picture_is_clicked(opened):
    page = opened(compare(plain(RED), plain(BLUE)).html, "<p>x</p>" * 80)
    page.mouse.move(*spot(page, STAGE, 0.5, 0.3))
    page.mouse.wheel(0, 40)
    page.wait_for_function("scrollY === 40")
    assert page.locator("output").inner_text() == "1×"
    page.mouse.click(*spot(page, STAGE, 0.5, 0.3))
    page.mouse.wheel(0, -100)
    page.wait_for_function("document.querySelector('output').textContent !== '1×'")
    assert page.evaluate("scrollY") == 40


@browser_only
def test_two_fingers_zoom(opened):
    page = opened(compare(plain(RED), plain(BLUE)).html, has_touch=True, is_mobile=True, width=360)
    touch = page.context.new_cdp_session(page)
    for kind, gap in (("touchStart", 0.1), ("touchMove", 0.2), ("touchMove", 0.3), ("touchEnd", None)):
        fingers = [spot(page, STAGE, 0.5 - gap, 0.3), spot(page, STAGE, 0.5 + gap, 0.3)] if gap else []
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(fingers)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert page.locator("output").inner_text() == "3×"


@browser_only
def test_compare_can_be_without_zoom(opened):
    page = opened(compare(plain(RED), plain(BLUE), zoom=False, width=200).html)
    assert page.locator("button").count() == 0
    assert page.locator(STAGE).bounding_box()["width"] == 200
    page.mouse.dblclick(*spot(page, STAGE, 0.3, 0.3))
    page.keyboard.press("+")
    assert colour(page, STAGE, 0.9) == BLUE


@browser_only
@pytest.mark.parametrize("width", [360, 1200])
def test_low_resolution_pixels_are_squares(opened, width):
    board = (torch.arange(8)[:, None] + torch.arange(8)).remainder(2).float()
    page = opened(compare(board, torch.zeros(64, 64)).html, width=width)
    page.locator(".srlib-split").evaluate("(range) => { range.value = 100; range.dispatchEvent(new Event('input')); }")
    seen = np.asarray(shot(page, STAGE).convert("L")).astype(int)
    row = seen[round(len(seen) * 0.8125), : int(seen.shape[1] * 0.95)]
    assert set(row) == {0, 255}
    assert np.count_nonzero(np.diff(row)) == 7


PANES = [f":nth-match(.srlib-pane, {i})" for i in (1, 2)]


@browser_only
def test_zoom_moves_all_pictures_together(opened):
    page = opened(zoom({"low": quarters(8), "high": quarters(64)}, box=(0.1, 0.1, 0.25, 0.25)).html)
    assert [colour(page, pane, 0.5, 0.5) for pane in PANES] == [RED, RED]
    page.mouse.click(*spot(page, STAGE, 0.75, 0.75))
    assert [colour(page, pane, 0.5, 0.5) for pane in PANES] == [WHITE, WHITE]
    drag(page, STAGE, (0.75, 0.75), (0.25, 0.75))
    assert [colour(page, pane, 0.5, 0.5) for pane in PANES] == [GREEN, GREEN]
    page.locator(STAGE).focus()
    for _ in range(24):
        page.keyboard.press("ArrowUp")
    assert [colour(page, pane, 0.5, 0.5) for pane in PANES] == [RED, RED]
    assert page.locator("output").inner_text() == "rows 0 to 16, columns 8 to 24 of 64 × 64"
    for _ in range(3):  # dragging a crop to the left shows what is right of it
        drag(page, PANES[0], (0.9, 0.5), (0.1, 0.5))
    assert [colour(page, pane, 0.5, 0.5) for pane in PANES] == [BLUE, BLUE]


@browser_only
def test_zoom_shows_the_same_region_of_small_and_large(opened):
    large = torch.arange(64).expand(64, 64) / 64
    small = large.view(16, 4, 16, 4).mean((1, 3))
    page = opened(zoom({"low": small, "high": large}, box=(8, 20, 16, 16)).html)
    low, high = (np.asarray(shot(page, pane).convert("L")).astype(float)[9:-9, 9:-9] for pane in PANES)
    assert low.shape == high.shape
    assert (len(np.unique(low)), len(np.unique(high))) == (4, 16)
    assert np.abs(low.mean(0) - high.mean(0)).max() < 255 * 3 / 64  # a shift by a small pixel would give 4
    assert high[0, 0] == pytest.approx(255 * 20 / 64, abs=1)


@browser_only
def test_zoom_changes_the_size_of_the_box_within_the_picture(opened):
    page = opened(zoom({"high": quarters(64)}, box=(0, 0, 16, 32)).html)
    page.locator(".srlib-size").focus()
    page.keyboard.press("End")
    assert page.locator("output").inner_text() == "rows 0 to 32, columns 0 to 64 of 64 × 64"
    page.keyboard.press("Home")
    assert page.locator("output").inner_text().endswith("columns 28 to 36 of 64 × 64")
    page.locator(STAGE).focus()
    page.keyboard.press("-")
    assert page.locator("output").inner_text().endswith("columns 27 to 37 of 64 × 64")
    page.keyboard.press("Shift+ArrowRight")
    assert page.locator("output").inner_text().endswith("columns 28 to 38 of 64 × 64")


@browser_only
def test_zoom_follows_a_finger(opened):
    page = opened(zoom({"low": quarters(8)}, box=(0.1, 0.1, 0.2, 0.2)).html, has_touch=True, is_mobile=True, width=360)
    swipe(page, STAGE, (0.2, 0.2), (0.7, 0.7))  # starts on the box, moves in both directions
    assert colour(page, PANES[0], 0.5, 0.5) == WHITE
    page.touchscreen.tap(*spot(page, STAGE, 0.8, 0.2))
    assert colour(page, PANES[0], 0.5, 0.5) == BLUE


def shades(a, kernel):
    return plain((round(a * 255), 0, 255 if kernel == "cubic" else 0)), f"level {a}"


@browser_only
def test_explore_moves_by_keys_and_clicks(opened):
    page = opened(explore(shades, a=[0.0, 0.4, 1.0], kernel=["box", "cubic"], alt="Shade {a}").html)
    slider = page.locator("input[type=range]")
    assert (slider.get_attribute("aria-valuetext"), page.locator(".srlib-text").inner_text()) == (
        "0",
        "level 0.0",
    )
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert colour(page, STAGE, 0.5) == (102, 0, 0)
    assert page.locator("output").inner_text() == slider.get_attribute("aria-valuetext") == "0.4"
    assert page.locator("img").get_attribute("alt") == "Shade 0.4"
    assert page.locator(".srlib-text").inner_text() == "level 0.4"
    page.get_by_label("cubic").check()
    assert colour(page, STAGE, 0.5) == (102, 0, 255)
    page.mouse.click(*spot(page, "input[type=range]", 0.99, 0.5))
    assert colour(page, STAGE, 0.5) == (255, 0, 255)
    page.get_by_label("cubic").focus()
    page.keyboard.press("ArrowUp")
    assert colour(page, STAGE, 0.5) == RED


@browser_only
def test_explore_offers_many_choices_as_a_list(opened):
    page = opened(explore(lambda level: plain((int(level[1:]), 0, 0)), level=[f"n{i}" for i in range(0, 250, 50)]).html)
    page.get_by_label("level").select_option("n150")
    assert colour(page, STAGE, 0.5) == (150, 0, 0)


@browser_only
def test_copies_on_one_page_do_not_disturb_each_other(opened):
    text = explore(shades, a=[0.0, 1.0], kernel=["box", "cubic"]).html
    page = opened(text, compare(plain(RED), plain(BLUE)).html, text, compare(plain(RED), plain(BLUE)).html)
    page.get_by_label("cubic").last.check()
    page.locator(".srlib-explore input[type=range]").first.press("End")
    assert colour(page, ":nth-match(.srlib-explore .srlib-stage, 1)", 0.5) == RED
    assert colour(page, ":nth-match(.srlib-explore .srlib-stage, 2)", 0.5) == BLUE
    page.locator(".srlib-split").last.press("Home")
    assert colour(page, ":nth-match(.srlib-compare .srlib-stage, 1)", 0.3) == RED
    assert colour(page, ":nth-match(.srlib-compare .srlib-stage, 2)", 0.3) == BLUE


INJECT = """(text) => {
  const place = document.createElement("div");
  place.innerHTML = text;
  document.body.append(place);
  for (const script of [...place.querySelectorAll("script")]) {
    const copy = document.createElement("script");
    for (const { name, value } of script.attributes) copy.setAttribute(name, value);
    copy.textContent = script.textContent;
    script.replaceWith(copy);
  }
}"""
EVALUATE = """(text) => {
  const place = document.createElement("div");
  place.innerHTML = text;
  document.body.append(place);
  for (const script of place.querySelectorAll("script:not([type])")) (0, eval)(script.textContent);
}"""


@browser_only
@pytest.mark.parametrize("how", [INJECT, EVALUATE], ids=["scripts made again", "scripts run elsewhere"])
def test_widgets_work_where_a_notebook_adds_them_to_the_page(opened, how):
    page = opened("")
    text = explore(shades, a=[0.0, 1.0], kernel=["box", "cubic"]).html
    page.evaluate(how, text)
    page.evaluate(how, compare(plain(RED), plain(BLUE)).html)
    page.evaluate(how, text)
    for place, end in ((1, RED), (2, RED)):
        page.locator(".srlib-explore input[type=range]").nth(place - 1).press("End")
        assert colour(page, f":nth-match(.srlib-explore .srlib-stage, {place})", 0.5) == end
    page.locator(".srlib-split").press("Home")
    assert colour(page, ".srlib-compare .srlib-stage", 0.3) == BLUE


@browser_only
def test_widgets_work_in_a_frame_of_their_own(opened):
    page = opened('<iframe style="width: 100%; height: 600px; border: 0"></iframe>')
    page.evaluate("(text) => (document.querySelector('iframe').srcdoc = text)", compare(plain(RED), plain(BLUE)).html)
    inner = page.frame_locator("iframe")
    inner.locator(".srlib-split").press("Home")
    assert colour(inner, STAGE, 0.3) == BLUE


@browser_only
def test_without_javascript_the_first_frame_is_there(opened):
    texts = [widget.html for widget in every_widget().values()]
    page = opened(*texts, java_script_enabled=False)
    assert colour(page, ".srlib-compare .srlib-stage", 0.9, 0.9) == WHITE
    assert colour(page, PANES[1], 0.9, 0.9) == WHITE
    assert colour(page, ".srlib-explore .srlib-stage", 0.9, 0.9) == WHITE
    assert colour(page, ".srlib-clip .srlib-stage", 0.9, 0.9) == WHITE


@browser_only
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_widgets_fit_the_page_and_can_be_read(opened, theme, width):
    page = opened(*[widget.html for widget in every_widget().values()], theme=theme, width=width)
    low = page.evaluate("""() => {
      const light = (text) => {
        const parts = text.match(/[\\d.]+/g).slice(0, 3).map((value) => value / 255);
        const linear = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
      };
      const low = [];
      for (const figure of document.querySelectorAll(".srlib-widget")) {
        const page = light(getComputedStyle(figure).backgroundColor);
        const texts = figure.querySelectorAll("figcaption, p, output, button, select, label, .srlib-cell");
        for (const element of texts) {
          const ink = light(getComputedStyle(element).color);
          const contrast = (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05);
          if (contrast < 4.5) low.push([element.outerHTML.slice(0, 80), contrast]);
        }
      }
      return low;
    }""")
    assert low == []
    dark = page.evaluate("getComputedStyle(document.querySelector('.srlib-widget')).backgroundColor")
    assert dark == ("rgb(255, 255, 255)" if theme == "light" else "rgb(27, 31, 36)")


@browser_only
def test_page_styles_do_not_change_the_pixels(opened):
    head = """<style>
      html[data-theme="dark"] .content img:not(.only-dark) { filter: brightness(.8); padding: 9px; }
      .content img { max-width: 50%; height: auto; border-radius: 9px; margin: 1em; }
    </style>"""
    page = opened(f'<div class="content">{compare(quarters(64), quarters(64)).html}</div>', head=head, theme="dark")
    shown = [colour(page, STAGE, x, y) for y in (0.35, 0.995) for x in (0.005, 0.995)]
    assert shown == [RED, BLUE, GREEN, WHITE]


@browser_only
def test_print_has_both_pictures_and_no_controls(opened):
    page = opened(compare(plain(RED), plain(BLUE)).html)
    page.get_by_role("button", name="Zoom in").click()
    page.emulate_media(media="print")
    first, second = (page.locator(f".srlib-{name} img").bounding_box() for name in ("front", "back"))
    assert first["x"] + first["width"] <= second["x"]
    assert first["width"] > 200 and first["height"] == pytest.approx(first["width"] * 48 / 64, abs=1)
    assert not page.locator(".srlib-bar").is_visible()
    assert (colour(page, STAGE, 0.2), colour(page, STAGE, 0.8)) == (RED, BLUE)


@browser_only
def test_every_control_has_a_name_and_shows_focus(opened):
    page = opened(*[widget.html for widget in every_widget().values()])
    nameless = page.evaluate("""() => [...document.querySelectorAll("input, select, button, [tabindex]")]
      .filter((field) => !(field.getAttribute("aria-label") || field.textContent.trim()
        || [...(field.labels || [])].some((label) => label.textContent.trim())))
      .map((field) => field.outerHTML)""")
    assert nameless == []
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_scripts_and_styles_are_small():
    folder = Path(html.__file__).parent / "assets"
    assert {path.suffix for path in folder.iterdir()} == {".js", ".css"}
    for name, widget in every_widget().items():
        assert len(re.sub(r"base64,[^\"]+", "", widget.html)) < (18_000 if name == "clip" else 14_000), name
