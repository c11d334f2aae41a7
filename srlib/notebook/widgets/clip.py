"""A clip: frames that play, step and, in two versions, are split by a movable line."""

import json
import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from srlib.images import to_uint8
from srlib.notebook.figure import one_picture
from srlib.notebook.widgets.html import Widget, alt_text, check_bytes, data_uri, escape, figure, img, page_width

_BORDER = 8  # pixels around each frame, since lossy WebP lets neighbours mix at its edge
_BLOCK = 16  # pixels that lossy WebP codes together, so that no block is of two frames
_TALLEST = 4096  # pixels of a strip; the frames that are left stand in another column
_FASTEST = 60  # what screens show in a second
_PLAY = "M3 1v14l11-7z"
_BACK, _FORTH = "M12 1v14L5 8zM2 1h2v14H2z", "M4 1v14l7-7zM12 1h2v14h-2z"

_Frames = Tensor | Sequence[Tensor]


def clip(
    frames: _Frames | Mapping[str, _Frames],
    *,
    fps: float = 8,
    alt: str | None = None,
    caption: str | None = None,
    width: int | None = None,
    webp_quality: int | None = 90,
) -> Widget:
    """Play a clip in a loop, or step through it; a line that mouse, finger or keys move splits two versions of it.

    Buttons, a slider, and keys on the widget: space or k plays and stops, the arrow keys step, Home and End go to the
    first and the last frame, Shift with an arrow key moves the line. Of three or more versions, two are chosen from
    lists. Nothing plays before the reader starts it, whatever the setting for reduced motion; it stops when it leaves
    the window. Without JavaScript, and on paper, there is one frame.

    Args:
        frames: one clip, or name -> clip for versions of it, the first on the left of the line.
        fps: frames in a second, at most 60.
        alt: alternative text, for those who cannot see the pictures; a version's name is put before it.
        width: CSS pixels on a wide page; default a whole multiple of the largest frame's.
        webp_quality: 1 to 100, with loss; None is lossless, several times larger.

    Shapes: a clip (T, C, H, W) or (1, T, C, H, W) with C = 1 or 3, or a list of T pictures, in [0, 1]. Sizes of
        versions may differ by a whole factor: smaller ones are enlarged, with their pixels as squares.
    Raises: TypeError or ValueError for anything but pictures; ValueError for fewer than two frames, frames of several
        sizes, versions that do not match in length or shape, another fps or quality, and more than 8 MB.
    """
    if not 0 < fps <= _FASTEST:
        raise ValueError(f"fps must be more than 0 and at most {_FASTEST}, got {fps}")
    named = isinstance(frames, Mapping)
    clips = {str(name): _pictures(each) for name, each in (frames if named else {"clip": frames}).items()}
    count, (high, wide) = _common(clips)
    strips, sheets = [], []
    for name, pictures in clips.items():
        sheet, rows = _sheet(pictures)
        height, across = pictures[0].shape[1:]
        nearest = "" if (height, across) == (high, wide) else "srlib-nearest"
        picture = img(data_uri(sheet, webp_quality), alt_text(name, (height, across), alt), nearest)
        places = (
            ("left", -_BORDER / across), ("top", -_BORDER / height),
            ("width", sheet.width / across), ("height", sheet.height / height),
        )  # fmt: skip
        style = ";".join(f"{side}:{100 * part:.6g}%" for side, part in places)
        strips.append(f'<div class="srlib-strip" style="{style}">{picture}</div>')
        sheets.append({"size": [across, height], "cell": _cell(height, across)[::-1], "rows": rows})
    check_bytes(sum(map(len, strips)), "clip")
    body = _stage(list(clips) if named else [], strips, count) + _bars(list(clips), count)
    variables = {"split": "50%", "width": f"{width or page_width(high, wide)}px", "aspect": f"{wide} / {high}"}
    data = {"sheets": json.dumps(sheets), "border": _BORDER, "fps": f"{fps:g}", "front": next(iter(clips))}
    text = figure("clip", body, caption, variables, data, ("swipe",))
    versions = f" in {len(clips)} versions" if len(clips) > 1 else ""
    return Widget(text, f"clip of {count} frames{versions}, {high} x {wide} pixels")


def _pictures(frames: _Frames) -> list[Tensor]:
    if isinstance(frames, Tensor) and frames.ndim == 5 and len(frames) == 1:
        frames = frames[0]
    if isinstance(frames, Tensor) and frames.ndim != 4:
        raise ValueError(f"a clip must have the shape (T, C, H, W), got {tuple(frames.shape)}")
    pictures = [one_picture(frame) for frame in frames]
    if len(pictures) < 2:
        raise ValueError(f"a clip needs two frames or more, got {len(pictures)}")
    sizes = sorted({tuple(picture.shape[1:]) for picture in pictures})
    if len(sizes) > 1:
        raise ValueError(f"the frames of a clip must have one size, got (height, width) = {sizes[0]} and {sizes[-1]}")
    return pictures


