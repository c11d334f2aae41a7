"""synthetic: charts whose values and frequencies are known."""

import math

import pytest
import torch

from srlib.data.synthetic import checkerboard, dead_leaves, pixel_art, siemens_star, text_picture, zone_plate
from srlib.frequency import frequencies, power_spectrum


def test_zone_plate_is_its_formula_and_even():
    plate = zone_plate((21, 33))
    assert plate.shape == (1, 1, 21, 33) and plate.dtype == torch.float32
    assert plate[0, 0, 10, 16] == 1  # the centre
    assert plate[0, 0, 10, 26].item() == pytest.approx(0.5 + 0.5 * math.cos(math.pi * 100 / 33), abs=1e-6)
    torch.testing.assert_close(plate, plate.flip(-1))
    torch.testing.assert_close(plate, plate.flip(-2))


@pytest.mark.parametrize("top", [0.125, 0.25])
def test_zone_plate_reaches_the_frequency_it_promises(top):
    power = power_spectrum(zone_plate(256, top) - 0.5)[0, 0]
    inside = power[frequencies(256, 256) < 1.05 * top * math.sqrt(2)].sum()
    assert inside / power.sum() > 0.999
    row = zone_plate((1, 256), top)[0, 0, 0] - 0.5
    power = torch.fft.rfft(row).abs().square()
    frequency = torch.fft.rfftfreq(256)
    assert power[frequency < 0.9 * top].sum() / power.sum() < 0.97  # the last tenth is there
    assert power[frequency > 1.1 * top].sum() / power.sum() < 0.01  # and nothing beyond


def test_star_has_its_spokes_and_a_grey_centre():
    star = siemens_star(301, spokes=12)[0, 0]
    angle = torch.linspace(0, 2 * math.pi, 2001)[:-1]
    y, x = 150.5 + 120 * angle.sin(), 150.5 + 120 * angle.cos()
    ring = star[y.long(), x.long()] > 0.5
    assert (ring != ring.roll(1)).sum() == 24  # twelve black and twelve white
    assert siemens_star(64, spokes=72)[0, 0, 31:33, 31:33].mean().item() == pytest.approx(0.5, abs=0.12)
    assert siemens_star((17, 11)).shape == (1, 1, 17, 11)
    assert 0 < ((star > 0) & (star < 1)).float().mean() < 0.2  # edges are antialiased, areas are not


def test_checkerboard():
    assert checkerboard((2, 3))[0, 0].tolist() == [[0, 1, 0], [1, 0, 1]]
    assert checkerboard((4, 5), cell=2)[0, 0].tolist() == [[0, 0, 1, 1, 0]] * 2 + [[1, 1, 0, 0, 1]] * 2


def test_pixel_art_is_small_colourful_and_flat():
    owl = pixel_art()
    assert owl.shape == (1, 3, 28, 28) and 0 <= owl.min() and owl.max() == 1
    colours = {tuple(pixel) for pixel in owl[0].flatten(1).T.tolist()}
    assert len(colours) == 16
    assert sum(max(colour) - min(colour) > 0.3 for colour in colours) >= 8


def test_text_is_dark_on_white_with_grey_edges_and_grows_finer():
    page = text_picture()
    assert page.shape == (1, 1, 192, 288)
    assert page.max() == 1 and page.min() < 0.1 and 0.7 < page.mean() < 0.97
    grey = ((page > 0.1) & (page < 0.9)).float().mean()
    assert 0.01 < grey < 0.2
    ink = (page[0, 0] < 0.9).any(1).int()  # rows with ink: every line of text is a run
    starts = (ink.diff() == 1).nonzero().flatten()
    ends = (ink.diff() == -1).nonzero().flatten()
    heights = (ends - starts[: len(ends)]).tolist()[:5]
    assert len(starts) >= 6 and heights == sorted(heights, reverse=True)
    assert text_picture("x", (31, 17)).shape == (1, 1, 31, 17)


def test_a_long_word_is_cut_not_lost():
    assert text_picture("incomprehensibilities", (60, 40)).min() < 0.2


def test_sizes_must_be_positive():
    for draw in (zone_plate, siemens_star, checkerboard):
        with pytest.raises(ValueError, match="size must be positive"):
            draw((0, 4))


def test_dead_leaves_are_reached_from_here():
    image = dead_leaves((9, 14), torch.Generator().manual_seed(0), pixel_art())
    assert image.shape == (1, 3, 9, 14)
