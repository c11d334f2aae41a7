"""The two-stage random degradation: blur, resize, noise and JPEG, twice, each with a strength of its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from srlib.images import quantised
from srlib.random_degradations import stages
from srlib.random_degradations.kernels import DrawnKernel, KernelRanges, Range
from srlib.random_degradations.stages import MODES, Picture

GAUSSIAN, POISSON = "gaussian", "poisson"


@dataclass(frozen=True)
class DrawnStage:
    """The numbers of one stage.

    Args:
        blur: the kernel; None: no blur.
        factor: of the resize; above 1 enlarges.
        mode: of the resize, a name in `stages.MODES`.
        noise: "gaussian" or "poisson".
        strength: σ of Gaussian noise, 1 for white, or the `strength` of `stages.poisson_noise`.
        grey: the same noise in every channel.
        quality: of the JPEG.
    """

    blur: DrawnKernel | None
    factor: float
    mode: str
    noise: str
    strength: float
    grey: bool
    quality: int


@dataclass(frozen=True)
class Drawn:
    """The numbers of both stages and of the end.

    Args:
        sinc: the last filter; None: none.
        mode: of the last resize, to the size of lr.
        jpeg_last: whether the second JPEG comes after the last resize and filter, or before them.
    """

    first: DrawnStage
    second: DrawnStage
    sinc: DrawnKernel | None
    mode: str
    jpeg_last: bool


@dataclass(frozen=True)
class StageRanges:
    """What one stage is drawn from; the defaults are those of the first (Wang et al., ICCVW 2021).

    Args:
        blur: the probability that there is any.
        kernels: of the blur.
        resize: the probabilities to enlarge, to shrink and to keep the size.
        factor: of the resize: enlarging draws uniformly from 1 to the upper end, shrinking from the lower end to 1.
        gaussian: the probability of Gaussian noise; otherwise it is Poisson noise.
        sigma: of Gaussian noise, 1 for white.
        poisson: the strength of Poisson noise, see `stages.poisson_noise`.
        grey: the probability that all channels get the same noise.
        quality: of the JPEG, whole numbers with both ends.

    Raises: ValueError for probabilities of the resize that do not sum to one.
    """

    blur: float = 1.0
    kernels: KernelRanges = KernelRanges()
    resize: tuple[float, float, float] = (0.2, 0.7, 0.1)
    factor: Range = (0.15, 1.5)
    gaussian: float = 0.5
    sigma: Range = (1 / 255, 30 / 255)
    poisson: Range = (0.05, 3.0)
    grey: float = 0.4
    quality: tuple[int, int] = (30, 95)

    def __post_init__(self) -> None:
        if abs(sum(self.resize) - 1) > 1e-9:
            raise ValueError(f"the probabilities of the resize must sum to one, got {sum(self.resize):g}")

    def draw(self, rng: np.random.Generator) -> DrawnStage:
        """The numbers of one stage."""
        blur = self.kernels.draw(rng) if rng.random() < self.blur else None
        up, down, _ = self.resize
        u, factor = rng.random(), 1.0
        if u < up:
            factor = rng.uniform(1, self.factor[1])
        elif u < up + down:
            factor = rng.uniform(self.factor[0], 1)
        mode = _mode(rng)
        noise = GAUSSIAN if rng.random() < self.gaussian else POISSON
        strength = rng.uniform(*(self.sigma if noise == GAUSSIAN else self.poisson))
        grey = bool(rng.random() < self.grey)
        return DrawnStage(blur, factor, mode, noise, strength, grey, int(rng.integers(*self.quality, endpoint=True)))


FIRST = StageRanges()
SECOND = StageRanges(
    blur=0.8,
    kernels=KernelRanges(sigma=(0.2, 1.5)),
    resize=(0.3, 0.4, 0.3),
    factor=(0.3, 1.2),
    sigma=(1 / 255, 25 / 255),
    poisson=(0.05, 2.5),
)


@dataclass(frozen=True)
class TwoStage:
    """The random degradation that Real-ESRGAN learns to undo (Wang et al., ICCVW 2021, sec. 3); a stream's `degrade`.

    Twice blur, resize, noise and JPEG: a photograph is taken and saved, then shrunk, sent and saved again. The second
    resize is by a factor of lr's size. At the end, the picture is resized to lr's size and filtered by a sinc, before
    or after the second JPEG. Every sample gets numbers of its own from its own generator, whatever the rest of its
    batch. It is degraded on the CPU and comes back to the device it was on.

    Noise is cut off at black and white, so it darkens what is bright and brightens what is dark. A network that learns
    to undo it makes bright colours brighter, also where there was no noise.

    Args:
        scale: lr has 1/scale of the sides of hr, rounded up.
        first, second: what the stages are drawn from.
        sinc: the probability of the last filter.

    Shapes: hr (N, 1 or 3, H, W) in [0, 1] and N generators -> lr (N, C, ⌈H/scale⌉, ⌈W/scale⌉) in steps of 8 bits.
    Raises: ValueError for a scale below 1, for generators that are not as many as the samples, and for images that have
        neither 1 nor 3 channels.
    Differs from the paper: each sample has sizes, modes and an order of its own, where the authors' code draws them
        once a batch and mixes samples through a pool. The patch is degraded as it is, with mirrored borders, where the
        paper cuts it out of a larger one. Photons are counted for 256 levels, where the authors' code counts the levels
        in use. JPEG is a real codec of whole qualities, so no gradient passes. hr is not sharpened.
    """

    scale: int = 4
    first: StageRanges = FIRST
    second: StageRanges = SECOND
    sinc: float = 0.8

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise ValueError(f"scale must be at least 1, got {self.scale}")

    def __call__(self, hr: Tensor, rngs: Sequence[torch.Generator]) -> Tensor:
        if len(rngs) != len(hr):
            raise ValueError(f"{len(hr)} samples need as many generators, got {len(rngs)}")
        return torch.cat([self.one(image[None], numpy_generator(rng)) for image, rng in zip(hr, rngs, strict=True)])

    def one(self, hr: Tensor, rng: np.random.Generator) -> Tensor:
        """One image, degraded with numbers that are drawn for it.

        Shapes: (1, C, H, W) -> (1, C, h, w).
        Raises: ValueError for another shape.
        """
        return self.apply(hr, self.draw(rng), rng)

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Everything that is drawn for one image but the noise itself."""
        first, second = self.first.draw(rng), self.second.draw(rng)
        sinc = self.second.kernels.draw_sinc(rng) if rng.random() < self.sinc else None
        return Drawn(first, second, sinc, _mode(rng), bool(rng.random() < 0.5))

    def apply(self, hr: Tensor, drawn: Drawn, rng: np.random.Generator) -> Tensor:
        """One image, degraded with these numbers; `rng` gives the noise.

        Shapes: (1, C, H, W) -> (1, C, h, w).
        Raises: ValueError for another shape.
        """
        if hr.ndim != 4 or len(hr) != 1 or hr.shape[1] not in (1, 3):
            raise ValueError(f"a random degradation needs images (N, 1 or 3, H, W), got shape {tuple(hr.shape)}")
        picture = np.ascontiguousarray(hr[0].detach().cpu().float().permute(1, 2, 0).numpy())
        full = picture.shape[:2]
        size = tuple(math.ceil(n / self.scale) for n in full)
        picture = stages.jpeg(_dirtied(picture, drawn.first, full, rng), drawn.first.quality)
        picture = _dirtied(picture, drawn.second, size, rng)
        if not drawn.jpeg_last:
            picture = stages.jpeg(picture, drawn.second.quality)
        picture = stages.resized(picture, size, drawn.mode)
        if drawn.sinc is not None:
            picture = stages.blur(picture, drawn.sinc.kernel().numpy())
        if drawn.jpeg_last:
            picture = stages.jpeg(picture, drawn.second.quality)
        return quantised(torch.from_numpy(picture).permute(2, 0, 1)[None]).to(hr)


def _dirtied(picture: Picture, drawn: DrawnStage, size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Blur, resize to `factor` times a size, and noise."""
    if drawn.blur is not None:
        picture = stages.blur(picture, drawn.blur.kernel().numpy())
    picture = stages.resized(picture, tuple(max(1, round(n * drawn.factor)) for n in size), drawn.mode)
    noise = stages.gaussian_noise if drawn.noise == GAUSSIAN else stages.poisson_noise
    return noise(picture, drawn.strength, drawn.grey, rng).clip(0, 1)


def _mode(rng: np.random.Generator) -> str:
    return [*MODES][rng.integers(len(MODES))]


def numpy_generator(rng: torch.Generator) -> np.random.Generator:
    """NumPy's random numbers that begin with one of torch's, from any device."""
    seed = torch.randint(2**63 - 1, (), generator=rng, device=rng.device)
    return np.random.default_rng(int(seed))
