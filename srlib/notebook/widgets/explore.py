"""Sliders for a function's arguments: all combinations precomputed for the page, any value with a running kernel."""

import itertools
import json
import math
import os
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec

from matplotlib.figure import Figure
from torch import Tensor

from srlib.notebook.widgets.html import Frame, Widget, check_bytes, escape, figure, frame, img, page_width
from srlib.notebook.widgets.live import FEW, control, numbers, words

_MOST_FRAMES = 400


def explore(
    fn: Callable[..., Tensor | Figure | tuple[Tensor | Figure, str]],
    /,
    *,
    caption: str | None = None,
    alt: str | None = None,
    webp_quality: int | None = None,
    **grid: Iterable,
) -> Widget:
    """A control for each argument of `fn`: sliders for numbers, buttons or a list for anything else.

    `fn(**values)` is computed for every combination now, and the page switches between the results, which needs no
    kernel. With a kernel and ipywidgets, and unless `SRLIB_STATIC` is 1, the output also has an ipywidgets control that
    calls `fn` again, with any number between the smallest and the largest of a list of floats. A front end with
    ipywidgets shows that control; any other, and an exported notebook, shows the page's own. If `fn` raises while a
    control is moved, the error replaces the picture.

    Args:
        fn: returns a picture, a matplotlib figure (closed here), or either with a line of text.
        alt: alternative text; it may name arguments, as in "Zone plate enlarged {scale} times". Otherwise the values
            are put after it.
        grid: argument = its values, the initial one first; `caption`, `alt` and `webp_quality` cannot be arguments.

    Raises: ValueError for more than 400 combinations or 8 MB, for no values, and for an alt that names anything else;
        TypeError for another result of `fn`; and whatever `fn` raises.
    """
    axes = {name: _values(name, values) for name, values in grid.items()}
    count = math.prod(len(values) for values in axes.values())
    if not axes:
        raise ValueError("explore needs a list of values for at least one argument, such as a=[-0.5, -0.75]")
    if count > _MOST_FRAMES:
        product = " · ".join(str(len(values)) for values in axes.values())
        raise ValueError(f"explore would make {product} = {count} pictures, more than {_MOST_FRAMES}; use fewer values")

    def compute(values: dict[str, object]) -> tuple[Frame, str]:
        try:
            result = fn(**values)
        except Exception as error:
            error.add_note(f"explore called it with {', '.join(f'{k}={v!r}' for k, v in values.items())}")
            raise
        content, text = result if isinstance(result, tuple) and len(result) == 2 else (result, "")
        if not isinstance(content, Tensor | Figure) or not isinstance(text, str):
            raise TypeError(
                f"explore: fn must return a picture or a figure, or (one of them, text), got {_kinds(result)}"
            )
        return frame(content, webp_quality, text), _alternative(alt, values)

    frames, alts, sources = [], [], {}
    for combination in itertools.product(*axes.values()):
        each, words = compute(dict(zip(axes, combination, strict=True)))
        frames.append(each)
        alts.append(words)
        sources.setdefault(each.source, len(sources))
        check_bytes(sum(map(len, sources)), "explore")
    text = _explorer(axes, frames, alts, sources, caption)
    summary = f"explore {', '.join(axes)}, {count} pictures"
    return Widget(text, summary, (lambda: control(compute, axes, caption).model_id) if _live() else None)


def _explorer(
    axes: dict[str, list], frames: list[Frame], alts: list[str], sources: dict[str, int], caption: str | None
) -> str:
    largest = max((each.size for each in frames), key=math.prod)
    chart = frames[0].chart
    first = img(frames[0].source, alts[0], "srlib-chart srlib-smooth" if chart else "")
    body = (
        f'<div class="srlib-controls">{"".join(itertools.starmap(_control, axes.items()))}</div>'
        f'<div class="srlib-stage">{first}</div>'
    )
    if any(each.text for each in frames):
        body += f'<p class="srlib-text" aria-live="polite">{escape(frames[0].text)}</p>'
    data = {
        "values": [[words(value) for value in values] for values in axes.values()],
        "frames": [sources[each.source] for each in frames],
        "images": ["", *list(sources)[1:]],  # the first is already in the page
        "alts": alts,
        "texts": [each.text for each in frames],
    }
    text = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
    body += f'<script type="application/json" class="srlib-frames">{text}</script>'
    width = largest[1] if chart else page_width(*largest)
    variables = {"width": f"{width}px", "aspect": f"{largest[1]} / {largest[0]}"}
    return figure("explore", body, caption, variables, {})


def _control(name: str, values: list) -> str:
    name = escape(name.replace("_", " "))
    title = f'<span class="srlib-name">{name}</span>'
    if numbers(values):
        first = escape(words(values[0]))
        return (
            f'<label class="srlib-control">{title}<input type="range" min="0" max="{len(values) - 1}" '
            f'step="1" value="0" aria-valuetext="{first}"><output>{first}</output></label>'
        )
    if len(values) > FEW:
        options = "".join(f'<option value="{i}">{escape(words(value))}</option>' for i, value in enumerate(values))
        return f'<label class="srlib-control">{title}<select>{options}</select></label>'
    buttons = "".join(
        f'<label class="srlib-choice"><input type="radio" value="{i}"{"" if i else " checked"}>'
        f"{escape(words(value))}</label>"
        for i, value in enumerate(values)
    )
    return f'<fieldset class="srlib-control"><legend>{name}</legend>{buttons}</fieldset>'


def _values(name: str, values: Iterable) -> list:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"explore: {name} needs a list of values, got {values!r}")
    result = [value.item() if hasattr(value, "item") else value for value in values]
    if not result:
        raise ValueError(f"explore: {name} has no values")
    return result


def _alternative(alt: str | None, values: dict[str, object]) -> str:
    named = {name: words(value) for name, value in values.items()}
    listed = ", ".join(f"{name.replace('_', ' ')} = {value}" for name, value in named.items())
    if not alt:
        return f"Computed with {listed}"
    try:
        text = alt.format(**named)
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(f"explore: alt {alt!r} may contain {{name}} for {', '.join(named)} only") from error
    return text if text != alt else f"{alt} ({listed})"


def _kinds(result: object) -> str:
    if isinstance(result, tuple):
        return f"({', '.join(type(part).__name__ for part in result)})"
    return type(result).__name__


def _live() -> bool:
    """Whether a kernel can respond: IPython runs as one, ipywidgets is installed, and SRLIB_STATIC is not 1."""
    if os.environ.get("SRLIB_STATIC") == "1" or "IPython" not in sys.modules or not find_spec("ipywidgets"):
        return False
    shell = sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None) is not None
