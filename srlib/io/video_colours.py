"""What the planes of a video frame mean: Y'CbCr by the file's own matrix, range and depth, and back; no FFmpeg.

FFmpeg's scaler takes BT.601 unless it is told otherwise, so matrices are applied here, and it only unpacks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Kr and Kb of Y' = Kr·R + (1 − Kr − Kb)·G + Kb·B, by the number of a matrix in ITU-T H.273, table 4.
MATRICES = {
    1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}  # fmt: skip
RGB, BT709, UNTOLD, BT601 = 0, 1, 2, 6
LIMITED, FULL = 1, 2  # FFmpeg's numbers of ranges
SD = (1279, 576)  # largest width and height of what is BT.601 where a file says nothing, as mpv takes it
SAMPLINGS = {(0, 0): "444", (1, 0): "422", (1, 1): "420", (2, 0): "411", (2, 2): "410", (0, 1): "440"}
_PLANAR = re.compile(r"yuv[aj]?4\d\dp(\d+le)?")


@dataclass(frozen=True)
class Colours:
    """How numbers become R'G'B'.

    Args:
        matrix: number in `MATRICES`, or `RGB` for frames that are stored so.
        full: whether black to white are all numbers, or 16 to 235 in units of 8 bits.
        bits: of a number.
        primaries, transfer: H.273's numbers, which pixels are not converted by; `UNTOLD` for none.
    """

    matrix: int
    full: bool
    bits: int
    primaries: int = UNTOLD
    transfer: int = UNTOLD

    @property
    def levels(self) -> tuple[float, float, float, float]:
        """Black, the span from it to white, no colour, and the span of chroma."""
        unit, top = 2.0 ** (self.bits - 8), 2.0**self.bits - 1
        return (0, top, 128 * unit, top) if self.full else (16 * unit, 219 * unit, 128 * unit, 224 * unit)

    def to_rgb(self, y: Tensor, cb: Tensor, cr: Tensor) -> Tensor:
        """Numbers of Y', Cb and Cr at full size (H, W) -> RGB (1, 3, H, W), clamped to [0, 1]."""
        black, span, middle, chroma = self.levels
        kr, kb = MATRICES[self.matrix]
        y = (y - black) / span
        red = y + (cr - middle) * (2 * (1 - kr) / chroma)
        blue = y + (cb - middle) * (2 * (1 - kb) / chroma)
        green = (y - kr * red - kb * blue) / (1 - kr - kb)
        return torch.stack([red, green, blue])[None].clamp_(0, 1)

    def from_rgb(self, image: Tensor) -> list[Tensor]:
        """RGB (1, 3, H, W), or grey (1, 1, H, W) -> Y', Cb, Cr (H, W) as numbers that are not rounded; of grey, Y'."""
        black, span, middle, chroma = self.levels
        image = image[0].clamp(0, 1)
        if len(image) == 1:
            return [black + span * image[0]]
        kr, kb = MATRICES[self.matrix]
        red, green, blue = image
        y = kr * red + (1 - kr - kb) * green + kb * blue
        cb, cr = (blue - y) * (chroma / (2 * (1 - kb))), (red - y) * (chroma / (2 * (1 - kr)))
        return [black + span * y, middle + cb, middle + cr]


def colours_of(frame: Any) -> Colours:
    """What a decoded frame says of its colours, and where it says nothing, what players take.

    BT.601 up to 1279 x 576 pixels and BT.709 above; 16 to 235, but 0 to 255 in JPEG's formats, in grey and in RGB.

    Raises: ValueError for a matrix that is none, such as ICtCp's.
    """
    name, matrix = frame.format.name, int(frame.colorspace)
    bits = max(8, *(part.bits for part in frame.format.components))
    told = int(frame.color_primaries), int(frame.color_trc)
    if is_rgb(frame.format):
        return Colours(RGB, True, bits, *told)
    if matrix in (UNTOLD, RGB) or is_grey(frame.format):  # grey has no use for one, but its enlargement is given one
        small = frame.width <= SD[0] and frame.height <= SD[1]
        matrix = matrix if matrix in MATRICES else BT601 if small else BT709
    if matrix not in MATRICES:
        raise ValueError(f"colours by matrix {matrix} of ITU-T H.273 cannot be read; convert it to BT.709 first")
    untold_full = name.startswith("yuvj") or is_grey(frame.format)
    full = int(frame.color_range) == FULL or (untold_full and int(frame.color_range) != LIMITED)
    return Colours(matrix, full, bits, *told)


def is_rgb(layout: Any) -> bool:
    """Whether a format stores red, green and blue, or a palette of them."""
    return layout.is_rgb or layout.has_palette


def is_grey(layout: Any) -> bool:
    """Whether a format stores brightness alone."""
    return not is_rgb(layout) and sum(not part.is_alpha for part in layout.components) == 1


def sampling(layout: Any) -> str:
    """How much chroma a format has: "420", "422", "444", ...; of RGB "444", of grey "420"."""
    if is_rgb(layout):
        return "444"
    return "420" if is_grey(layout) else SAMPLINGS[_halvings(layout)]


