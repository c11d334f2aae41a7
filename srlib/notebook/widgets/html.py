"""Pictures and figures as self-contained HTML: data URIs, with the styles and scripts of `assets`."""

import base64
import html
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from srlib.images import to_uint8
from srlib.notebook.figure import one_picture

MOST_BYTES = 8_000_000  # for the encoded pictures of one widget
_WEBP_SIDE = 16_383
_USUAL, _TALLEST = 480, 800  # pixels on the page
_VIEW = "application/vnd.jupyter.widget-view+json"


class Widget:
    """Self-contained HTML: no kernel, no network, no other file. `html` is the text."""

    def __init__(self, text: str, summary: str, live: Callable[[], str] | None = None):
        self.html = text
        self._summary = summary
        self._live = live  # makes the control that needs a kernel and returns its model id

    def __repr__(self) -> str:
        return f"<srlib widget: {self._summary}>"

    def _repr_html_(self) -> str:
        return self.html

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        bundle: dict[str, object] = {"text/html": self.html, "text/plain": repr(self)}
        if self._live is not None:
            bundle[_VIEW] = {"version_major": 2, "version_minor": 0, "model_id": self._live()}
        return bundle


@dataclass(frozen=True)
class Frame:
    """An encoded picture or figure: its data URI, (height, width), a line of text, and whether it is a chart."""

    source: str
    size: tuple[int, int]
    text: str = ""
    chart: bool = False


def frame(content: Tensor | Figure, quality: int | None = None, text: str = "") -> Frame:
    """Encode, lossless unless `quality` is given; a figure is closed, and its size is in CSS pixels.

    Raises: as `one_picture` and `data_uri`.
    """
    if not isinstance(content, Figure):
        picture = one_picture(content)
        pixels = to_uint8(picture[None])[0].permute(1, 2, 0).squeeze(2)
        return Frame(data_uri(Image.fromarray(pixels.numpy()), quality), tuple(picture.shape[1:]), text)
    buffer = io.BytesIO()
    content.savefig(buffer, format="png", transparent=False)
    plt.close(content)
    wide, tall = content.get_size_inches() * 96
    return Frame(data_uri(Image.open(buffer).convert("RGB"), quality), (round(tall), round(wide)), text, True)


def data_uri(image: Image.Image, quality: int | None = None) -> str:
    """Lossless PNG or WebP, whichever is smaller; with `quality` (1 to 100), lossy WebP.

    Raises: ValueError for another quality.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"webp_quality must be a number from 1 to 100, or None (lossless), got {quality}")
    settings = {"PNG": {}, "WEBP": {"lossless": True, "method": 4, "quality": 75}}
    if quality is not None:
        settings = {"WEBP": {"method": 4, "quality": quality}}
    if max(image.size) > _WEBP_SIDE:
        settings = {"PNG": {}}
    encoded = {}
    for kind, options in settings.items():
        buffer = io.BytesIO()
        image.save(buffer, format=kind, **options)
        encoded[kind] = buffer.getvalue()
    kind = min(encoded, key=lambda name: len(encoded[name]))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(encoded[kind]).decode('ascii')}"


def check_bytes(count: int, name: str) -> None:
    """Check that a widget's pictures are not too large for a page.

    Raises: ValueError for more than `MOST_BYTES`.
    """
    if count > MOST_BYTES:
        raise ValueError(
            f"{name}: its pictures take {count / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:.0f} MB; "
            "crop them, use fewer, or allow loss with webp_quality=90"
        )


def img(source: str, alt: str, classes: str = "") -> str:
    """An `<img>` element."""
    extra = f' class="{classes}"' if classes else ""
    return f'<img src="{source}" alt="{escape(alt)}"{extra} draggable="false">'


def page_width(height: int, width: int) -> int:
    """Default width of a picture in CSS pixels: a whole multiple if it is small, less if it is very tall."""
    shown = width * max(1, round(_USUAL / max(width, height)))
    return min(shown, max(1, round(_TALLEST * width / height)))


def figure(
    kind: str,
    body: str,
    caption: str | None,
    variables: dict[str, str],
    data: dict[str, object],
    shared: tuple[str, ...] = (),
) -> str:
    """The root element, with the styles and scripts of `shared` and `kind` inside: it can be copied as a whole."""
    style = "; ".join(f"--{name}: {value}" for name, value in variables.items())
    attributes = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    text = f'<figcaption class="srlib-caption">{escape(caption)}</figcaption>' if caption else ""
    styles = "".join(asset(f"{name}.css") for name in ("widget", *shared, kind))
    scripts = "".join(asset(f"{name}.js") for name in ("common", *shared, kind))
    return (
        f'<figure class="srlib-widget srlib-{kind}" style="{style}"{attributes}>'
        f"<style>{styles}</style>{body}<script>(() => {{{scripts}}})();</script>{text}</figure>"
    )


@cache
def asset(name: str) -> str:
    """The text of a file in `assets`."""
    return (files("srlib.notebook.widgets") / "assets" / name).read_text(encoding="utf-8")


def escape(value: object) -> str:
    """Text for HTML, quotes escaped too."""
    return html.escape(str(value), quote=True)


def alt_text(name: str, size: tuple[int, int], alt: str | None) -> str:
    """The alternative text of a widget's picture."""
    return f"{name}: {alt}" if alt else f"{name}, {size[0]} by {size[1]} pixels"
