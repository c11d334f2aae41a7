"""Pictures a reader can move: on the built page, in JupyterLab, Colab and Binder, with a kernel or without.

Everything is one piece of HTML with the pictures inside. Only `explore` gives more where a kernel runs.
"""

import json
import math
from collections.abc import Mapping, Sequence

from torch import Tensor

from srlib.page import one_picture, region
from srlib.resample import resize
from srlib.widget_explore import explore
from srlib.widget_html import Widget, check_bytes, escape, figure, frame, img, page_width

__all__ = ["compare", "explore", "zoom"]

_OVERVIEW = 360  # pixels of the longer side of the overview


def compare(
    a: Tensor,
    b: Tensor,
    labels: tuple[str, str] = ("before", "after"),
    *,
    alt: str | None = None,
    caption: str | None = None,
    width: int | None = None,
    zoom: bool = True,
    webp_quality: int | None = None,
) -> Widget:
    """Two pictures on top of each other, parted by a line that mouse, finger or arrow keys move.

    Buttons, +, −, double click, pinch, and the wheel (after a click on the picture, or with Ctrl) zoom both
    together; when zoomed, dragging beside the line pans.

    Args:
        labels: what stands on the left (`a`) and on the right (`b`).
        alt: what the pictures show, for those who cannot see them; each label is put before it.
        width: CSS pixels on a wide page; default a whole multiple of the larger picture's.
        webp_quality: 1 to 100 makes the page lighter, with loss; default none.

    Shapes: each (1, C, H, W), (C, H, W) or (H, W) in [0, 1]. If one is a whole number of times the other, the
        smaller is drawn enlarged, each pixel a square.
    Raises: TypeError or ValueError for what is not a picture, for other pairs of sizes, and above 8 MB.
    """
    if isinstance(labels, str) or len(labels) != 2:
        raise ValueError(f"labels are two names, got {labels!r}")
    pictures = one_picture(a), one_picture(b)
    sizes = [tuple(picture.shape[1:]) for picture in pictures]
    (low, narrow), (high, wide) = sorted(sizes, key=math.prod)
    if high % low or wide % narrow or high // low != wide // narrow:
        raise ValueError(
            "compare needs two pictures of one size, or one a whole number of times the other; "
            f"got (height, width) = {sizes[0]} and {sizes[1]}"
        )
    frames = [frame(picture, webp_quality) for picture in pictures]
    check_bytes(sum(len(each.source) for each in frames), "compare")
    front, back = (
        img(
            each.source,
            _describe(label, each.size, alt),
            "" if each.size == (high, wide) else "srlib-nearest",
        )
        + f'<span class="srlib-name" aria-hidden="true">{escape(label)}</span>'
        for each, label in zip(frames, labels, strict=True)
    )
    name = f"{labels[0]} and {labels[1]}"
    hint = "Drag the line, or use the slider."
    buttons = ""
    if zoom:
        hint += " Double click zooms in and out, so does the wheel after a click; drag to look around."
        buttons = (
            '<button type="button" aria-label="Zoom out">−</button>'
            '<button type="button" aria-label="Zoom in">+</button>'
            '<button type="button">Whole</button><output aria-live="polite">1×</output>'
        )
    body = (
        f'<div class="srlib-stage" tabindex="0" role="group" aria-label="Comparison of {escape(name)}: '
        f'arrow keys move the line{", plus and minus zoom" if zoom else ""}">'
        f'<div class="srlib-layer srlib-back">{back}</div><div class="srlib-layer srlib-front">{front}</div>'
        '<div class="srlib-line" aria-hidden="true"><span class="srlib-grip">↔</span></div></div>'
        '<div class="srlib-bar"><input class="srlib-split" type="range" min="0" max="100" step="0.5" '
        f'value="50" aria-label="Share of {escape(labels[0])} in percent">{buttons}</div>'
        f'<p class="srlib-hint">{hint}</p>'
    )
    variables = {
        "split": "50%",
        "width": f"{width or page_width(high, wide)}px",
        "aspect": f"{wide} / {high}",
    }
    text = figure("compare", body, caption, variables, {"zoom": 16 if zoom else 1, "front": labels[0]})
    return Widget(text, f"compare {name}, {high} x {wide} pixels")


