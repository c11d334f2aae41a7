"""Everything a reader can move moves, by mouse and by keyboard, and the proof is in the pixels."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from book._tools.pages import chapters
from tests.conftest import PATIENCE

pytestmark = pytest.mark.site
each_chapter = pytest.mark.parametrize("page", chapters())


# Pictures come late, when they are near the window; one that is not there yet would pass for a change when it comes.
LOADED = """async figure => {
  for (const image of figure.querySelectorAll("img")) {
    image.loading = "eager";
    await image.decode();
  }
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));  // a clip draws what has come
}"""


class Picture:
    """What a widget shows: its stage or another part, without the line, the labels and the fields that lie on it."""

    def __init__(self, page, widget, stage=None):
        self.page, self.stage = page, stage or widget.locator(".srlib-stage").first
        page.add_style_tag(content=".srlib-line, .srlib-box, .srlib-name { opacity: 0 !important }")
        page.add_style_tag(content="* { outline: none !important }")
        widget.evaluate(LOADED)
        self.last = self.pixels()

    def pixels(self) -> np.ndarray:
        # always at one place: elsewhere on the screen it may begin at another fraction of a pixel
        self.stage.evaluate("stage => stage.scrollIntoView({block: 'center', behavior: 'instant'})")
        shot = Image.open(io.BytesIO(self.stage.screenshot())).convert("RGB")
        return np.asarray(shot)[2:-2, 2:-2]  # the outermost pixels are mixed with the page around

    def changes(self) -> bool:
        """Wait until more than one pixel in a hundred differs from the last look."""
        until = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < until:
            now = self.pixels()
            if now.shape == self.last.shape and (now != self.last).any(axis=2).mean() > 0.01:
                self.last = now
                return True
            self.page.wait_for_timeout(100)
        return False


def drag(page, element, start: float, end: float) -> None:
    """Press the mouse inside an element at a fraction of its width, and let go at another."""
    box = element.bounding_box()
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], height)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], height, steps=8)
    page.mouse.up()


def widgets(page, kind: str) -> list:
    return page.locator(f"figure.srlib-widget.srlib-{kind}").all()


def test_interpolation_has_every_kind_of_widget(visit):
    seen = visit("book/pixels/interpolation.html").page
    assert all(widgets(seen, kind) for kind in ("explore", "compare", "zoom"))


@each_chapter
def test_dragging_a_slider_changes_the_picture(visit, page):
    seen = visit(f"{page}.html")
    for widget in widgets(seen.page, "explore"):
        for slider in widget.locator("input[type=range]").all():
            picture = Picture(seen.page, widget)
            slider.scroll_into_view_if_needed()
            before = float(slider.input_value())
            low, high = (float(slider.get_attribute(name)) for name in ("min", "max"))
            at = 0.5 if high == low else (before - low) / (high - low)
            width = slider.bounding_box()["width"]
            margin = 8 / width  # the middle of the thumb never reaches the ends
            drag(seen.page, slider, margin + at * (1 - 2 * margin), 0.02 if at > 0.5 else 0.98)
            assert float(slider.input_value()) != before
            assert picture.changes(), "the slider moved, the picture did not"
            slider.focus()
            seen.page.keyboard.press("End" if at > 0.5 else "Home")
            assert picture.changes(), "the slider moved by keyboard, the picture did not"
    assert seen.errors == [] and seen.foreign == []


@each_chapter
def test_choosing_a_button_changes_the_picture(visit, page):
    seen = visit(f"{page}.html")
    for widget in widgets(seen.page, "explore"):
        radios = widget.locator("input[type=radio]").all()
        for radio in [radio for radio in radios if not radio.is_checked()]:
            picture = Picture(seen.page, widget)
            radio.scroll_into_view_if_needed()
            radio.check()
            assert picture.changes(), f"button {radio.get_attribute('value')} was pressed, the picture did not change"
    assert seen.errors == [] and seen.foreign == []


@each_chapter
def test_dragging_a_comparer_changes_the_picture(visit, page):
    seen = visit(f"{page}.html")
    for widget in widgets(seen.page, "compare"):
        picture = Picture(seen.page, widget)
        drag(seen.page, picture.stage, 0.5, 0.1)
        assert picture.changes(), "the line did not follow the mouse"
        slider = widget.locator("input[type=range]").first
        assert float(slider.input_value()) == pytest.approx(10, abs=2)
        slider.focus()
        seen.page.keyboard.press("End")
        assert picture.changes(), "the slider moved by keyboard, the picture did not"
        picture.stage.focus()
        for _ in range(20):
            seen.page.keyboard.press("ArrowLeft")
        assert picture.changes(), "arrow keys on the picture did not move the line"
    assert seen.errors == [] and seen.foreign == []


@each_chapter
def test_keys_and_buttons_zoom_a_comparer(visit, page):
    seen = visit(f"{page}.html")
    for widget in widgets(seen.page, "compare"):
        picture = Picture(seen.page, widget)
        buttons = widget.get_by_role("button")
        if not buttons.count():
            continue
        picture.stage.focus()
        seen.page.keyboard.press("+")
        assert picture.changes(), "+ did not zoom"
        seen.page.keyboard.press("ArrowRight")
        assert picture.changes(), "an arrow key did not move the zoomed picture"
        seen.page.keyboard.press("0")
        assert picture.changes(), "0 did not show the whole picture again"
        widget.get_by_role("button", name="Zoom in").focus()
        seen.page.keyboard.press("Enter")
        assert picture.changes(), "the button did not zoom"
    assert seen.errors == [] and seen.foreign == []


@each_chapter
def test_moving_the_box_moves_every_crop(visit, page):
    seen = visit(f"{page}.html")
    for widget in widgets(seen.page, "zoom"):
        crops = [Picture(seen.page, widget, pane) for pane in widget.locator(".srlib-pane").all()]
        stage = widget.locator(".srlib-stage").first
        wide, left, across = widget.evaluate(
            "f => [JSON.parse(f.dataset.size)[1], JSON.parse(f.dataset.box)[1], JSON.parse(f.dataset.box)[3]]"
        )
        ends = (0.8, 0.2) if left + across / 2 < wide / 2 else (0.2, 0.8)  # away from the edge that is near
        back = "ArrowRight" if ends[0] > ends[1] else "ArrowLeft"
        acts = {
            "dragging a crop": lambda pane=crops[0].stage, ends=ends: drag(seen.page, pane, *ends),
            "a click on the overview": lambda stage=stage, x=ends[1]: press(stage, x),
            "an arrow key": lambda stage=stage, key=back: stage.press(key),
            "the key -": lambda stage=stage: stage.press("-"),
            "the slider's keys": lambda widget=widget: shrink(widget),
        }
        for name, act in acts.items():
            crops[0].pixels()  # scrolls it to its place
            act()
            assert [crop.changes() for crop in crops] == [True] * len(crops), f"{name} left a crop as it was"
    assert seen.errors == [] and seen.foreign == []


@each_chapter
def test_a_clip_plays_steps_and_stops(visit, page):
    seen = visit(f"{page}.html")
    for widget in widgets(seen.page, "clip"):
        picture, readout = Picture(seen.page, widget), widget.locator("output")
        first = readout.inner_text()
        assert widget.get_by_role("button", name="Play").count() == 1, "it plays by itself"
        for name, act in {
            "Next frame": lambda widget=widget: widget.get_by_role("button", name="Next frame").click(),
            "an arrow key": lambda picture=picture: picture.stage.press("ArrowLeft"),
            "the slider's keys": lambda widget=widget: widget.locator("input.srlib-frame").press("End"),
        }.items():
            act()
            assert picture.changes(), f"{name} did not change the picture"
        picture.stage.press("Home")
        assert picture.changes() and readout.inner_text() == first
        widget.get_by_role("button", name="Play").click()
        assert picture.changes(), "it does not play"
        widget.get_by_role("button", name="Pause").click()
        picture.last, held = picture.pixels(), readout.inner_text()
        seen.page.wait_for_timeout(500)
        assert readout.inner_text() == held and np.array_equal(picture.pixels(), picture.last), "it does not stop"
    assert seen.errors == [] and seen.foreign == []


@each_chapter
def test_dragging_the_line_of_a_clip_changes_the_picture(visit, page):
    seen = visit(f"{page}.html")
    for widget in widgets(seen.page, "clip"):
        line = widget.locator("input.srlib-split")
        if not line.count():
            continue
        picture = Picture(seen.page, widget)
        drag(seen.page, picture.stage, 0.5, 0.1)
        assert picture.changes(), "the line did not follow the mouse"
        assert float(line.input_value()) == pytest.approx(10, abs=2)
        line.press("End")
        assert picture.changes(), "the slider moved by keyboard, the picture did not"
        for _ in range(20):
            picture.stage.press("Shift+ArrowLeft")
        assert picture.changes(), "Shift with arrow keys did not move the line"
        for list_ in widget.locator("select").all():
            before = list_.input_value()
            list_.select_option(index=(int(before) + 1) % list_.locator("option").count())
            assert picture.changes(), "another version was chosen, the picture did not change"
    assert seen.errors == [] and seen.foreign == []


def press(element, across: float) -> None:
    """A click at half its height and a fraction of its width."""
    box = element.bounding_box()
    element.click(position={"x": across * box["width"], "y": box["height"] / 2})


def shrink(widget) -> None:
    """Make the box smaller from the keyboard."""
    slider = widget.locator("input.srlib-size")
    slider.focus()
    for _ in range(3):
        slider.press("PageDown")


@each_chapter
def test_widgets_show_the_same_pixels_in_the_dark_theme(visit, page):
    light, dark = visit(f"{page}.html").page, visit(f"{page}.html", scheme="dark").page
    for kind in ("compare", "explore", "clip"):
        for one, other in zip(widgets(light, kind), widgets(dark, kind), strict=True):
            assert np.array_equal(in_the_corner(light, one), in_the_corner(dark, other))


def in_the_corner(page, widget) -> np.ndarray:
    """What a widget shows at a fixed place: in the page it may stand a fraction of a pixel lower in one theme."""
    widget.evaluate("f => Object.assign(f.style, {position: 'fixed', inset: '9px auto auto 9px', zIndex: 9999})")
    shown = Picture(page, widget).last
    widget.evaluate("f => Object.assign(f.style, {position: '', inset: '', zIndex: ''})")
    return shown
