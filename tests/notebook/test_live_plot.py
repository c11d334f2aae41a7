"""The figure that follows a training: its scores are those of the metrics, and the network is left as it was."""

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from srlib.metrics import PAPER, evaluate
from srlib.models.fcn import ESPCN, VDSR
from srlib.models.interpolators import bicubic
from srlib.notebook import live_plot
from srlib.notebook.live_plot import Watch


def row(step: int, loss: float = 0.1) -> dict[str, float]:
    return {"step": step, "seconds": float(step), "loss": loss}


def picture(channels: int = 1, height: int = 36, width: int = 44) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.avg_pool2d(torch.rand(1, channels, height + 4, width + 4, generator=rng), 5, 1)
    return (smooth * 255).round() / 255  # as from a file


class Place:
    """What IPython hands out for an output that can be replaced."""

    def __init__(self):
        self.figures = []

    def update(self, figure):
        self.figures.append(figure)


@pytest.fixture
def notebook(monkeypatch):
    place, shown = Place(), []
    monkeypatch.setattr(live_plot, "get_ipython", object)
    monkeypatch.setattr(live_plot, "display", lambda figure, display_id: (shown.append(figure), place)[1])
    return shown, place.figures


@pytest.mark.parametrize("scale", [2, 4])
def test_the_floor_is_bicubic_interpolation(scale):
    hr = picture()
    watch = Watch(ESPCN(scale=scale, width=4), hr)
    assert watch.floor == pytest.approx(evaluate(bicubic(scale), [("hr", hr)], PAPER).psnr, abs=1e-5)
    torch.testing.assert_close(watch.plain, bicubic(scale)(watch.lr))


def test_a_network_that_is_bicubic_scores_the_floor():
    net = VDSR(scale=2, width=4, depth=2)  # its last layer starts at zero
    with Watch(net, picture()) as watch:
        watch(row(1))
    assert watch.scores == [(1, pytest.approx(watch.floor))]


@pytest.mark.parametrize("training", [True, False])
def test_the_training_mode_is_restored(training):
    net = nn.Sequential(ESPCN(scale=2, width=4), nn.Dropout(0.5))
    net.scale = 2
    net.train(training)
    with Watch(net, picture(), seconds=0) as watch:
        watch(row(1))
        assert net.training is training and net[1].training is training
        watch(row(2))
    assert watch.scores[0][1] == watch.scores[1][1]  # drawn without dropout


def test_a_network_that_fails_is_still_restored():
    class Broken(nn.Module):
        scale = 2

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, lr):
            raise RuntimeError("no")

    net = Broken().train()
    with pytest.raises(RuntimeError, match="no"):
        Watch(net, picture())(row(1))
    assert net.training


def test_the_figure_shows_loss_score_and_pictures(notebook):
    shown, later = notebook
    with Watch(ESPCN(scale=2, width=4), picture(), seconds=0) as watch:
        watch(row(10, 0.5))
        watch(row(20, 0.25))
    assert len(shown) == len(later) == 1  # one place on the page, drawn again; the end stands there already
    loss, score, before, now, after = later[-1].axes
    assert list(loss.lines[0].get_xdata()) == [10, 20] and list(loss.lines[0].get_ydata()) == [0.5, 0.25]
    assert (loss.get_xlabel(), loss.get_ylabel(), loss.get_yscale()) == ("step", "loss", "log")
    assert score.get_ylabel() == "PSNR (dB)" and list(score.lines[0].get_xdata()) == [10, 20]
    assert list(score.lines[1].get_ydata()) == [watch.floor] * 2  # the dashed line
    said = [text.get_text() for text in score.get_legend().get_texts()]
    assert said == [f"now {watch.scores[-1][1]:.2f}", f"bicubic {watch.floor:.2f}"]
    assert [axes.get_title() for axes in (before, now, after)] == ["bicubic", "step 20", "the original"]
    assert all(axes.images[0].get_array().shape == (36, 44) for axes in (before, now, after))


@pytest.mark.parametrize("losses", [(0.036, 0.026), (0.26, 0.02), (0.5, 0.001), (0.1, 0.0)])
def test_the_loss_has_numbers_whatever_its_range(notebook, losses):
    shown, later = notebook
    with Watch(ESPCN(scale=2, width=4), picture(), seconds=0) as watch:
        for step, value in enumerate(losses, 1):
            watch(row(step, value))
    later[-1].draw_without_rendering()
    axis = later[-1].axes[0].yaxis
    low, high = sorted(axis.get_view_interval())
    said = [
        tick for tick in axis.get_ticklabels(which="both") if tick.get_text() and low <= tick.get_position()[1] <= high
    ]
    assert 2 <= len(said) <= 7


def test_drawing_waits(notebook):
    shown, later = notebook
    with Watch(ESPCN(scale=2, width=4), picture(), seconds=1000) as watch:
        for step in (1, 2, 3):
            watch(row(step))
        assert len(shown) == 1 and later == []
    assert len(later) == 1  # in the same place; the end is drawn in any case
    assert [step for step, _ in watch.scores] == [1, 3] and [r["step"] for r in watch.rows] == [1, 2, 3]


def test_colour(notebook):
    shown, _ = notebook
    with Watch(ESPCN(scale=2, channels=3, width=4), picture(3)) as watch:
        watch(row(1))
    assert shown[0].axes[-1].images[0].get_array().shape == (36, 44, 3)


def test_outside_a_notebook_nothing_is_shown_and_no_figure_stays_open():
    with Watch(ESPCN(scale=2, width=4), picture(), seconds=0) as watch:
        watch(row(1))
        watch(row(2))
    assert len(watch.scores) == 2 and plt.get_fignums() == []


def test_a_block_without_a_row_draws_nothing(notebook):
    with Watch(ESPCN(scale=2, width=4), picture()) as watch:
        pass
    assert watch.scores == [] and notebook == ([], [])


def test_the_random_numbers_of_the_training_are_left_alone():
    torch.manual_seed(5)
    with Watch(ESPCN(scale=2, width=4), picture()) as watch:
        before = torch.get_rng_state()
        watch(row(1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("height", [35, 37])
def test_a_side_that_the_scale_does_not_divide_is_an_error(height):
    with pytest.raises(ValueError, match=f"{height} x 44"):
        Watch(ESPCN(scale=2, width=4), picture(height=height))
