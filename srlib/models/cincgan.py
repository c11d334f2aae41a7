"""CinCGAN: generators between a camera's small pictures and clean ones, and the discriminators of both sizes."""

import torch
from torch import Tensor, nn

from srlib.models.blocks import ResidualBlock, check_input, check_picture
from srlib.models.edsr import EDSR, edsr_small
from srlib.models.fca import high_pass
from srlib.resample import resize


class Translator(nn.Module):
    """G1, G2 and G3: a picture of one kind becomes one of another (Yuan et al., CVPRW 2018, fig. 3).

    Seven by seven taps, two convolutions, residual blocks, two convolutions, seven by seven taps; leaky ReLU between.
    The result is added to the input, and the last convolution starts at zero: at its start it is the identity, or for
    G3 bicubic shrinking. Otherwise the network behind it would be trained on noise for a long time.

    Args:
        shrink: 1 for G1 and G2; 4 for G3, whose first two convolutions then have stride 2.
        middle: convolutions before the blocks, and as many after them.
        ends: side of the kernels of the first and the last convolution.
        norm: batch norm in the blocks.

    Shapes: x (N, 3, h, w) -> (N, 3, h/shrink, w/shrink), not clamped.
    Raises: ValueError for another number of channels, and for sides that are no multiples of `shrink`.
    Differs from the paper: the skip around the whole network and the zero start are ours. The paper does not state
        where batch norm stands; here in the blocks, as in reproductions. All convolutions have biases; without them
        there would be 610,176 parameters. Colours in [0, 1].
    """

    channels = 3

    def __init__(
        self, *, width: int = 64, blocks: int = 6, shrink: int = 1, middle: int = 2, ends: int = 7, norm: bool = True
    ) -> None:
        super().__init__()
        if shrink not in (1, 4) or (shrink == 4 and middle != 2):
            raise ValueError(f"shrink must be 1, or 4 with two convolutions before the blocks, got {shrink}, {middle}")
        self.shrink = shrink
        self.settings = {
            "width": width,
            "blocks": blocks,
            "shrink": shrink,
            "middle": middle,
            "ends": ends,
            "norm": norm,
        }

        def convolution(stride: int = 1) -> list[nn.Module]:
            return [nn.Conv2d(width, width, 3, stride=stride, padding=1), nn.LeakyReLU(0.2)]

        stride = 2 if shrink == 4 else 1
        layers: list[nn.Module] = [nn.Conv2d(3, width, ends, padding=ends // 2), nn.LeakyReLU(0.2)]
        layers += [layer for _ in range(middle) for layer in convolution(stride)]
        layers += [ResidualBlock(width=width, norm=norm, activation=_leaky) for _ in range(blocks)]
        layers += [layer for _ in range(middle) for layer in convolution()]
        self.body = nn.Sequential(*layers)
        self.tail = nn.Conv2d(width, 3, ends, padding=ends // 2)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def forward(self, x: Tensor) -> Tensor:
        check_input(x, self.channels)
        if x.shape[-2] % self.shrink or x.shape[-1] % self.shrink:
            raise ValueError(f"sides must be multiples of {self.shrink}, got {tuple(x.shape)}")
        skip = x if self.shrink == 1 else resize(x, 1 / self.shrink)
        return skip + self.tail(self.body(x))


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


def translator() -> Translator:
    """G1 and G2 of the paper: 611,267 parameters with their biases."""
    return Translator()


def shrinking_translator() -> Translator:
    """G3 of the paper, by 4: 611,267 parameters with their biases."""
    return Translator(shrink=4)


def translator_small(shrink: int = 1) -> Translator:
    """For a processor: three blocks of 24 maps without norm; 32,571 parameters, and as G3 53,403."""
    return Translator(width=24, blocks=3, shrink=shrink, middle=2 if shrink == 4 else 0, ends=3, norm=False)


class Camera(nn.Module):
    """G2 (Yuan et al., CVPRW 2018, fig. 2) with noise: a clean picture becomes one of the camera, each time anew.

    A translator without noise must make the grain out of the picture, and G1 then must leave something of it behind.

    Args:
        translator: what the camera does beside the noise.

    Shapes: y (N, 3, h, w) -> the same, not clamped.
    Differs from the paper: whose G2 has no noise. The noise is white, with a strength for each channel that is learned
        through its logarithm; it starts at 4.7 of 255.
    """

    channels = 3

    def __init__(self, translator: nn.Module) -> None:
        super().__init__()
        self.translator = translator
        self.log_noise = nn.Parameter(torch.full((3, 1, 1), -0.4))

    @property
    def noise(self) -> Tensor:
        """Standard deviation for each channel, 1 for white.

        Shapes: (3, 1, 1).
        """
        return (10 * self.log_noise).exp()  # ten: its logarithm shall move faster than a weight

    def forward(self, y: Tensor) -> Tensor:
        return self.translator(y) + self.noise * torch.randn_like(y)


def camera_small() -> Camera:
    """For a processor: the translator of 32,571 parameters, and the noise."""
    return Camera(translator_small())


class PatchDiscriminator(nn.Module):
    """D1 and D2: a map of logits, one for each patch of a picture (Yuan et al., CVPRW 2018, fig. 3).

    Five convolutions of 4 x 4 taps with 64, 128, 256, 512 and 1 maps; batch norm after all but the first and the last.

    Args:
        strides: of the five; (1, 1, 1, 1, 1) for D1, on small pictures, (2, 2, 2, 1, 1) for D2.
        norm: batch norm, as in the paper.
        detail: look at what a 5 x 5 mean leaves, times ten, rather than at the picture. In the first minutes a
            discriminator of pixels learns colours and contents, in which the two sets do not differ.

    Shapes: picture (N, 3, H, W) -> logits; without padding each convolution takes 3 pixels from a side before its
        stride, so that 32² gives 17² with D1, and 128² gives 8² with D2.
    Raises: ValueError for other than 3 channels.
    Differs from the paper: the padding is not stated there; here none. `detail` is ours.
    """

    channels = 3

    def __init__(
        self,
        *,
        width: int = 64,
        strides: tuple[int, ...] = (1, 1, 1, 1, 1),
        norm: bool = True,
        detail: bool = False,
    ) -> None:
        super().__init__()
        self.detail = detail
        maps = [width * 2**k for k in range(len(strides) - 1)] + [1]
        layers: list[nn.Module] = []
        before = 3
        for k, (after, stride) in enumerate(zip(maps, strides, strict=True)):
            inner = 0 < k < len(strides) - 1
            layers.append(nn.Conv2d(before, after, 4, stride=stride, bias=not (inner and norm)))
            layers += [nn.BatchNorm2d(after)] if inner and norm else []
            layers += [nn.LeakyReLU(0.2)] if after > 1 else []
            before = after
        self.body = nn.Sequential(*layers)

    def forward(self, picture: Tensor) -> Tensor:
        check_picture(picture, self.channels)
        return self.body(high_pass(picture) if self.detail else picture)


def lr_discriminator() -> PatchDiscriminator:
    """D1 of the paper, all strides 1: 2,765,633 parameters, 2,765,568 without the two biases."""
    return PatchDiscriminator()


def hr_discriminator() -> PatchDiscriminator:
    """D2 of the paper, strides 2, 2, 2, 1, 1: 2,765,633 parameters, 2,765,568 without the two biases."""
    return PatchDiscriminator(strides=(2, 2, 2, 1, 1))


def detail_discriminator(scale: int = 1) -> PatchDiscriminator:
    """For a processor: 24, 48 and 96 maps, no norm, on detail; 95,017 parameters.

    Args:
        scale: 1 for D1, whose strides are 1; else D2, with two of 2.
    """
    return PatchDiscriminator(width=24, strides=(2, 2, 1, 1) if scale > 1 else (1, 1, 1, 1), norm=False, detail=True)


class CleanThenEnlarge(nn.Module):
    """What is deployed: G1, then the network that enlarges clean pictures (Yuan et al., CVPRW 2018, eq. 7).

    Args:
        translator: G1.
        upscaler: SR, with the contract of a network: `scale`, `channels`, and `settings` where it is to be saved.

    Shapes: lr (N, 3, h, w) -> sr (N, 3, scale·h, scale·w), not clamped.
    Differs from the paper: nothing known.
    """

    channels = 3

    def __init__(self, translator: nn.Module, upscaler: nn.Module) -> None:
        super().__init__()
        self.translator, self.upscaler = translator, upscaler
        self.scale = upscaler.scale
        if hasattr(upscaler, "settings"):
            sizes = {f"sr_{name}": value for name, value in upscaler.settings.items()}
            self.settings = {name: value for name, value in translator.settings.items() if name != "shrink"} | sizes

    def forward(self, lr: Tensor) -> Tensor:
        return self.upscaler(self.translator(lr))


def cincgan_small(scale: int) -> CleanThenEnlarge:
    """The small translator before EDSR-small: 194,151 parameters at ×2, 198,486 at ×3, 204,555 at ×4."""
    return CleanThenEnlarge(translator_small(), edsr_small(scale))


def cleaned(
    *,
    scale: int,
    width: int,
    blocks: int,
    middle: int = 0,
    ends: int = 3,
    norm: bool = False,
    sr_blocks: int,
    sr_width: int,
    sr_tail: str = "light",
    sr_residual_scale: float = 1.0,
) -> CleanThenEnlarge:
    """A `Translator` before an `EDSR`, whose settings begin with `sr_`."""
    translator = Translator(width=width, blocks=blocks, middle=middle, ends=ends, norm=norm)
    sizes = {"blocks": sr_blocks, "width": sr_width, "tail": sr_tail, "residual_scale": sr_residual_scale}
    return CleanThenEnlarge(translator, EDSR(scale=scale, **sizes))
