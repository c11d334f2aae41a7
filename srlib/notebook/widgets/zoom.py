"""The same crop of several pictures, moved together."""

import json
from collections.abc import Mapping, Sequence

from torch import Tensor

from srlib.notebook.figure import one_picture, region
from srlib.notebook.widgets.html import Widget, alt_text, check_bytes, escape, figure, frame, img
from srlib.resample import resize

_OVERVIEW = 360  # pixels of the longer side of the overview


def zoom(
    images: Mapping[str, Tensor],
    *,
    box: Sequence[float] = (0.4, 0.4, 0.2, 0.2),
    alt: str | None = None,
    caption: str | None = None,
    webp_quality: int | None = None,
) -> Widget:
    """An overview with a box on it, and next to it the crop at the box from every picture, all moved together.

    Drag the box or a crop, tap the overview, or use arrow keys (with Shift by one pixel), + and −. Pictures of
    different sizes show the same region of the scene, each with its pixels as squares.

    Args:
        images: name -> picture; all of one scene.
        box: initial (top, left, height, width), whole pixels of the largest picture, or fractions of it as floats.
        alt: alternative text; each name is put before it.
        webp_quality: 1 to 100 makes the page smaller, with loss; default lossless.

    Raises: TypeError or ValueError for anything but a dict of pictures; ValueError for a box that is not inside the
        picture, pictures of different shapes, and more than 8 MB.
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
                f"which is not a multiple or a fraction of {height} x {width}"
            )
    top, left, tall, wide = region(box, height, width)
    frames = {name: frame(picture, webp_quality) for name, picture in pictures.items()}
    small = frame(whole, webp_quality)
    if max(height, width) > _OVERVIEW:  # only for orientation; quality is judged in the crops
        shrink = _OVERVIEW / max(height, width)
        small = frame(resize(whole, size=(max(1, round(height * shrink)), max(1, round(width * shrink)))), 90)
    check_bytes(sum(len(each.source) for each in frames.values()) + len(small.source), "zoom")
    panes = "".join(
        f'<div class="srlib-cell"><div class="srlib-name">{escape(name)}</div><div class="srlib-pane">'
        f"{img(each.source, alt_text(name, each.size, alt))}</div></div>"
        for name, each in frames.items()
    )
    body = (
        '<div class="srlib-row"><div class="srlib-overview"><div class="srlib-stage" tabindex="0" '
        'role="group" aria-label="Overview: arrow keys move the box, plus and minus change its size">'
        f"{img(small.source, alt_text('whole picture', (height, width), alt))}"
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
