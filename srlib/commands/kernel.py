"""`srlib kernel`: which blur and noise made the pictures of a folder."""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from srlib import images
from srlib.commands import arguments
from srlib.commands.arguments import UsageError
from srlib.commands.photographs import photographs
from srlib.commands.report import check_files, put
from srlib.io.codecs import writable
from srlib.kernels.free import FreeKernel, estimate_free
from srlib.kernels.gaussian import GaussianBlur, estimate_gaussian
from srlib.kernels.shapes import described
from srlib.kernels.spectra import Spectra, collect

_TAP = 16  # pixels a side that a tap of the drawn kernel has


@dataclass(frozen=True)
class Found:
    """What the pictures say about their blur; `free` where no Gaussian explains them."""

    spectra: Spectra
    gaussian: GaussianBlur
    free: FreeKernel | None

    @property
    def blur(self) -> Tensor:
        """The taps of the better explanation."""
        return self.gaussian.kernel() if self.free is None else self.free.taps


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command's parser."""
    command = commands.add_parser("kernel", help="estimate the blur and the noise of a folder of pictures")
    option = command.add_argument
    option("place", metavar="DIR", type=Path, help="a folder of pictures of one camera, or one picture")
    option("--scale", type=arguments.scale, default=2, help="of the network that shall be trained (default: 2)")
    option("--recursive", action="store_true", help="also the pictures in subfolders")
    option("--json", metavar="FILE", help="also write all numbers and the taps; - for standard output")
    option("--picture", metavar="FILE", type=Path, help="also draw the blur, a square for each tap")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Estimate, print, write, and return the exit status: 2 where a picture could not be read, with all that could.

    Raises: UsageError for a scale that does not enlarge, for nothing to read and for files that cannot be written;
        KernelError for pictures that show no blur.
    """
    if not options.scale > 1:
        raise UsageError(f"--scale must be above 1, got {options.scale}")
    check_files(options.json)
    if options.picture is not None:
        writable(options.picture, bits=8, alpha=False, size=(_TAP, _TAP))
    pictures, status = photographs(options.place, recursive=options.recursive, take=images.grey)
    spectra = collect(pictures)
    gaussian = estimate_gaussian(spectra)
    found = Found(spectra, gaussian, None if gaussian.fits else estimate_free(spectra))
    if options.picture is not None:
        images.write(options.picture, drawn(found.blur))
    if options.json is not None:
        put(options.json, json.dumps(_as_dict(found, options.scale), indent=1) + "\n")
    if options.json != "-":
        print(*_lines(found, options.scale), sep="\n")
    return status


def drawn(kernel: Tensor) -> Tensor:
    """The taps as grey squares on black, the largest one white.

    Shapes: (k, k) -> (1, 1, 16 k, 16 k) in [0, 1].
    """
    grey = (kernel / kernel.max()).clamp(0, 1)[None, None].float()
    return grey.repeat_interleave(_TAP, -1).repeat_interleave(_TAP, -2)


def _lines(found: Found, scale: float) -> list[str]:
    blur, spectra = found.gaussian, found.spectra
    count = f"{spectra.pictures} picture{'s' * (spectra.pictures != 1)}"
    aside = [f"{n} {word}" for n, word in ((spectra.skipped, "too small"), (spectra.flat, "without detail")) if n]
    first = f"from {count}, {len(spectra.picture)} region{'s' * (len(spectra.picture) != 1)}"
    lines = [first + (f"; not used: {', '.join(aside)}" if aside else "")]
    sigmas = [f"{value:.2f} ± {error:.2f}" for value, error in zip(blur.sigma, blur.sigma_error, strict=True)]
    round_ = blur.angle_error > 20 or blur.sigma[0] - blur.sigma[1] < math.hypot(*blur.sigma_error)
    turn = "no direction" if round_ else f"angle {blur.angle:.0f} ± {max(1, round(blur.angle_error))}°"
    noise = f"noise of luma {255 * blur.noise:.2f} ± {255 * blur.noise_error:.2f} of 255"
    if found.free is None:
        lines.append(f"blur: Gaussian, σ₁ {sigmas[0]}, σ₂ {sigmas[1]} pixels, {turn}; {noise}")
        widths = " and ".join(f"{sigma:.2f}" for sigma in blur.at_scale(scale))
        lines.append(f"for pictures shrunk by {scale:g}: Gaussian, σ {widths}")
        return lines
    lines.append(f"blur: no Gaussian explains these pictures (misfit {blur.misfit:.2f}, allowed {blur.allowed:.2f})")
    along, across, angle = described(found.free.taps)
    width = f"{along:.2f} along and {across:.2f} across {angle:.0f}°"
    lines.append(
        f"a free kernel of {len(found.free.taps)} x {len(found.free.taps)} taps, width {width}; "
        f"uncertain by {100 * found.free.spread:.0f} % and by a half turn; "
        f"noise of luma {255 * found.free.noise:.2f} of 255 at most"
    )
    return lines


def _as_dict(found: Found, scale: float) -> dict:
    blur = found.gaussian
    told = {
        "pictures": found.spectra.pictures,
        "regions": len(found.spectra.picture),
        "too_small": found.spectra.skipped,
        "flat": found.spectra.flat,
        "gaussian": {
            "fits": blur.fits,
            "misfit": round(blur.misfit, 4),
            "allowed": round(blur.allowed, 4),
            "sigma": _rounded(blur.sigma),
            "sigma_error": _rounded(blur.sigma_error),
            "angle": round(blur.angle, 2),
            "angle_error": round(blur.angle_error, 2),
            "noise": round(blur.noise, 6),
            "noise_error": round(blur.noise_error, 6),
        },
        "taps": [_rounded(row) for row in found.blur.tolist()],
    }
    if found.free is None:
        kernel = blur.kernel(scale)
        told["shrunk"] = {"scale": scale, "sigma": _rounded(blur.at_scale(scale)),
                          "taps": [_rounded(row) for row in kernel.tolist()]}  # fmt: skip
    else:
        told["free"] = {"spread": round(found.free.spread, 4), "noise": round(found.free.noise, 6)}
    return told


def _rounded(values: list[float] | tuple[float, ...]) -> list[float]:
    return [round(value, 6) for value in values]
