"""Watching a network learn: a notebook figure that is redrawn while `train` runs."""

import math
import time

import matplotlib.pyplot as plt
import torch
from IPython import get_ipython
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from torch import Tensor, nn

from srlib.metrics import PAPER
from srlib.notebook.figure import PALETTE, closed, style
from srlib.resample import resize


class Watch:
    """A live figure of a training run: the loss, the PSNR, and one picture getting sharper.

    `with Watch(net, hr) as watch: train(…, log=watch)`. The last figure stays on the page when the block ends. The
    scores are those of the current weights on this picture: Y (BT.601 studio), border = scale, 8-bit. Outside a
    notebook nothing is drawn, but `rows` and `scores` are kept.

    Args:
        net: the network in training.
        seconds: the least time between two drawings.

    Shapes: hr (1, net.channels, H, W), sides divisible by the scale.
    Raises: ValueError for sides that the scale does not divide.
    """

    def __init__(self, net: nn.Module, hr: Tensor, *, seconds: float = 2.0):
        if hr.shape[-2] % net.scale or hr.shape[-1] % net.scale:
            raise ValueError(f"hr must have sides divisible by {net.scale}, got {hr.shape[-2]} x {hr.shape[-1]}")
        self.net, self.hr, self.seconds = net, hr, seconds
        self.lr = resize(hr, 1 / net.scale)
        self.plain = resize(self.lr, net.scale)
        self.floor = float(PAPER.psnr(self.plain, hr, net.scale))
        self.rows: list[dict[str, float]] = []
        self.scores: list[tuple[float, float]] = []
        self._drawn = -math.inf
        self._place = None

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *error: object) -> None:
        if self.rows and (not self.scores or self.scores[-1][0] != self.rows[-1]["step"]):
            self._draw()

    def __call__(self, row: dict[str, float]) -> None:
        """Add one row of the log."""
        self.rows.append(row)
        if time.monotonic() - self._drawn >= self.seconds:
            self._draw()

    def _draw(self) -> None:
        sr = self._enlarged()
        self.scores.append((self.rows[-1]["step"], float(PAPER.psnr(sr, self.hr, self.net.scale))))
        if self._place is not None:
            self._place.update(self._figure(sr))
        elif get_ipython() is not None:
            self._place = display(self._figure(sr), display_id=True)
        self._drawn = time.monotonic()

    @torch.no_grad()
    def _enlarged(self) -> Tensor:
        training = self.net.training
        device = next(self.net.parameters()).device
        try:
            return self.net.eval()(self.lr.to(device)).cpu()
        finally:
            self.net.train(training)

    def _figure(self, sr: Tensor) -> Figure:
        steps, losses = [row["step"] for row in self.rows], [row["loss"] for row in self.rows]
        with style():
            figure = plt.figure(figsize=(8.8, 5.4))
            grid = figure.add_gridspec(2, 6, height_ratios=[2, 3])
            left, right = (figure.add_subplot(grid[0, place : place + 3]) for place in (0, 3))
            left.plot(steps, losses, color=PALETTE[5])
            left.set(xlabel="step", ylabel="loss", yscale="log")
            if (fall := max(losses) / max(min(losses), 1e-9)) < 50:  # too few powers of ten: use round numbers instead
                left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if fall > 4 else MaxNLocator(4))
                left.yaxis.set_major_formatter("{x:g}")
            left.yaxis.set_minor_formatter(NullFormatter())
            right.plot(
                *zip(*self.scores, strict=True), marker=".", color=PALETTE[4], label=f"now {self.scores[-1][1]:.2f}"
            )
            right.axhline(self.floor, color="0.5", linestyle="--", label=f"bicubic {self.floor:.2f}")
            right.set(xlabel="step", ylabel="PSNR (dB)")
            right.legend()
            axes = [figure.add_subplot(grid[1, place : place + 2]) for place in (0, 2, 4)]
            names = ("bicubic", f"step {steps[-1]}", "the original")
            for place, picture, name in zip(axes, (self.plain, sr, self.hr), names, strict=True):
                shown = picture[0].clamp(0, 1).movedim(0, -1).squeeze(-1)
                place.imshow(shown.numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
                place.set_title(name)
                place.axis("off")
        return closed(figure)