def _halvings(layout: Any) -> tuple[int, int]:
    """How often the width and the height of chroma are half of luma's."""
    whole = 1 << 8
    return tuple((whole // side(whole)).bit_length() - 1 for side in (layout.chroma_width, layout.chroma_height))


def to_image(frame: Any, colours: Colours) -> Tensor:
    """A decoded frame as RGB (1, 3, H, W) in [0, 1], or (1, 1, H, W) where no pixel has a colour.

    Chroma lies on every second column and between rows, as in MPEG-2 and H.264; it is interpolated linearly.
    """
    layout = frame.format
    if colours.matrix == RGB:
        deep = colours.bits > 8
        packed = frame.reformat(format="rgb48le" if deep else "rgb24", threads=1)
        rows = _plane(packed, 0, 3, np.uint16 if deep else np.uint8)
        return torch.from_numpy(rows).permute(2, 0, 1)[None].div_(65535 if deep else 255)
    kind = np.uint8 if colours.bits <= 8 else np.uint16
    black, span, middle, _ = colours.levels
    if is_grey(layout):
        name = "gray" if colours.bits <= 8 else f"gray{colours.bits}le"
        planes = [_plane(_unpacked(frame, name, colours), 0, 1, kind)[..., 0]]
    else:
        name = f"yuv{sampling(layout)}p{'' if colours.bits <= 8 else f'{colours.bits}le'}"
        plain = frame if _PLANAR.fullmatch(layout.name) else _unpacked(frame, name, colours)
        planes = [_plane(plain, k, 1, kind)[..., 0] for k in range(3)]
    y, *chroma = (torch.from_numpy(plane) for plane in planes)
    if all(bool((plane == middle).all()) for plane in chroma):
        return ((y - black) / span).clamp_(0, 1)[None, None]
    return colours.to_rgb(y, *(_whole(plane, y.shape) for plane in chroma))


def _unpacked(frame: Any, name: str, colours: Colours) -> Any:
    """The frame with its numbers in one plane each; none of them changes."""
    if frame.format.name == name:
        return frame
    same = FULL if colours.full else LIMITED
    # in several threads, FFmpeg gets rows of p010 wrong where two of them meet, now and then
    return frame.reformat(format=name, src_color_range=same, dst_color_range=same, threads=1)


def _plane(frame: Any, index: int, channels: int, kind: type) -> np.ndarray:
    """One plane as (rows, columns, channels) float32."""
    plane = frame.planes[index]
    rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
    return rows[:, : plane.width * channels].reshape(plane.height, plane.width, channels).astype(np.float32)


def _whole(chroma: Tensor, size: Sequence[int]) -> Tensor:
    """A plane of chroma at the size (height, width) of luma."""
    while chroma.shape[0] < size[0]:  # between the rows: 3/4 and 1/4 of the two nearest
        above, below = torch.cat([chroma[:1], chroma[:-1]]), torch.cat([chroma[1:], chroma[-1:]])
        chroma = torch.stack([0.75 * chroma + 0.25 * above, 0.75 * chroma + 0.25 * below], 1).flatten(0, 1)
    while chroma.shape[1] < size[1]:  # on the even columns
        right = torch.cat([chroma[:, 1:], chroma[:, -1:]], 1)
        chroma = torch.stack([chroma, (chroma + right) / 2], 2).flatten(1, 2)
    return chroma[: size[0], : size[1]]


def _halved(chroma: Tensor, down: bool, across: bool) -> Tensor:
    """Means of two rows; 1/4, 1/2, 1/4 around every even column."""
    if down:
        chroma = torch.cat([chroma, chroma[-1:]]) if len(chroma) % 2 else chroma
        chroma = (chroma[::2] + chroma[1::2]) / 2
    if across:
        left, right = torch.cat([chroma[:, :1], chroma[:, :-1]], 1), torch.cat([chroma[:, 1:], chroma[:, -1:]], 1)
        chroma = (chroma / 2 + (left + right) / 4)[:, ::2]
    return chroma


def fill(frame: Any, image: Tensor, colours: Colours) -> None:
    """Write RGB (1, 3, H, W) or grey (1, 1, H, W) into an empty planar frame of as many bits as `colours` has.

    Raises: ValueError for an image of another size than the frame's.
    """
    if tuple(image.shape[-2:]) != (frame.height, frame.width):
        raise ValueError(f"expected {frame.width} x {frame.height} pixels, got shape {tuple(image.shape)}")
    kind, (_, _, middle, _) = np.uint8 if colours.bits <= 8 else np.uint16, colours.levels
    found: list[Tensor | float] = [*colours.from_rgb(image)]
    found += [middle] * (3 - len(found))
    across, down = _halvings(frame.format)
    for index, (plane, numbers) in enumerate(zip(frame.planes, found, strict=True)):
        rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
        if isinstance(numbers, Tensor):
            numbers = _halved(numbers, down > 0, across > 0) if index else numbers
            numbers = numbers.round().clamp_(0, 2**colours.bits - 1).numpy()
        rows[:, : plane.width] = numbers
