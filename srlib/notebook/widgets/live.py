"""The control of `explore` with a running kernel: ipywidgets 7.7 (Colab) or later, with intermediate values."""

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from srlib.notebook.widgets.html import Frame, asset, escape, page_width

if TYPE_CHECKING:  # not a dependency: without it, only the page's own sliders are shown
    import ipywidgets

FEW = 4  # choices shown as buttons; more become a list
_STEPS = 200  # of a slider over floats


def control(
    compute: Callable[[dict[str, object]], tuple[Frame, str]], axes: dict[str, list], caption: str | None
) -> "ipywidgets.VBox":
    """Fields for `axes` above the picture that `compute` returns for their values.

    Args:
        compute: values by name -> frame and alternative text.
        axes: name -> values; floats become a slider over the whole range, whole numbers a slider over just these
            values, anything else buttons or a list.
    """
    import ipywidgets

    fields = {name: _field(name, values) for name, values in axes.items()}
    picture = ipywidgets.HTML()

    def draw(change: object = None) -> None:
        try:
            picture.value = _page(*compute({name: field.value for name, field in fields.items()}), caption)
        except Exception:  # any: an error in a callback would disappear in the kernel's log
            picture.value = f'<pre role="alert">{escape(traceback.format_exc())}</pre>'

    for field in fields.values():
        field.observe(draw, names="value")
    draw()
    return ipywidgets.VBox([*fields.values(), picture])


def _field(name: str, values: list) -> "ipywidgets.ValueWidget":
    import ipywidgets

    look = {"description": name.replace("_", " "), "style": {"description_width": "initial"}}
    options = [(words(value), value) for value in values]
    if not numbers(values):
        kind = ipywidgets.ToggleButtons if len(values) <= FEW else ipywidgets.Dropdown
        return kind(options=options, value=values[0], **look)
    look["layout"] = {"width": "95%", "max_width": "500px"}
    low, high = min(values), max(values)
    if low == high or not any(isinstance(value, float) for value in values):
        return ipywidgets.SelectionSlider(options=options, value=values[0], **look)
    step = (high - low) / _STEPS
    return ipywidgets.FloatSlider(value=values[0], min=low, max=high, step=step, readout_format=".3g", **look)


def _page(frame: Frame, alt: str, caption: str | None) -> str:
    width = frame.size[1] if frame.chart else page_width(*frame.size)
    text = f"<p>{escape(frame.text)}</p>" if frame.text else ""
    note = f'<figcaption class="srlib-caption">{escape(caption)}</figcaption>' if caption else ""
    smooth = ' class="srlib-smooth"' if frame.chart else ""
    return (
        f'<style>{asset("widget.css")}</style><figure class="srlib-widget srlib-live">'
        f'<img src="{frame.source}" alt="{escape(alt)}"{smooth} '
        f'style="width: {width}px; max-width: 100% !important; height: auto">{text}{note}</figure>'
    )


def numbers(values: list) -> bool:
    """Whether all values are numbers, which get a slider."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def words(value: object) -> str:
    """A value as text: floats with four digits, numbers with a true minus sign."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:.4g}".replace("-", "−") if isinstance(value, float) else str(value).replace("-", "−")
    return str(value)
