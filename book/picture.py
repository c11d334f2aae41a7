"""Draw the picture of the README and the landing page: `python -m book.picture`.

One face at 40 x 40 pixels and what three answers make of it, beside the photograph it came from.
"""

from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from srlib import checkpoints
from srlib.datasets import photo
from srlib.images import to_uint8
from srlib.metrics import PAPER
from srlib.models.interpolation import bicubic, nearest
from srlib.resample import resize

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
TARGET = Path(__file__).parent / "assets" / "readme.png"
SCALE, TOP, LEFT, SIDE = 4, 40, 140, 160  # the astronaut's face, in pixels of the photograph
SHOWN, LABEL, GAP = 320, 46, 8


def main() -> None:
    hr = photo("astronaut")[..., TOP : TOP + SIDE, LEFT : LEFT + SIDE]
    lr = resize(hr, 1 / SCALE).clamp(0, 1)
    panels = [(f"{SIDE // SCALE} × {SIDE // SCALE} pixels", nearest(SCALE)(lr))]
    for name, net in (("bicubic", bicubic(SCALE)), ("EDSR-small", checkpoints.load("edsr_small", SCALE))):
        with torch.no_grad():
            sr = net(lr)
        panels.append((f"{name}, {PAPER.psnr(sr, hr, SCALE).item():.2f} dB", sr))
    panels.append((f"the photograph, {SIDE} × {SIDE}", hr))
    width = len(panels) * (SHOWN + GAP) - GAP
    canvas = Image.new("RGB", (width, SHOWN + LABEL), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.truetype(FONT, 20)
    for k, (label, image) in enumerate(panels):
        left = k * (SHOWN + GAP)
        canvas.paste(_picture(image).resize((SHOWN, SHOWN), Image.Resampling.NEAREST), (left, 0))
        draw.text((left + SHOWN // 2, SHOWN + LABEL // 2), label, "black", font, anchor="mm")
    canvas.save(TARGET, optimize=True)


def _picture(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(to_uint8(image)[0].permute(1, 2, 0).numpy()))


if __name__ == "__main__":
    main()
