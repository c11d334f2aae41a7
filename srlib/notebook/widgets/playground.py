"""A network that readers can run on their own pictures, in the browser: "try what you just trained"."""

import base64
import json
import os
import re

from torch import Tensor, nn

from srlib import onnx_export
from srlib.checkpoints import load
from srlib.inference import receptive_radius, upscale
from srlib.metrics import PAPER
from srlib.notebook.widgets.compare import compare
from srlib.notebook.widgets.html import Widget, escape, figure
from srlib.resample import resize

MOST_BYTES = 500_000  # for a network inside a page, before base64 makes it a third longer


def playground(
    net: nn.Module | str,
    lr: Tensor,
    *,
    name: str,
    scale: int | None = None,
    hr: Tensor | None = None,
    alt: str | None = None,
    caption: str | None = None,
    webp_quality: int | None = 90,
) -> Widget:
    """`compare` bicubic interpolation with a network on `lr`; on the built site, readers can run the network too.

    There it runs in the browser, on a picture of the reader's choice. A shipped network is loaded from the site; any
    other is embedded in the page, rounded to float16, if that takes at most 500 kB. Everywhere else, and without onnx
    and onnxscript, only the comparison is shown.

    Args:
        net: a network, or the name of a shipped one, which needs `scale`.
        name: the name to display.
        hr: the original; the caption then ends with the PSNR of both.
        alt, caption, webp_quality: as for `compare`.

    Shapes: lr (1, 1 or 3, h, w) in [0, 1]; a network for luma enlarges the luma, and bicubic the chroma.
    Raises: CheckpointError for a name that is not shipped; otherwise as for `compare`.
    """
    shipped = net if isinstance(net, str) else None
    net = load(net, scale) if shipped else net
    static = os.environ.get("SRLIB_STATIC") == "1"  # the site is being built
    if static and not shipped:
        net = onnx_export.to_half(net).eval()  # so that the page shows the network that it runs
    still = _comparison(net, lr, hr, name, alt, caption, webp_quality)
    about = _network(net, shipped, name) if static else None
    return _embedded(still, about) if about else still


def _comparison(
    net: nn.Module,
    lr: Tensor,
    hr: Tensor | None,
    name: str,
    alt: str | None,
    caption: str | None,
    webp_quality: int | None,
) -> Widget:
    pictures = {"bicubic": resize(lr, net.scale).clamp(0, 1), name: upscale(net, lr).clamp(0, 1)}
    if hr is not None:
        scores = [f"{label} {PAPER.psnr(sr, hr, net.scale).item():.2f}" for label, sr in pictures.items()]
        told = f"PSNR: {', '.join(scores)} dB ({PAPER.describe(net.scale)})."
        caption = f"{caption} {told}" if caption else told
    return compare(*pictures.values(), ("bicubic", name), alt=alt, caption=caption, webp_quality=webp_quality)


def _network(net: nn.Module, shipped: str | None, name: str) -> dict[str, object] | None:
    """What the page's script needs to run the network; None if it cannot be run."""
    about: dict[str, object] = {
        "name": shipped or re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"),
        "label": name,
        "scale": net.scale,
        "channels": net.channels,
        "receptive_radius": receptive_radius(net, net.channels),
        "multiple": getattr(net, "multiple", 1),
        "parameters": sum(p.numel() for p in net.parameters()),
    }
    if shipped:
        return about | {"file": f"models/{shipped}_x{net.scale}.onnx"}
    if not onnx_export.is_available():
        return None
    content = onnx_export.convert(net, name=name).content
    inside = {"bytes": len(content), "onnx": base64.b64encode(content).decode("ascii")}
    return about | inside if len(content) <= MOST_BYTES else None


def _embedded(still: Widget, about: dict[str, object]) -> Widget:
    """The comparison, and below it an element that the site's script fills."""
    data = json.dumps(about).replace("<", "\\u003c")  # so that no text in it can close the element
    label = f"Try {about['label']} on a picture of your own"
    body = (
        f"{still.html}"
        f'<script type="application/json" class="srlib-network">{data}</script>'
        f'<div class="srlib-own" role="group" aria-label="{escape(label)}" hidden><p class="srlib-hint">'
        f"<strong>{escape(label)}.</strong> Runs in your browser; the picture you drop stays on your machine.</p>"
        '<div class="srlib-mount"></div></div>'
    )
    facts = {key: about[key] for key in ("name", "scale", "channels", "receptive_radius", "multiple")}
    return Widget(figure("playground", body, None, {}, facts), f"playground of {about['label']}, {still!r}")