def zoom(
    images: Mapping[str, Tensor],
    *,
    box: Sequence[float] = (0.4, 0.4, 0.2, 0.2),
    alt: str | None = None,
    caption: str | None = None,
    webp_quality: int | None = None,
) -> Widget:
    """One picture with a box on it, and beside it the inside of the box in every picture, moved together.

    Drag the box or a crop, tap the overview, or use arrow keys (with Shift by one pixel), + and −. Pictures
    of different sizes show the same region of the scene, each with its own pixels as squares.

    Args:
        images: name -> picture; all of one scene.
        box: (top, left, height, width) at first, whole pixels of the largest picture, or as floats fractions.
        alt: what the pictures show; each name is put before it.
        webp_quality: 1 to 100 makes the page lighter, with loss; default none.

    Raises: TypeError or ValueError for what is not a picture, for a box outside, for pictures of different
        shapes, and above 8 MB.
    """
    if not isinstance(images, Mapping) or not images:
        raise ValueError("zoom needs a dict of pictures, such as {'bicubic': sr, 'original': hr}")
    pictures = {str(name): one_picture(image) for name, image in images.items()}
    whole = max(reversed(pictures.values()), key=lambda picture: picture.shape[1] * picture.shape[2])
    height, width = whole.shape[1:]
    for name, picture in pictures.items():
        scale = width / picture.shape[2]
        if abs(picture.shape[1] * scale - height) > scale:  # a border may cost one pixel of the small picture
            raise ValueError(
                f"zoom needs pictures of one scene: {name} is {picture.shape[1]} x {picture.shape[2]}, "
                f"which is no scaled {height} x {width}"
            )
    top, left, tall, wide = region(box, height, width)
    frames = {name: frame(picture, webp_quality) for name, picture in pictures.items()}
    small = frame(whole, webp_quality)
    if max(height, width) > _OVERVIEW:  # a map to point at; what is judged stands in the crops
        shrink = _OVERVIEW / max(height, width)
        small = frame(resize(whole, size=(max(1, round(height * shrink)), max(1, round(width * shrink)))), 90)
    check_bytes(sum(len(each.source) for each in frames.values()) + len(small.source), "zoom")
    panes = "".join(
        f'<div class="srlib-cell"><div class="srlib-name">{escape(name)}</div><div class="srlib-pane">'
        f"{img(each.source, _describe(name, each.size, alt))}</div></div>"
        for name, each in frames.items()
    )
    body = (
        '<div class="srlib-row"><div class="srlib-overview"><div class="srlib-stage" tabindex="0" '
        'role="group" aria-label="Overview: arrow keys move the box, plus and minus change its size">'
        f"{img(small.source, _describe('whole picture', (height, width), alt))}"
        '<div class="srlib-box"></div></div><label class="srlib-bar">Box '
        f'<input class="srlib-size" type="range" min="{min(8, wide):g}" max="{width}" step="any" '
        f'value="{wide:g}"></label><output class="srlib-hint" aria-live="polite"></output></div>'
        f'<div class="srlib-panes">{panes}</div></div>'
        '<p class="srlib-hint">Drag the box or a picture, or use the arrow keys: all move together.</p>'
    )
    columns = len(pictures) if len(pictures) <= 3 else 2 if len(pictures) == 4 else 3
    variables = {
        "top": f"{top / height:.6g}", "left": f"{left / width:.6g}", "down": f"{tall / height:.6g}",
        "across": f"{wide / width:.6g}", "aspect": f"{wide:g} / {tall:g}", "columns": f"{columns}",
    }  # fmt: skip
    data = {"size": json.dumps([height, width]), "box": json.dumps([top, left, tall, wide])}
    text = figure("zoom", body, caption, variables, data)
    return Widget(text, f"zoom into {', '.join(pictures)}, {height} x {width} pixels")


def _describe(name: str, size: tuple[int, int], alt: str | None) -> str:
    return f"{name}: {alt}" if alt else f"{name}, {size[0]} by {size[1]} pixels"