def _common(clips: dict[str, list[Tensor]]) -> tuple[int, tuple[int, int]]:
    """The number of frames, and the (height, width) of the largest version."""
    if not clips:
        raise ValueError("clip needs at least one version, such as {'bicubic': frames, 'edvr': frames}")
    lengths = {name: len(pictures) for name, pictures in clips.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"versions of a clip must have the same number of frames; {told}")
    sizes = {name: tuple(pictures[0].shape[1:]) for name, pictures in clips.items()}
    high, wide = max(sizes.values(), key=math.prod)
    for name, (height, width) in sizes.items():
        if high % height or wide % width or high // height != wide // width:
            raise ValueError(
                "versions of a clip must have one size, or the largest a whole multiple of the others; "
                f"{name} is {height} x {width}, the largest {high} x {wide}"
            )
    return len(next(iter(clips.values()))), (high, wide)


def _cell(height: int, width: int) -> tuple[int, int]:
    """Height and width of a frame with its border, in whole blocks."""
    return tuple(math.ceil((side + 2 * _BORDER) / _BLOCK) * _BLOCK for side in (height, width))


def _sheet(pictures: list[Tensor]) -> tuple[Image.Image, int]:
    """All frames in one picture, each with a border of its own edge: the picture, and its rows. Columns fill first."""
    height, width = pictures[0].shape[1:]
    tall, wide = _cell(height, width)
    rows = min(len(pictures), max(1, _TALLEST // tall))
    padding = (_BORDER, wide - width - _BORDER, _BORDER, tall - height - _BORDER)
    cells = [F.pad(picture.expand(3, -1, -1)[None], padding, mode="replicate") for picture in pictures]
    cells += cells[-1:] * (-len(cells) % rows)
    columns = [torch.cat(cells[start : start + rows], 2) for start in range(0, len(cells), rows)]
    return Image.fromarray(to_uint8(torch.cat(columns, 3))[0].permute(1, 2, 0).numpy()), rows


def _stage(names: list[str], strips: list[str], count: int) -> str:
    words = f"Clip of {count} frames: space plays and stops, arrow keys step"
    labels = [f'<span class="srlib-name" aria-hidden="true">{escape(name)}</span>' for name in names[:2]] or [""]
    front = f'<div class="srlib-layer srlib-front">{strips[0]}{labels[0]}</div>'
    if len(strips) == 1:
        return f'<div class="srlib-stage srlib-single" tabindex="0" role="group" aria-label="{words}">{front}</div>'
    return (
        f'<div class="srlib-stage srlib-swipe" tabindex="0" role="group" '
        f'aria-label="{words}, with Shift they move the line">'
        f'<div class="srlib-layer srlib-back">{"".join(reversed(strips[1:]))}{labels[1]}</div>{front}'
        '<div class="srlib-line" aria-hidden="true"><span class="srlib-grip">↔</span></div></div>'
    )


def _bars(names: list[str], count: int) -> str:
    def button(name: str, path: str) -> str:
        icon = f'<svg viewBox="0 0 16 16" aria-hidden="true"><path d="{path}"/></svg>'
        return f'<button type="button" aria-label="{name}">{icon}</button>'

    def choice(side: str, chosen: int) -> str:
        options = "".join(
            f'<option value="{i}"{" selected" if i == chosen else ""}>{escape(name)}</option>'
            for i, name in enumerate(names)
        )
        return f'<select aria-label="{side} of the line">{options}</select>'

    bars = (
        f'<div class="srlib-bar">{button("Previous frame", _BACK)}{button("Play", _PLAY)}{button("Next frame", _FORTH)}'
        f'<input class="srlib-frame" type="range" min="1" max="{count}" step="1" value="1" aria-label="Frame" '
        f'aria-valuetext="1 of {count}"><output aria-live="polite">frame 1 of {count}</output></div>'
    )
    hint = "Space plays and stops, the arrow keys step."
    if len(names) > 1:
        split = (
            '<input class="srlib-split" type="range" min="0" max="100" step="0.5" value="50" '
            f'aria-label="Share of {escape(names[0])} in percent">'
        )
        left, right = (choice("Left", 0), choice("Right", 1)) if len(names) > 2 else ("Line", "")
        bars += f'<div class="srlib-bar">{left}{split}{right}</div>'
        hint += " Drag the line, use its slider, or Shift with the arrow keys."
    return f'{bars}<p class="srlib-hint">{hint}</p>'
