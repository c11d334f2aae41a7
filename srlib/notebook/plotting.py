"""Faithful figures: pictures at whole pixels, the same region of each, spectra on one scale, source code.

Every function returns a matplotlib `Figure` that is already closed. As the last line of a cell it is shown once;
elsewhere use `display(figure)` or `figure.savefig(...)`.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from srlib.frequency import log_spectrum
from srlib.images import grey
from srlib.notebook.figure import DPI, LINE, PALETTE, STYLE, Page, closed, one_picture, region, style
from srlib.notebook.source import show_source

__all__ = ["PALETTE", "STYLE", "crops", "show", "show_source", "spectra", "style"]

_WIDTH = 880  # figure pixels; the book's column has 624 CSS pixels
_CELL = 440  # figure pixels; a small picture is enlarged to this size at most
_GAP = 14
_RANGE = 80  # decibels from the strongest frequency to the darkest colour
_TICKS = (-0.5, 0, 0.5)


def show(
    *images: Tensor,
    titles: Sequence[str] | None = None,
    caption: str | None = None,
    columns: int | None = None,
    pixels: int | None = None,
) -> Figure:
    """Pictures side by side, without interpolation that would hide their pixels.

    The largest picture is enlarged by a whole factor or, if it is too wide for the page, shrunk with antialiased
    bicubic. The others get the same size on the page, enlarged by nearest neighbour.

    Args:
        caption: a line under the figure.
        columns: pictures per row; default up to 4.
        pixels: figure pixels per pixel of the largest picture; default what fits the page.

    Shapes: each (1, C, H, W), (C, H, W) or (H, W) in [0, 1].
    Raises: TypeError or ValueError for anything but pictures; ValueError for no pictures, a different number of titles,
        and columns or pixels below 1.
    """
    pictures = [one_picture(image) for image in images]
    if not pictures:
        raise ValueError("show needs at least one picture")
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"show got {len(pictures)} pictures but {len(titles)} titles")
    for name, value in (("pixels", pixels), ("columns", columns)):
        if value is not None and (value < 1 or value != int(value)):
            raise ValueError(f"{name} must be a whole number from 1, got {value}")
    columns = min(columns or math.ceil(len(pictures) / math.ceil(len(pictures) / 4)), len(pictures))
    height, width = _largest(pictures).shape[1:]
    room = (_WIDTH - _GAP * (columns - 1)) // columns
    narrow = min(picture.shape[2] for picture in pictures)
    if width > room >= narrow and width % narrow == 0:
        room = round(room / narrow) * narrow  # so that a low-resolution picture has equal pixels too
    factor = pixels or min(room, _CELL) // max(width, height) or min(1, room / width)
    cell = max(1, round(width * factor)), max(1, round(height * factor))
    names = [textwrap.fill(title, max(8, cell[0] // 9)) for title in titles or []]
    above = LINE * max((name.count("\n") + 1 for name in names), default=0)
    rows = math.ceil(len(pictures) / columns)
    with style():
        page = Page(columns * (cell[0] + _GAP) - _GAP, rows * (cell[1] + above + _GAP) - _GAP, caption)
        for number, picture in enumerate(pictures):
            left = number % columns * (cell[0] + _GAP)
            top = number // columns * (cell[1] + above + _GAP) + above
            fit = min(cell[0] / picture.shape[2], cell[1] / picture.shape[1])
            size = max(1, round(picture.shape[1] * fit)), max(1, round(picture.shape[2] * fit))
            corner = left + (cell[0] - size[1]) // 2, top + (cell[1] - size[0]) // 2
            page.draw(picture, corner, size, names[number] if names else None)
        return page.close()


def crops(
    images: Mapping[str, Tensor],
    box: Sequence[float],
    *,
    caption: str | None = None,
    columns: int | None = None,
    zoom: int | None = None,
) -> Figure:
    """The largest picture (the last of equals) with a box on it, and the crop at the box from every picture.

    Pictures of different sizes show the same region of the scene, each with its pixels as squares.

    Args:
        images: name -> picture.
        box: (top, left, height, width), whole pixels of the largest picture, or fractions of it as floats.
        columns: crops per row; default one row up to three, then two rows.
        zoom: figure pixels per pixel of the largest picture; default what fits the page.

    Raises: TypeError or ValueError for anything but a dict of pictures; ValueError for a box that is not inside the
        picture, and a zoom below 1.
    """
    pictures = _named(images, "crops")
    whole = _largest(pictures.values())
    title = next(name for name, picture in pictures.items() if picture is whole)
    height, width = whole.shape[1:]
    top, left, tall, wide = region(box, height, width)
    columns = columns or (len(pictures) if len(pictures) <= 3 else math.ceil(len(pictures) / 2))
    rows = math.ceil(len(pictures) / columns)
    if zoom is not None and zoom < 1:
        raise ValueError(f"zoom must be a whole number from 1, got {zoom}")

    def layout(factor: int) -> tuple[int, int, int, int]:
        cell = round(wide * factor), round(tall * factor)
        full = rows * (cell[1] + LINE + _GAP) - _GAP - LINE
        return *cell, full, round(width * full / height)

    factor = zoom or 1
    while zoom is None and (size := layout(factor + 1)) and size[3] + columns * (size[0] + _GAP) <= _WIDTH:
        factor += 1
    across, down, full, side = layout(factor)
    view = left / width, top / height, (left + wide) / width, (top + tall) / height
    with style():
        page = Page(side + columns * (across + _GAP), full + LINE, caption)
        axes = page.draw(whole, (0, LINE), (full, side), _short(title, side))
        corner, size = (left / width, top / height), (wide / width, tall / height)
        for line, colour in ((3.2, "black"), (1.6, "white")):
            axes.add_patch(Rectangle(corner, *size, fill=False, linewidth=line, edgecolor=colour))
        for number, (name, picture) in enumerate(pictures.items()):
            corner = (
                side + _GAP + number % columns * (across + _GAP),
                LINE + number // columns * (down + LINE + _GAP),
            )
            page.draw(picture, corner, (down, across), _short(name, across), view)
        return page.close()


def spectra(images: Mapping[str, Tensor], *, caption: str | None = None, columns: int | None = None) -> Figure:
    """Log-magnitude spectra side by side on one colour scale, zero frequency in the middle.

    Args:
        images: name -> picture; colour pictures are converted to luma.
        columns: spectra per row; default up to 3, or two by two for four.

    Raises: TypeError or ValueError for anything but a dict of pictures.
    """
    pictures = _named(images, "spectra")
    values = {name: log_spectrum(grey(picture[None]))[0, 0] for name, picture in pictures.items()}
    high = max(float(value.max()) for value in values.values())
    columns = columns or {4: 2}.get(len(values), min(3, len(values)))
    rows = math.ceil(len(values) / columns)
    with style():
        scale = {"vmin": high - _RANGE, "vmax": high, "cmap": plt.get_cmap("viridis", _RANGE // 2)}
        inches = min(2.8, (_WIDTH / DPI - 0.9) / columns)
        size = inches * columns + 0.9, inches * rows
        figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False)
        for axes in grid.flat[len(values) :]:
            axes.set_axis_off()
        for axes, (name, value) in zip(grid.flat, values.items(), strict=False):
            (left, right), (top, bottom) = _edges(value.shape[1]), _edges(value.shape[0])
            extent = (left, right, bottom, top)
            shown = axes.imshow(value.numpy(), **scale, extent=extent, interpolation="auto", interpolation_stage="data")
            axes.set(title=name, xlabel="cycles per pixel across", xticks=_TICKS, yticks=_TICKS)
        for axes in grid[:, 0]:
            axes.set_ylabel("cycles per pixel down")
        figure.colorbar(shown, ax=grid, label="power in decibels", shrink=0.8)
        if caption:
            figure.supxlabel(textwrap.fill(caption, 110), fontsize="medium")
        return closed(figure)


def _named(images: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    if not isinstance(images, Mapping) or not images:
        raise ValueError(f"{name} needs a dict of pictures, such as {{'bicubic': sr, 'original': hr}}")
    return {str(key): one_picture(image) for key, image in images.items()}


def _largest(pictures: Iterable[Tensor]) -> Tensor:
    """The largest picture; of equals the last, since originals are listed last."""
    return max(reversed(list(pictures)), key=lambda picture: picture.shape[1] * picture.shape[2])


def _short(title: str, width: int) -> str:
    return textwrap.shorten(title, max(8, width // 9), placeholder="…")


def _edges(n: int) -> tuple[float, float]:
    """The outer edges of a centred spectrum of n samples, in cycles per pixel."""
    first = -(n // 2) / n - 0.5 / n
    return first, first + 1
