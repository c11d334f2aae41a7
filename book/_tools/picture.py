"""Draw every picture that is no chapter's figure, from our own networks: `python -m book._tools.picture`.

The four faces of the README; the two cats of the front page's comparer; a picture for each part of the course; the
card that is shown where somebody links to the site; the icon of a telephone's home screen. All of photographs that no
network was trained on.
"""

from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from book._tools.pages import ROOT
from srlib import checkpoints
from srlib.consistency import invisible
from srlib.data.datasets import photo
from srlib.data.synthetic import zone_plate
from srlib.images import to_uint8
from srlib.metrics import PAPER
from srlib.models.interpolators import bicubic, nearest
from srlib.resample import resize

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
ASSETS = ROOT / "book" / "assets"
SCALE = 4
FACE = ("astronaut", 40, 140, 160, 160)  # a photograph, and (top, left, height, width) in it
CAT = ("chelsea", 20, 60, 240, 320)
SHOWN, LABEL, GAP = 320, 46, 8
BLUE, RED = "#0072B2", "#D55E00"


def main() -> None:
    faces().save(ASSETS / "readme.png", optimize=True)
    lr = small(original(*CAT))
    for name, net in (("bicubic", bicubic(SCALE)), ("network", network("edsr_baseline"))):
        picture(net(lr)).save(ASSETS / f"cat-{name}.webp", quality=90, method=6)
    for name, image in parts().items():
        image.save(ASSETS / f"part-{name}.webp", quality=80, method=6)
    card().quantize(256, dither=Image.Dither.NONE).save(ASSETS / "card.png", optimize=True)
    icon().save(ASSETS / "apple-touch-icon.png", optimize=True)


def faces() -> Image.Image:
    """One face at 40 x 40 pixels and what three answers make of it, beside the photograph it came from."""
    hr = original(*FACE)
    lr, side = small(hr), hr.shape[-1]
    panels = [(f"{side // SCALE} × {side // SCALE} pixels", nearest(SCALE)(lr))]
    for name, net in (("bicubic", bicubic(SCALE)), ("EDSR-small", network("edsr_small"))):
        sr = net(lr)
        panels.append((f"{name}, {PAPER.psnr(sr, hr, SCALE).item():.2f} dB", sr))
    panels.append((f"the photograph, {side} × {side}", hr))
    canvas = Image.new("RGB", (len(panels) * (SHOWN + GAP) - GAP, SHOWN + LABEL), "white")
    draw = ImageDraw.Draw(canvas)
    for k, (label, image) in enumerate(panels):
        left = k * (SHOWN + GAP)
        canvas.paste(squares(image, SHOWN // side), (left, 0))
        draw.text((left + SHOWN // 2, SHOWN + LABEL // 2), label, "black", font(20), anchor="mm")
    return canvas


def parts() -> dict[str, Image.Image]:
    """One picture for each part, 480 x 270: two answers, left and right of a white line."""
    rings = zone_plate((4 * 135, 4 * 240))
    coffee, cat = original("coffee", 90, 180, 136, 240), original("chelsea", 64, 118, 136, 240)
    sr, pairs = network("edsr_baseline"), {}
    pairs["pixels"] = rings[..., ::SCALE, ::SCALE], small(rings)
    pairs["networks"] = nearest(SCALE)(small(coffee)), sr(small(coffee))
    pairs["perception"] = sr(small(cat)), network("esrgan_small")(small(cat))
    pairs["loops"] = cat - 2 * invisible(cat, SCALE), cat  # both shrink to the same picture
    return {name: halves(*(squares(each, 2).crop((0, 0, 480, 270)) for each in pair)) for name, pair in pairs.items()}


def card() -> Image.Image:
    """1200 x 630, as sites that show a link want it."""
    lr = small(original("astronaut", 0, 64, 320, 320))
    face = halves(squares(nearest(SCALE)(lr), 2), squares(network("edsr_baseline")(lr), 2)).crop((0, 0, 640, 630))
    canvas = Image.new("RGB", (1200, 630), "white")
    canvas.paste(face, (560, 0))
    draw = ImageDraw.Draw(canvas)
    canvas.paste(disc(96), (48, 56))
    draw.text((48, 190), "Image\nsuper-resolution", "black", font(50, "-Bold"), spacing=14)
    question = "80 × 80 pixels were measured.\nWhat were the others?"
    draw.text((48, 370), question, "#444444", font(28), spacing=14)
    draw.text((48, 560), "A course whose every page runs", BLUE, font(24), anchor="ls")
    return canvas


def icon() -> Image.Image:
    canvas = Image.new("RGB", (180, 180), "white")
    canvas.paste(disc(148), (16, 16))
    return canvas


def disc(side: int) -> Image.Image:
    """The mark of favicon.svg: a disc, its left half sampled by four."""
    unit = 64  # drawn large, then made small without jagged edges
    canvas = Image.new("RGB", (28 * unit, 28 * unit), "white")
    draw = ImageDraw.Draw(canvas)
    draw.pieslice((0, 0, 28 * unit, 28 * unit), -90, 90, RED)
    for left, top, right, bottom in ((6, 0, 14, 8), (0, 8, 14, 20), (6, 20, 14, 28)):
        draw.rectangle((left * unit, top * unit, right * unit - 1, bottom * unit - 1), BLUE)
    return canvas.resize((side, side), Image.Resampling.LANCZOS)


def original(name: str, top: int, left: int, height: int, width: int) -> Tensor:
    return photo(name)[..., top : top + height, left : left + width]


def small(hr: Tensor) -> Tensor:
    return resize(hr, 1 / SCALE).clamp(0, 1)


def network(name: str) -> torch.nn.Module:
    return checkpoints.load(name, SCALE)


def picture(image: Tensor) -> Image.Image:
    image = image.clamp(0, 1).expand(-1, 3, -1, -1)
    return Image.fromarray(np.ascontiguousarray(to_uint8(image)[0].permute(1, 2, 0).numpy()))


def squares(image: Tensor, factor: int) -> Image.Image:
    """Each pixel enlarged to a square."""
    shown = picture(image)
    return shown.resize((shown.width * factor, shown.height * factor), Image.Resampling.NEAREST)


def halves(left: Image.Image, right: Image.Image) -> Image.Image:
    middle = left.width // 2
    joined = right.copy()
    joined.paste(left.crop((0, 0, middle, left.height)), (0, 0))
    ImageDraw.Draw(joined).rectangle((middle - 1, 0, middle + 1, left.height), "white")
    return joined


def font(size: int, weight: str = "") -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONTS / f"DejaVuSans{weight}.ttf", size)


if __name__ == "__main__":
    with torch.no_grad():
        main()
