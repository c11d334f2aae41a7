"""clip: one strip of frames that plays, steps and is split by a line, on a page with nothing but itself."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from srlib.images import to_uint8
from srlib.notebook.widgets import html
from srlib.notebook.widgets.clip import clip
from tests.notebook.widgets.conftest import (
    BLUE,
    RED,
    STAGE,
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

LIME, BLACK = (0, 255, 0), (0, 0, 0)
COLOURS = [RED, BLUE, LIME, BLACK, (255, 255, 0)]


def flat(*colours: tuple[int, int, int], height: int = 48, width: int = 64) -> Tensor:
    """A clip whose frames are each of one colour."""
    return torch.cat([plain(each, height, width) for each in colours or COLOURS])


def noise(count: int, height: int, width: int, channels: int = 3) -> Tensor:
    levels = torch.randint(0, 256, (count, channels, height, width), generator=torch.Generator().manual_seed(0))
    return levels / 255


def number(page, place: int = 0) -> int:
    """The number of the frame that a widget names."""
    return int(re.fullmatch(r"frame (\d+) of \d+", page.locator("output").nth(place).inner_text())[1])


def hold_time(page) -> None:
    """From now on, time passes only in `page.clock.run_for`, however busy the machine is."""
    page.clock.install(time=0)
    page.clock.pause_at(3_600)


# What the HTML holds


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 17, 23), (1, 40, 9)])
def test_every_frame_is_in_the_strip_without_loss(channels, height, width):
    frames = noise(5, height, width, channels)
    (source,) = uris(clip(frames, webp_quality=None).html)
    strip, tall = decoded(source), -(-(height + 16) // 16) * 16
    for k, frame in enumerate(to_uint8(frames).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()):
        top = k * tall + 8
        np.testing.assert_array_equal(strip[top : top + height, 8 : 8 + width], frame)
        np.testing.assert_array_equal(strip[top - 8 : top, 8 : 8 + width], frame[:1].repeat(8, 0))  # its own edge


def test_a_long_clip_has_columns():
    frames = noise(9, 700, 4, 1)
    strip = decoded(uris(clip(frames, webp_quality=None).html)[0])
    assert strip.shape[:2] == (5 * 720, 2 * 32)
    np.testing.assert_array_equal(strip[8:708, 40:44, 0], to_uint8(frames)[5, 0])


@pytest.mark.parametrize("make", [lambda x: x, lambda x: x[None], list, lambda x: [frame[None] for frame in x]])
def test_a_clip_is_a_tensor_or_a_list(make):
    assert clip(make(flat())).html == clip(flat()).html


def test_a_clip_is_light():
    steps = torch.arange(10).view(10, 1, 1, 1) / 3
    y, x = torch.meshgrid(torch.arange(200.0), torch.arange(200.0), indexing="ij")
    moving = 0.5 + 0.3 * torch.sin(x / 5 + steps) * torch.cos(y / 7 + steps) + 0.1 * (noise(10, 200, 200) - 0.5)
    assert len(clip(moving).html) < 500_000 < len(clip(moving, webp_quality=None).html)


def test_alternative_text_and_names_are_escaped():
    text = clip({"<b>": flat(), "a & b": flat(), "c": flat()}, alt='"><script>', caption="a < b").html
    assert "<b>" not in text and '"><script>' not in text
    assert re.findall(r'<img [^>]*alt="([^"]*)"', text)[-1] == "&lt;b&gt;: &quot;&gt;&lt;script&gt;"
    assert 'alt="clip, 48 by 64 pixels"' in clip(flat()).html
    assert repr(clip({"a": flat(), "b": flat()})) == "<srlib widget: clip of 5 frames in 2 versions, 48 x 64 pixels>"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: clip([]), ValueError, "two frames or more, got 0"),
        (lambda: clip(flat(RED)), ValueError, "two frames or more, got 1"),
        (lambda: clip({}), ValueError, "at least one version"),
        (lambda: clip(flat()[0]), ValueError, r"\(T, C, H, W\), got \(3, 48, 64\)"),
        (lambda: clip(flat()[None].expand(2, -1, -1, -1, -1)), ValueError, r"got \(2, 5, 3, 48, 64\)"),
        (lambda: clip([plain(RED), plain(RED, 48, 65)]), ValueError, r"one size, got .*\(48, 64\) and \(48, 65\)"),
        (lambda: clip({"a": flat(), "b": flat(RED, BLUE)}), ValueError, "a has 5, b has 2"),
        (lambda: clip({"a": flat(), "b": flat(height=24, width=16)}), ValueError, "b is 24 x 16, the largest 48 x 64"),
        (lambda: clip({"a": flat(), "b": flat(height=36)}), ValueError, "whole multiple.*b is 36 x 64"),
        (lambda: clip((flat() * 255).to(torch.uint8)), TypeError, "srlib.images"),
        (lambda: clip(flat() * torch.nan), ValueError, "NaN"),
        (lambda: clip(flat(), fps=0), ValueError, "fps must be more than 0 and at most 60, got 0"),
        (lambda: clip(flat(), webp_quality=0), ValueError, "1 to 100"),
    ],
)
def test_wrong_calls_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_pages_are_kept_light(monkeypatch):
    monkeypatch.setattr(html, "MOST_BYTES", 20_000)
    with pytest.raises(ValueError, match="MB"):
        clip(noise(4, 64, 64))


# What a reader sees and moves


@browser_only
def test_it_plays_at_its_speed_in_a_loop_and_pauses(opened):
    page = opened(clip(flat(), fps=4, webp_quality=None).html)
    hold_time(page)
    page.clock.run_for(2000)
    assert number(page) == 1  # nothing starts by itself
    page.get_by_role("button", name="Play").click()
    assert page.locator("output").get_attribute("aria-live") == "off"
    page.clock.run_for(510)
    assert (number(page), colour(page, STAGE, 0.5)) == (3, LIME)
    page.clock.run_for(1000)
    assert number(page) == 2
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(1000)
    assert (number(page), colour(page, STAGE, 0.5)) == (2, BLUE)
    assert page.locator("output").get_attribute("aria-live") == "polite"
    page.locator(STAGE).click()
    page.clock.run_for(260)
    assert number(page) == 3
    page.locator(STAGE).click()
    page.clock.run_for(1000)
    assert number(page) == 3


@browser_only
def test_it_follows_keys_buttons_and_the_slider(opened):
    page = opened(clip(flat(), webp_quality=None).html)
    slider, forth = page.locator(".srlib-frame"), page.get_by_role("button", name="Next frame")
    for place, act in [
        (2, lambda: page.locator(STAGE).press("ArrowRight")),
        (5, lambda: page.locator(STAGE).press("End")),
        (1, lambda: page.locator(STAGE).press("ArrowRight")),
        (5, lambda: page.locator(STAGE).press("ArrowLeft")),
        (1, lambda: page.locator(STAGE).press("Home")),
        (2, lambda: forth.click()),
        (3, lambda: forth.press("Enter")),
        (2, lambda: page.get_by_role("button", name="Previous frame").click()),
        (3, lambda: slider.press("ArrowRight")),
        (5, lambda: page.mouse.click(*spot(page, ".srlib-frame", 0.99, 0.5))),
        (3, lambda: page.mouse.click(*spot(page, ".srlib-frame", 0.5, 0.5))),
    ]:
        act()
        assert (number(page), colour(page, STAGE, 0.5)) == (place, COLOURS[place - 1])
        assert slider.get_attribute("aria-valuetext") == f"{place} of 5"
    for key in ("k", "Space"):
        page.locator(STAGE).press(key)
        page.get_by_role("button", name="Pause").wait_for()
        page.wait_for_function("before => document.querySelector('output').textContent !== before", arg="frame 3 of 5")
        page.locator(STAGE).press(key)
        page.get_by_role("button", name="Play").wait_for()
    page.get_by_role("button", name="Play").press("Space")  # once, not by the button and by the key
    page.get_by_role("button", name="Pause").wait_for()
    slider.press("Home")
    page.get_by_role("button", name="Play").wait_for()
    assert (number(page), page.evaluate("scrollY")) == (1, 0)


@browser_only
def test_a_line_splits_two_versions(opened):
    page = opened(clip({"a": flat(RED, BLUE), "b": flat(LIME, BLACK, height=24, width=32)}, webp_quality=None).html)
    assert (colour(page, STAGE, 0.3), colour(page, STAGE, 0.7)) == (RED, LIME)
    drag(page, STAGE, (0.5, 0.75), (0.8, 0.75))
    assert (colour(page, STAGE, 0.7), colour(page, STAGE, 0.9)) == (RED, LIME)
    page.locator(STAGE).press("ArrowRight")
    assert (colour(page, STAGE, 0.7), colour(page, STAGE, 0.9)) == (BLUE, BLACK)
    page.locator(".srlib-split").press("Home")
    assert colour(page, STAGE, 0.2) == BLACK
    assert page.locator(".srlib-split").get_attribute("aria-valuetext") == "0 % a"
    assert number(page) == 2  # Home on the slider of the line is no key of the clip
    for _ in range(10):
        page.locator(STAGE).press("Shift+ArrowRight")
    assert (colour(page, STAGE, 0.1), colour(page, STAGE, 0.3), number(page)) == (BLUE, BLACK, 2)


@browser_only
def test_the_line_follows_a_finger(opened):
    page = opened(clip({"a": flat(RED, RED), "b": flat(BLUE, BLUE)}, webp_quality=None).html,
                  has_touch=True, is_mobile=True, width=360)  # fmt: skip
    swipe(page, STAGE, (0.5, 0.75), (0.15, 0.75))
    assert (colour(page, STAGE, 0.05), colour(page, STAGE, 0.4)) == (RED, BLUE)


@browser_only
def test_of_three_versions_two_are_chosen(opened):
    versions = {"a": flat(RED, BLACK), "b": flat(LIME, BLACK), "c": flat(BLUE, BLACK, height=24, width=32)}
    page = opened(clip(versions, webp_quality=None).html)
    assert (colour(page, STAGE, 0.3), colour(page, STAGE, 0.7)) == (RED, LIME)
    page.get_by_label("Right of the line").select_option("c")
    page.get_by_label("Left of the line").select_option("b")
    assert (colour(page, STAGE, 0.3), colour(page, STAGE, 0.7)) == (LIME, BLUE)
    assert page.locator(".srlib-name").all_inner_texts() == ["c", "b"]
    assert page.locator(".srlib-split").get_attribute("aria-valuetext") == "50 % b"
    assert page.get_by_role("img", name="c, 24 by 32 pixels").count() == 1
    page.get_by_label("Left of the line").press("k")
    assert page.get_by_role("button", name="Play").count() == 1  # letters choose from the list


@browser_only
@pytest.mark.parametrize("scale", [1, 1.5, 2])
@pytest.mark.parametrize("quality", [None, 90])
@pytest.mark.parametrize("width", [None, 77, 133.4])
def test_nothing_is_seen_of_the_neighbours(opened, scale, quality, width):
    frames = flat(RED, BLUE, LIME, RED, BLUE, height=101, width=151)
    page = opened(clip(frames, webp_quality=quality, width=width).html, device_scale_factor=scale)
    for place, channel in enumerate((0, 2, 1, 0, 2)):
        seen = np.asarray(shot(page, STAGE)).astype(int)
        expected = np.eye(3, dtype=int)[channel] * 255
        allowed = 1 if quality is None else 5
        assert np.abs(seen[3:-3, 3:-3] - expected).max() <= allowed, place
        assert seen[..., channel].min() >= 255 - allowed, place  # the edge may be mixed with the white page only
        page.locator(".srlib-frame").press("ArrowRight")


@browser_only
def test_low_resolution_pixels_are_squares(opened):
    board = (torch.arange(8)[:, None] + torch.arange(8)).remainder(2).float().expand(2, 1, 8, 8)
    page = opened(clip({"low": board, "high": torch.zeros(2, 1, 64, 64)}, webp_quality=None).html)
    page.locator(".srlib-split").press("End")
    seen = np.asarray(shot(page, STAGE).convert("L")).astype(int)
    row = seen[round(len(seen) * 0.8125), : int(seen.shape[1] * 0.95)]
    assert set(row) == {0, 255} and np.count_nonzero(np.diff(row)) == 7


@browser_only
def test_with_reduced_motion_it_plays_only_when_asked_to(opened):
    page = opened(clip({"a": flat(), "b": flat()}, fps=20).html, reduced_motion="reduce")
    page.wait_for_timeout(300)
    assert number(page) == 1
    durations = "all => all.map(each => parseFloat(getComputedStyle(each).transitionDuration))"
    assert set(page.eval_on_selector_all(".srlib-widget *", durations)) == {0}
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('output').textContent === 'frame 4 of 5'")


@browser_only
def test_it_stops_where_nobody_sees_it(opened):
    page = opened(clip(flat(), fps=20).html, '<div style="height: 3000px"></div>')
    page.get_by_role("button", name="Play").click()
    page.evaluate("scrollTo(0, 2500)")
    page.locator("button[aria-label=Play]").wait_for()
    page.evaluate("scrollTo(0, 0)")
    before = number(page)
    page.wait_for_timeout(200)
    assert number(page) == before
    page.get_by_role("button", name="Play").click()
    page.evaluate("""() => {
      Object.defineProperty(document, "hidden", { value: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }""")
    assert page.locator("button[aria-label=Play]").count() == 1


@browser_only
def test_two_on_one_page_do_not_disturb_each_other(opened):
    one = clip({"a": flat(), "b": flat()}, fps=4, width=90).html  # small: whatever is out of the window stops
    page = opened(one, one, clip(flat(), fps=8, width=90).html)
    hold_time(page)
    page.get_by_role("button", name="Play").first.click()
    page.clock.run_for(510)
    assert [number(page, place) for place in range(3)] == [3, 1, 1]
    page.locator(STAGE).nth(1).press("End")
    page.locator(".srlib-split").nth(1).press("Home")
    page.clock.run_for(250)
    assert [number(page, place) for place in range(3)] == [4, 5, 1]
    assert page.locator(".srlib-split").first.input_value() == "50"
    page.locator(STAGE).nth(2).press("k")
    page.clock.run_for(250)
    assert [number(page, place) for place in range(3)] == [5, 5, 3]


@browser_only
def test_it_works_with_its_strips_in_files_that_come_late(browser, tmp_path):
    """As on the site, which makes files of what is inside a page."""
    text = clip({"a": flat(), "b": flat(height=24, width=32)}, webp_quality=None).html
    for i, source in enumerate(uris(text)):
        Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).save(tmp_path / f"{i}.png")
        text = text.replace(f'<img src="{source}"', f'<img loading="lazy" decoding="async" src="{i}.png"')
    (tmp_path / "page.html").write_text(f'<!doctype html><p style="height: 4000px">x</p>{text}', encoding="utf-8")
    page, problems = browser.new_context().new_page(), []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if "file:" not in request.url else None)
    page.goto((tmp_path / "page.html").as_uri())
    page.locator(STAGE).scroll_into_view_if_needed()
    page.locator("canvas:not([hidden])").nth(1).wait_for()
    page.locator(STAGE).press("ArrowRight")
    assert (colour(page, STAGE, 0.3), colour(page, STAGE, 0.7)) == (BLUE, BLUE)
    assert problems == []
    page.context.close()


@browser_only
def test_print_has_both_versions_and_no_controls(opened):
    page = opened(clip({"a": flat(RED, BLUE), "b": flat(LIME, BLACK)}, webp_quality=None).html)
    page.emulate_media(media="print")
    first, second = (page.locator(f".srlib-{name} canvas").bounding_box() for name in ("front", "back"))
    assert first["x"] + first["width"] <= second["x"]
    assert first["width"] > 200 and first["height"] == pytest.approx(first["width"] * 48 / 64, abs=1)
    assert not page.locator(".srlib-bar").first.is_visible()
    assert (colour(page, STAGE, 0.2), colour(page, STAGE, 0.8)) == (RED, LIME)


@browser_only
@pytest.mark.parametrize("names", [1, 2, 3])
def test_it_fits_a_telephone(opened, names):
    frames = flat(*[RED, BLUE] * 60, height=12, width=16)
    versions = {f"version {'with a long name ' * i}": frames for i in range(1, names + 1)}
    page = opened(clip(versions if names > 1 else frames).html, width=360)
    inside = """() => { const box = document.querySelector(".srlib-widget").getBoundingClientRect();
      return [...document.querySelectorAll(".srlib-bar *")].every((each) => {
        const { left, right, width } = each.getBoundingClientRect();
        return !each.matches("input, output, button, select") || (left >= box.left && right <= box.right && width > 28);
      }); }"""
    assert page.evaluate(inside)
