import io
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

import srlib.resample
from srlib.images import to_uint8
from srlib.notebook import plotting
from srlib.notebook.figure import one_picture, region
from srlib.notebook.plotting import PALETTE, crops, show, show_source, spectra, style


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> Tensor:
    """Noise at levels that 8 bits hold exactly."""
    levels = torch.randint(0, 256, (1, channels, height, width), generator=torch.Generator().manual_seed(seed))
    return levels / 255


def drawn(figure: Figure) -> np.ndarray:
    """The figure as a notebook stores it: cut to its contents."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    return np.asarray(Image.open(buffer).convert("RGB"))


def inside(figure: Figure, axes: Axes) -> np.ndarray:
    """The pixels of one axes in `drawn`."""
    page = drawn(figure)
    margin = 12  # a tenth of an inch, added around the contents
    height, width = (round(float(side)) for side in figure.get_size_inches()[::-1] * figure.dpi)
    assert page.shape[:2] == (height + 2 * margin, width + 2 * margin)
    box = axes.get_position()
    rows = slice(margin + round((1 - box.y1) * height), margin + round((1 - box.y0) * height))
    return page[rows, margin + round(box.x0 * width) : margin + round(box.x1 * width)]


def squares(image: Tensor, factor: int) -> np.ndarray:
    pixels = to_uint8(image)[0].permute(1, 2, 0).expand(-1, -1, 3).numpy()
    return pixels.repeat(factor, 0).repeat(factor, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("titles", [None, ["a title"]])
def test_show_draws_every_pixel_as_a_square_of_one_size(channels, titles):
    image = picture(23, 31, channels)
    figure = show(image, titles=titles, pixels=7, caption="what to look at")
    np.testing.assert_array_equal(inside(figure, figure.axes[0]), squares(image, 7))


def test_show_gives_a_small_picture_the_size_of_the_large_one():
    lr, hr = picture(9, 13), picture(27, 39)
    figure = show(lr, hr, pixels=4)
    np.testing.assert_array_equal(inside(figure, figure.axes[0]), squares(lr, 12))
    np.testing.assert_array_equal(inside(figure, figure.axes[1]), squares(hr, 4))


def test_show_shrinks_what_is_too_wide_without_aliasing():
    stripes = torch.arange(2400).remainder(2).float().expand(1, 1, 60, -1)
    figure = show(stripes)
    shown = inside(figure, figure.axes[0])
    assert shown.shape[1] <= 880
    assert np.abs(shown[:, 10:-10].astype(int) - 128).max() <= 2  # any two-pixel stripe left would be 0 or 255


def test_show_keeps_low_resolution_pixels_equal_when_the_original_must_shrink():
    lr, hr = picture(50, 100), picture(300, 600)
    figure = show(lr, hr)
    np.testing.assert_array_equal(inside(figure, figure.axes[0]), squares(lr, 4))


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (4, 1, 4), (5, 2, 3), (8, 2, 4), (9, 3, 3)])
def test_show_spreads_pictures_over_rows(count, rows, columns):
    figure = show(*[picture(8, 8, seed=i) for i in range(count)])
    places = [axes.get_position() for axes in figure.axes]
    assert len({round(place.y0, 3) for place in places}) == rows
    assert len({round(place.x0, 3) for place in places}) == columns


def test_figures_are_closed_so_that_a_notebook_shows_them_once():
    image = picture(16, 24)
    for figure in (show(image), crops({"a": image}, (2, 2, 4, 4)), spectra({"a": image})):
        assert isinstance(figure, Figure)
    assert plt.get_fignums() == []


def test_values_outside_the_range_are_clamped():
    figure = show(torch.tensor([[[-1.0, 2.0]]]), pixels=3)
    assert set(np.unique(inside(figure, figure.axes[0]))) == {0, 255}


def test_pictures_that_need_gradients_or_half_precision_are_shown():
    assert show(torch.rand(3, 4, 4, requires_grad=True), torch.rand(4, 4, dtype=torch.bfloat16))


@pytest.mark.parametrize("box", [(6, 9, 10, 12), (6 / 30, 9 / 45, 10 / 30, 12 / 45)])
def test_crops_show_the_same_region_of_each_picture(box):
    hr, lr = picture(30, 45), picture(10, 15, seed=1)
    figure = crops({"LR": lr, "HR": hr}, box, zoom=6)
    whole, small, large = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["HR", "LR", "HR"]
    np.testing.assert_array_equal(inside(figure, large), squares(hr[..., 6:16, 9:21], 6))
    np.testing.assert_array_equal(inside(figure, small), squares(lr, 18)[36:96, 54:126])
    frame = whole.patches[0].get_bbox().bounds
    assert frame == pytest.approx((9 / 45, 6 / 30, 12 / 45, 10 / 30))


def test_crops_fill_the_page_by_a_whole_factor():
    figure = crops({name: picture(64, 64) for name in "abcd"}, (8, 8, 16, 16))
    sides = {inside(figure, axes).shape[0] for axes in figure.axes[1:]}
    assert len(sides) == 1 and sides.pop() % 16 == 0
    assert 660 < drawn(figure).shape[1] <= 880 + 24


@pytest.mark.parametrize("size", [(64, 96), (33, 41)])
def test_spectra_place_a_wave_at_its_frequency(size):
    frequency = 8 / 32
    wave = 0.5 + 0.4 * torch.cos(2 * math.pi * frequency * torch.arange(size[1])).expand(1, 1, *size)
    figure = spectra({"wave": wave})
    shown = figure.axes[0].images[0]
    values = np.asarray(shown.get_array())
    left, right, bottom, top = shown.get_extent()
    row, column = np.unravel_index(values.argmax(), values.shape)
    across = left + (column + 0.5) * (right - left) / size[1]
    down = top + (row + 0.5) * (bottom - top) / size[0]
    assert abs(abs(across) - frequency) <= 0.5 / size[1]
    assert down == pytest.approx(0, abs=1e-6)


def test_spectra_share_one_scale():
    figure = spectra({"dark": picture(32, 32) / 10, "bright": picture(32, 32)})
    limits = {axes.images[0].get_clim() for axes in figure.axes[:2]}
    assert len(limits) == 1
    low, high = limits.pop()
    assert high - low == pytest.approx(80)


def test_style_holds_inside_only():
    before = plt.rcParams["axes.spines.top"]
    with style():
        assert not plt.rcParams["axes.spines.top"]
        assert plt.rcParams["axes.prop_cycle"].by_key()["color"][0] in PALETTE
    assert plt.rcParams["axes.spines.top"] == before


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), TypeError, "torch.uint8.*srlib.images"),
        (np.zeros((4, 4)), TypeError, "ndarray.*srlib.images"),
        (torch.zeros(2, 3, 4, 4), ValueError, r"batch of shape \(2, 3, 4, 4\)"),
        (torch.zeros(4, 4, 3), ValueError, "channels come first"),
        (torch.zeros(2, 4, 4), ValueError, "C = 1 or 3"),
        (torch.zeros(3, 0, 4), ValueError, r"\(3, 0, 4\)"),
        (torch.zeros(4), ValueError, r"\(4,\)"),
        (torch.full((1, 4, 4), float("nan")), ValueError, "NaN or infinite"),
    ],
)
def test_what_is_not_a_picture_is_refused(image, error, message):
    with pytest.raises(error, match=message):
        one_picture(image)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0, 0, 4), "top, left, height, width"),
        ((0, 0, 0, 4), "not inside"),
        ((0, 0, 4, 11), "not inside the 8 x 10"),
        ((-1, 0, 4, 4), "not inside"),
        ((0.5, 0.5, 0.6, 0.1), "not inside"),
        ((0.5, 0.5, 4, 4), "fractions between"),
    ],
)
def test_a_box_outside_is_refused(box, message):
    with pytest.raises(ValueError, match=message):
        region(box, 8, 10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: show(), "at least one"),
        (lambda: show(picture(4, 4), titles=["a", "b"]), "1 pictures but 2 titles"),
        (lambda: show(picture(4, 4), pixels=0), "pixels must be"),
        (lambda: show(picture(4, 4), columns=0), "columns must be"),
        (lambda: crops({}, (0, 0, 1, 1)), "dict of pictures"),
        (lambda: crops({"a": picture(4, 4)}, (0, 0, 1, 1), zoom=0), "zoom must be"),
        (lambda: spectra([picture(4, 4)]), "dict of pictures"),
    ],
)
def test_wrong_calls_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    assert plt.get_fignums() == []


def markdown(obj: object) -> str:
    return show_source(obj)._repr_mimebundle_()["text/markdown"]


def test_show_source_gives_the_code_and_its_file():
    text = markdown(srlib.resample.resize)
    assert text.startswith("From `srlib/resample.py`:\n\n```python\ndef resize(")
    assert text.endswith("\n```\n")
    plain = show_source(srlib.resample.resize)._repr_mimebundle_()["text/plain"]
    assert plain.startswith("# srlib/resample.py\ndef resize(")


def test_show_source_takes_classes_methods_modules_and_cached_functions():
    assert "class Kernel:" in markdown(srlib.resample.Kernel)
    assert "\n```python\ndef draw(" in markdown(plotting.Page.draw)  # without the indent of its class
    assert markdown(plotting).startswith("From `srlib/notebook/plotting.py`")
    assert "def cubic(" in markdown(srlib.resample.cubic)
    assert markdown(srlib).startswith("From `srlib/__init__.py`")


def test_show_source_of_code_with_a_fence_has_a_longer_one():
    def fenced():
        """```python
        1
        ```"""

    text = markdown(fenced)
    assert "\n````python\n" in text and text.endswith("\n````\n")


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (len, "no Python source"),
        (3, "got a int"),
        (torch.nn.Identity(), r"try show_source\(Identity\)"),
    ],
)
def test_show_source_refuses_what_has_no_source(obj, message):
    with pytest.raises(TypeError, match=message):
        show_source(obj)
