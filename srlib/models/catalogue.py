"""Every network that a checkpoint can hold, one row each: the only place to register a new network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from srlib.models import anchored, cincgan, compact, drn, edsr, edvr, edvr_small, esrgan, fcn, johnson, lapsrn, srgan

Kind = Literal["true", "textured", "video", "kernel"]


@dataclass(frozen=True, eq=False)
class Small:
    """scale -> a network with few weights: its class, and settings beside the scale."""

    network: Callable[..., nn.Module]
    settings: dict[str, object]

    def __call__(self, scale: int, **more: object) -> nn.Module:
        return self.network(scale=scale, **(self.settings | more))


@dataclass(frozen=True)
class Colours:
    """How far a trained network may leave colours, in 255ths; the tests hold every shipped one to it.

    Args:
        flat: what a channel of a flat colour may change by, at any of the corners of the cube and between them.
        grey: by how much the channels of a grey picture stored as RGB may differ.
        ends: what white and black may change by.
    """

    flat: float
    grey: float
    ends: float


TRUE, TEXTURED = Colours(6, 8, 1.5), Colours(12, 24, 5)


@dataclass(frozen=True)
class Entry:
    """A network: how to build it, and how to describe it in lists.

    Args:
        label: display name.
        build: scale -> the network, untrained.
        small: scale -> the same architecture with few weights, for the tests that every network must pass.
        scales: supported scales.
        kind: "true" was trained on pixel losses only; "textured" was trained to look realistic and may invent detail;
            "video" takes clips; "kernel" estimates a blur.
        channels: of its pictures: 3 for RGB, 1 for luma.
        frames: of its clips; 1 for single pictures.
        joint: one checkpoint serves all scales.
        licence: of weights that are not ours.
        tint: where the shipped weights leave colours further than their kind should: how far. `srlib models` says it.
    """

    label: str
    build: Callable[[int], nn.Module]
    small: Small
    scales: tuple[int, ...] = (2, 3, 4)
    kind: Kind = "true"
    channels: int = 3
    frames: int = 1
    joint: bool = False
    licence: str | None = None
    tint: Colours | None = None

    @property
    def colours(self) -> Colours:
        """What its colours are held to."""
        return self.tint or (TEXTURED if self.kind == "textured" else TRUE)

    @property
    def network(self) -> Callable[..., nn.Module]:
        """Makes the architecture in any size: (scale=, and the settings that a card states)."""
        return self.small.network


def _small(network: Callable[..., nn.Module], **settings: object) -> Small:
    return Small(network, settings)


_SRRESNET = _small(srgan.SRResNet, width=16, blocks=2)
_JOHNSON = _small(johnson.Johnson, width=16, blocks=2)
_RRDB = _small(esrgan.RRDBNet, blocks=1, width=16, growth=8)
_LAPSRN = _small(lapsrn.LapSRN, width=16, depth=2)
_LAPSRN_RGB = _small(lapsrn.LapSRN, width=16, depth=2, channels=3)
_DRN = _small(drn.DRN, blocks=1, width=8)
_EDVR = _small(edvr.EDVR, frames=3, width=16, blocks=1, extract=1, groups=4)
_GROWN = _small(edvr_small.GrownEDSR, frames=3, blocks=2, width=16, inner=8, tail="light")
_CENTRE = _small(edvr_small.CentreEDSR, frames=3, blocks=2, width=16, tail="light")
_EDSR = _small(edsr.EDSR, blocks=2, width=16, residual_scale=0.1)
_EDSR_SMALL = _small(edsr.EDSR, blocks=2, width=16, tail="light")
_ANCHORED = _small(anchored.AnchoredEDSR, blocks=2, width=16, tail="light")
_CINCGAN = _small(cincgan.cleaned, width=8, blocks=1, sr_width=16, sr_blocks=2)

# By the name on the card, in the order of all tables: about that of the papers. A card only names a row, so reading one
# never runs code from it. Two rows may have the same architecture and different losses.
CATALOGUE: dict[str, Entry] = {
    "srcnn": Entry("SRCNN", fcn.srcnn, _small(fcn.SRCNN, widths=(16, 8)), channels=1),
    "fsrcnn": Entry("FSRCNN", fcn.fsrcnn, _small(fcn.FSRCNN, width=16, shrink=8, blocks=2), channels=1),
    "espcn": Entry("ESPCN", fcn.espcn, _small(fcn.ESPCN, width=32), channels=1),
    "vdsr": Entry("VDSR", fcn.vdsr, _small(fcn.VDSR, width=16, depth=5), channels=1),
    "srresnet": Entry("SRResNet", srgan.srresnet, _SRRESNET),
    "lapsrn_paper": Entry("LapSRN", lapsrn.lapsrn, _LAPSRN, scales=(2, 4, 8), channels=1),
    "lapsrn": Entry("LapSRN-small", lapsrn.lapsrn_small, _LAPSRN_RGB, scales=(2, 4, 8)),
    "edsr_small": Entry("EDSR-small", edsr.edsr_small, _EDSR_SMALL),
    "edsr_small_real": Entry("EDSR-small, real photographs", anchored.edsr_small_real, _ANCHORED),
    "edsr_small_like": Entry("EDSR-small, tuned to a camera", edsr.edsr_small, _EDSR_SMALL),
    "cincgan_small": Entry("CinCGAN-small, for one camera", cincgan.cincgan_small, _CINCGAN, kind="textured"),
    "edsr_baseline": Entry("EDSR-baseline", edsr.edsr_baseline, _EDSR),
    "edsr": Entry("EDSR", edsr.edsr, _EDSR),
    "mdsr": Entry(
        "MDSR", edsr.mdsr, _small(edsr.MDSR, blocks=2, width=16), joint=True, tint=Colours(flat=6, grey=13, ends=1.5)
    ),
    "drn_s": Entry("DRN-S", drn.drn_s, _DRN, scales=(4, 8)),
    "drn_l": Entry("DRN-L", drn.drn_l, _DRN, scales=(4, 8)),
    "drn_small": Entry("DRN-small", drn.drn_small, _DRN, scales=(2, 4, 8)),
    "drn_small_dual": Entry("DRN-small, closed loop", drn.drn_small, _DRN, scales=(2, 4, 8)),
    "drn_small_unpaired": Entry("DRN-small, adapted", drn.drn_small, _DRN, scales=(2, 4, 8)),
    "johnson_pixel": Entry(
        "Johnson, pixel loss", johnson.johnson_small, _JOHNSON, tint=Colours(flat=6, grey=13, ends=1.5)
    ),
    "johnson": Entry("Johnson, feature loss", johnson.johnson_small, _JOHNSON, kind="textured"),
    "srgan": Entry("SRGAN", srgan.srresnet, _SRRESNET, kind="textured", tint=Colours(flat=24, grey=24, ends=5)),
    "rrdbnet": Entry("RRDBNet", esrgan.rrdbnet, _RRDB),
    "rrdb_psnr_small": Entry("RRDB-small, L1", esrgan.rrdb_small, _RRDB),
    "esrgan_small": Entry("ESRGAN-small", esrgan.rrdb_small, _RRDB, kind="textured"),
    "edvr_small": Entry("EDVR-small", edvr_small.edvr_small, _GROWN, kind="video", frames=5),
    "edvr_small_alone": Entry("EDSR-small in a clip", edvr_small.edvr_small_alone, _CENTRE, kind="video", frames=5),
    "edvr_m": Entry("EDVR-M", edvr.edvr_m, _EDVR, scales=(4,), kind="video", frames=5),
    "edvr_l": Entry("EDVR-L", edvr.edvr_l, _EDVR, scales=(4,), kind="video", frames=5),
    "compact": Entry("Compact", compact.compact, _small(compact.Compact, width=16, convolutions=2)),
}


def order(model: str) -> tuple[int, str]:
    """Sort key for names: the order of the catalogue, then all others by name."""
    names = list(CATALOGUE)
    return (names.index(model) if model in CATALOGUE else len(names)), model
