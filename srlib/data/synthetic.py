"""Synthetic pictures: test charts, a sprite, a page of text; also the dead leaves of `srlib.data.dead_leaves`."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from srlib import images
from srlib.data.dead_leaves import DeadLeaves, dead_leaves

__all__ = [
    "DeadLeaves",
    "checkerboard",
    "dead_leaves",
    "pixel_art",
    "siemens_star",
    "text_picture",
    "zone_plate",
]

_PALETTE = """
.1b2a4e :243a6b *fff4c2 of6d55c Yfbe9a0 k20140f B7a4a2b ba9693b ld79a5b cf3dcb0 wffffff ee2912a rc8413a
g3d7a45 G6cb257 t5a3d2b
"""
_OWL = """
............................
..*......................oo.
......................*.oYYo
.........*..............oYYo
......kk........kk.......oo.
......kBk......kBk..........
......kBBkkkkkkBBk....*.....
......kBbBBBBBBbBk..........
.....kBbbbbBBbbbbBk.........
.:...kbcccbbbbcccbk.........
.....kcwwwcbbcwwwck.....:...
.....kcwkwceecwkwck.........
.....kbcwcceeccwcbk..*......
...*.kBbccbrrbccbBk.........
....kBBbbccccccbbBBk........
....kBBbclclclclbBBk........
....kBBblclclclcbBBk.....*..
....kBBbclclclclbBBk........
:...kBBblclclclcbBBk........
.....kBBblclclcbBBk....gg...
.....kBBbclclclbBBk...gGGg..
......kBBbclclbBBk...gGGGg..
.tttttekekBBBBkekettttttg...
ttttteeteekBBkeeteetttttttt.
.tttt....kBbbBk.....ttttttt.
..gg.....kBbbBk.........gg..
.gGGg....kBBBBk........gGGg.
..gGGg....kkkk........gGGg..
"""


def zone_plate(size: int | tuple[int, int], top: float = 0.5) -> Tensor:
    """Rings that get finer outwards, (1 + cos(π k r²)) / 2: k·r cycles per pixel at radius r.

    Args:
        size: pixels, one number or (height, width).
        top: frequency where r is half the longer side. At 0.5, Nyquist, the picture has every frequency that its grid
            can carry and none above.

    Shapes: -> (1, 1, H, W) in [0, 1].
    Raises: ValueError for a size below 1.
    """
    height, width = _size(size)
    y, x = _centred(height, width, 1)
    k = 2 * top / max(height, width)
    return (0.5 + 0.5 * torch.cos(torch.pi * k * (x * x + y * y))).float()[None, None]


def siemens_star(size: int | tuple[int, int], spokes: int = 36) -> Tensor:
    """Black and white spokes that meet in the centre, antialiased: spokes / (2πr) cycles per pixel at radius r.

    Shapes: -> (1, 1, H, W) in [0, 1].
    Raises: ValueError for a size below 1.
    """
    height, width = _size(size)
    factor = 8
    y, x = _centred(height, width, factor)
    fine = (torch.cos(spokes * torch.atan2(y, x)) > 0).float()
    return torch.nn.functional.avg_pool2d(fine[None, None], factor)


def checkerboard(size: int | tuple[int, int], cell: int = 1) -> Tensor:
    """Squares of `cell` pixels, alternating 0 and 1, with 0 at the top left.

    Shapes: -> (1, 1, H, W).
    Raises: ValueError for a size below 1.
    """
    height, width = _size(size)
    y, x = torch.arange(height)[:, None] // cell, torch.arange(width) // cell
    return ((y + x) % 2).float()[None, None]


def pixel_art() -> Tensor:
    """An owl on a branch, 28 × 28 pixels in 16 colours, to be enlarged.

    Shapes: -> (1, 3, 28, 28) in [0, 1].
    """
    colours = {entry[0]: list(bytes.fromhex(entry[1:])) for entry in _PALETTE.split()}
    return images.from_uint8(np.array([[colours[key] for key in row] for row in _OWL.split()], dtype=np.uint8))


def text_picture(
    text: str = "Sphinx of black quartz, judge my vow", size: int | tuple[int, int] = (192, 288)
) -> Tensor:
    """The same words in shrinking letters, as on an eye chart, in Pillow's default font; long lines are cut.

    Shapes: -> (1, 1, H, W) in [0, 1].
    Raises: ValueError for a size below 1.
    """
    height, width = _size(size)
    page = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(page)
    y, letter = 4.0, height / 6
    while letter >= 6 and y < height:
        font, words = ImageFont.load_default(letter), text.split()
        while len(words) > 1 and draw.textlength(" ".join(words), font) > width - 12:
            words.pop()
        draw.text((6, y), " ".join(words), fill=16, font=font)
        y, letter = y + 1.25 * letter, letter * 0.8
    return images.from_uint8(np.array(page))


def _centred(height: int, width: int, factor: int) -> tuple[Tensor, Tensor]:
    """Distances (y, x) in pixels from the centre of the picture, on a grid `factor` times finer."""
    y = (torch.arange(height * factor, dtype=torch.float64) + 0.5) / factor - height / 2
    x = (torch.arange(width * factor, dtype=torch.float64) + 0.5) / factor - width / 2
    return y[:, None], x


def _size(size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ValueError(f"size must be positive, got {size}")
    return height, width
