"""A comparison slider: two pictures on top of each other, split by a movable line."""

import math

from torch import Tensor

from srlib.notebook.figure import one_picture
from srlib.notebook.widgets.html import Widget, alt_text, check_bytes, escape, figure, frame, img, page_width


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
    """Compare two pictures on top of each other, split by a line that mouse, finger or arrow keys move.

    Buttons, +, −, double click, pinch, and the wheel (after a click on the picture, or with Ctrl) zoom both together;
    when zoomed, dragging away from the line pans.

    Args:
        labels: the names of the left (`a`) and the right picture (`b`).
        alt: alternative text, for those who cannot see the pictures; each label is put before it.
        width: CSS pixels on a wide page; default a whole multiple of the larger picture's.
        webp_quality: 1 to 100 makes the page smaller, with loss; default lossless.

    Shapes: each (1, C, H, W), (C, H, W) or (H, W) in [0, 1]. If one is a whole multiple of the other, the smaller is
        enlarged, with its pixels as squares.
    Raises: TypeError or ValueError for anything but pictures; ValueError for other pairs of sizes, other than two
        labels, and more than 8 MB.
    """
    if isinstance(labels, str) or len(labels) != 2:
        raise ValueError(f"labels must be two names, got {labels!r}")
    pictures = one_picture(a), one_picture(b)
    sizes = [tuple(picture.shape[1:]) for picture in pictures]
    (low, narrow), (high, wide) = sorted(sizes, key=math.prod)
    if high % low or wide % narrow or high // low != wide // narrow:
        raise ValueError(
            "compare needs two pictures of one size, or one a whole multiple of the other; "
            f"got (height, width) = {sizes[0]} and {sizes[1]}"
        )
    frames = [frame(picture, webp_quality) for picture in pictures]
    check_bytes(sum(len(each.source) for each in frames), "compare")
    front, back = (
        img(
            each.source,
            alt_text(label, each.size, alt),
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
        f'<div class="srlib-stage srlib-swipe" tabindex="0" role="group" aria-label="Comparison of {escape(name)}: '
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
    text = figure("compare", body, caption, variables, {"zoom": 16 if zoom else 1, "front": labels[0]}, ("swipe",))
    return Widget(text, f"compare {name}, {high} x {wide} pixels")
