"""The basis of every figure: the course's style, input checks, a page laid out in pixels."""

import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager

import matplotlib.pyplot as plt
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from srlib.images import to_uint8
from srlib.resample import resize

# black, orange, sky blue, bluish green, vermilion, blue, reddish purple, yellow (Okabe and Ito 2008)
PALETTE = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7", "#F0E442")
DPI = 120  # so that the tenth of an inch that notebooks add on each side is a whole number of pixels
STYLE = {
    "figure.dpi": DPI,
    "savefig.dpi": "figure",
    "figure.figsize": (7.2, 3.6),
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "axes.facecolor": "white",
    "axes.prop_cycle": cycler(color=[PALETTE[i] for i in (5, 4, 3, 1, 6, 2, 0)]),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.grid": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "legend.frameon": False,
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
    "lines.linewidth": 1.6,
}
LINE = 22  # figure pixels of one line of text


def style() -> AbstractContextManager:
    """The course's figure style as a context, for your own figures: `with style(): figure, axes = plt.subplots()`."""
    return plt.rc_context(STYLE)


def one_picture(image: Tensor) -> Tensor:
    """One picture for display: detached, on the CPU, clamped to [0, 1].

    Shapes: (1, C, H, W), (C, H, W) or (H, W) with C = 1 or 3 -> (C, H, W) float32.
    Raises: TypeError for anything but a float tensor; ValueError for another shape, and for NaN and infinity.
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"a picture must be a tensor, got {type(image).__name__}; convert with srlib.images")
    if not image.is_floating_point():
        raise TypeError(f"a picture must be float in [0, 1], got {image.dtype}; convert with srlib.images")
    shape = tuple(image.shape)
    if image.ndim == 4:
        if shape[0] != 1:
            raise ValueError(f"one picture at a time, got a batch of shape {shape}; choose one: images[0]")
        image = image[0]
    image = image[None] if image.ndim == 2 else image
    if image.ndim != 3 or image.shape[0] not in (1, 3) or image.numel() == 0:
        hint = "; channels come first: image.permute(2, 0, 1)" if shape[2:] in ((1,), (3,)) else ""
        raise ValueError(f"a picture must have the shape (C, H, W) with C = 1 or 3, got {shape}{hint}")
    image = image.detach().cpu().float()
    if not torch.isfinite(image).all():
        raise ValueError(f"the picture of shape {shape} has NaN or infinite values")
    return image.clamp(0, 1)


def region(box: Sequence[float], height: int, width: int) -> tuple[float, float, float, float]:
    """(top, left, height, width) in pixels of a picture, from whole pixels or, as floats, from fractions.

    Raises: ValueError for a box that is empty, not inside the picture, or not four numbers of these kinds.
    """
    if len(box) != 4:
        raise ValueError(f"box must be (top, left, height, width), got {tuple(box)}")
    if not all(isinstance(value, int) for value in box):
        if any(value > 1 for value in box):
            raise ValueError(f"box {tuple(box)}: use whole pixels, or fractions between 0.0 and 1.0")
        box = [value * side for value, side in zip(box, (height, width, height, width), strict=True)]
    top, left, tall, wide = (float(value) for value in box)
    inside = top >= 0 and left >= 0 and top + tall <= height + 1e-6 and left + wide <= width + 1e-6
    if not inside or tall <= 0 or wide <= 0:
        raise ValueError(f"box {(top, left, tall, wide)} is not inside the {height} x {width} picture")
    return top, left, tall, wide


class Page:
    """A figure laid out in pixels, so that each picture pixel covers a whole number of figure pixels."""

    def __init__(self, width: int, height: int, caption: str | None):
        lines = textwrap.wrap(caption, max(20, width // 9)) if caption else []
        self.width, self.height = width, height + LINE * len(lines)
        size = ((self.width + 0.01) / DPI, (self.height + 0.01) / DPI)  # matplotlib rounds sizes down
        self.figure = plt.figure(figsize=size, layout="none")
        # Notebooks crop a figure to its contents, at fractions of a pixel unless something reaches its edges.
        frame = Rectangle((0, 0), 1, 1, fill=False, linewidth=0, transform=self.figure.transFigure)
        self.figure.add_artist(frame)
        self.figure.text(0, 0, "\n".join(lines), verticalalignment="bottom")

    def draw(
        self,
        picture: Tensor,
        corner: tuple[int, int],
        size: tuple[int, int],
        title: str | None,
        view: tuple[float, float, float, float] | None = None,
    ) -> Axes:
        """Draw a picture, or a part of it, at corner (x, y) in size (height, width).

        Args:
            view: the part as (left, top, right, bottom), fractions of the picture.
        """
        if view is None and size[0] < picture.shape[1]:
            picture = resize(picture, size=size).clamp(0, 1)
        (x, y), (tall, wide) = corner, size
        place = (x / self.width, 1 - (y + tall) / self.height, wide / self.width, tall / self.height)
        axes = self.figure.add_axes(place)
        axes.set_axis_off()
        pixels = to_uint8(picture.expand(3, -1, -1)[None])[0].permute(1, 2, 0)  # matplotlib would truncate, not round
        axes.imshow(pixels.numpy(), extent=(0, 1, 1, 0), aspect="auto", interpolation="nearest")
        if view is not None:
            axes.set(xlim=view[0::2], ylim=view[3:0:-2])
        if title:
            axes.set_title(title, pad=5)
        return axes

    def close(self) -> Figure:
        """The finished figure, closed."""
        return closed(self.figure)


def closed(figure: Figure) -> Figure:
    """Draw inside the style, since ticks are made when first drawn, and close, so that notebooks show it only once."""
    figure.draw_without_rendering()
    plt.close(figure)
    return figure
