"""SRGAN: the generator SRResNet, of residual blocks with batch norm and pixel shuffles, and the discriminator."""

import math
import re
from collections.abc import Mapping

from torch import Tensor, nn

from srlib.models.blocks import ResidualBlock, check_input, check_picture, upsampler
from srlib.models.state import unwrapped


class SRResNet(nn.Module):
    """Residual blocks with batch norm and PReLU, one long skip, pixel shuffles (Ledig et al., CVPR 2017, fig. 4).

    Args:
        blocks: residual blocks (B in the paper).

    Shapes: lr (N, 3, h, w) in [0, 1] -> sr (N, 3, scale·h, scale·w), not clamped.
    Raises: ValueError unless scale is 2, 3, 4 or 8.
    Differs from the paper: sr lies in [0, 1] here, in [-1, 1] there; the paper has ×4 only. Each PReLU has one slope;
        with one slope per feature map there would be 1,550,659 parameters at ×4 and 1,402,883 at ×2.
    """

    channels = 3

    def __init__(self, *, scale: int = 4, width: int = 64, blocks: int = 16) -> None:
        super().__init__()
        self.scale = scale
        self.settings = {"width": width, "blocks": blocks}
        self.head = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.PReLU())
        residuals = [ResidualBlock(width=width, norm=True, activation=nn.PReLU) for _ in range(blocks)]
        self.body = nn.Sequential(*residuals, nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width))
        self.upsample = upsampler(scale, width, nn.PReLU)
        self.tail = nn.Conv2d(width, 3, 9, padding=4)

    def forward(self, lr: Tensor) -> Tensor:
        check_input(lr, self.channels)
        x = self.head(lr)
        x = x + self.body(x)
        return self.tail(self.upsample(x))  # (N, width, h, w) -> (N, 3, s·h, s·w)


def srresnet(scale: int = 4) -> SRResNet:
    """SRResNet with 16 blocks of 64 maps: 1,549,462 parameters at ×4, 1,401,749 at ×2, 1,586,389 at ×3."""
    return SRResNet(scale=scale)


class Discriminator(nn.Module):
    """Discriminator: eight convolutions, four of stride 2, then a head (Ledig et al., CVPR 2017, fig. 4).

    Args:
        size: side of the pictures, for the paper's dense head, which takes no other size. None: the same head at every
            position, which gives a map of logits for a picture of any size; its receptive field is 61² pixels.
        norm: batch norm after all convolutions but the first, as in the paper.

    Shapes: picture (N, 3, H, W) -> logits (N, 1), or (N, 1, ⌈H/16⌉, ⌈W/16⌉) for size None.
    Raises: ValueError for a picture of another size.
    Differs from the paper: it returns logits, and the sigmoid is in the loss; pictures in [0, 1], not [−1, 1]; the
        paper has no map of logits. All convolutions have biases; without those before batch norm there would be
        23,563,649 parameters.
    """

    channels = 3

    def __init__(self, *, size: int | None = 96, width: int = 64, norm: bool = True) -> None:
        super().__init__()
        self.size = size
        layers, before = [], 3
        for k in range(8):
            maps = width * 2 ** (k // 2)
            layers.append(nn.Conv2d(before, maps, 3, stride=1 + k % 2, padding=1))
            if norm and k > 0:
                layers.append(nn.BatchNorm2d(maps))
            layers.append(nn.LeakyReLU(0.2))
            before = maps
        self.body = nn.Sequential(*layers)
        if size is None:
            ends = nn.Conv2d(before, 2 * before, 1), nn.Conv2d(2 * before, 1, 1)
        else:
            ends = nn.Linear(before * math.ceil(size / 16) ** 2, 2 * before), nn.Linear(2 * before, 1)
        self.head = nn.Sequential(ends[0], nn.LeakyReLU(0.2), ends[1])

    def forward(self, picture: Tensor) -> Tensor:
        check_picture(picture, self.channels, self.size)
        x = self.body(picture)
        return self.head(x if self.size is None else x.flatten(1))


def srgan_discriminator(size: int | None = 96) -> Discriminator:
    """The paper's discriminator: 23,565,505 parameters for 96² pixels, 5,215,425 for pictures of any size (None)."""
    return Discriminator(size=size)


# Layer names of SRGAN-PyTorch, the one well-known code whose generator is the paper's, and ends in [0, 1] as ours does.
_BLOCK = re.compile(r"trunk\.(\d+)\.rcb\.([0-4])")
_INSIDE = ("conv1", "norm1", "activation", "conv2", "norm2")
_ENDS = re.compile(r"conv(?:_block)?([123])(?:\.([01]))?")
_UPSAMPLE = re.compile(r"upsampling\.(\d+)\.upsample_block\.([02])")


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a published SRResNet, or of an SRGAN's generator, for `SRResNet`.

    Convolutions before batch norm have no biases there, and zeros here. That code cuts its result to [0, 1]; `SRResNet`
    leaves this to whoever writes the picture.

    Args:
        state: with the names of SRGAN-PyTorch (`trunk.0.rcb.0.weight`), see also `unwrapped`; or of `SRResNet`, which
            is returned as it is.

    Raises: ValueError for a name that is none of these, such as those of BasicSR's MSRResNet: that is another network,
        without batch norm, which adds the bilinear enlargement.
    Source: https://github.com/Lornatang/SRGAN-PyTorch
    """
    state = unwrapped(state)
    if "head.0.weight" in state:
        return state
    if "conv_hr.weight" in state:
        raise ValueError("it is BasicSR's MSRResNet, without batch norm: another network than SRResNet, not read here")
    blocks = 1 + max((int(found[1]) for name in state if (found := re.match(r"trunk\.(\d+)\.", name))), default=-1)
    found = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        ours = _ours(layer, blocks)
        found[f"{ours}.{kind}"] = value
        if kind == "weight" and value.ndim == 4 and f"{layer}.bias" not in state:
            found[f"{ours}.bias"] = value.new_zeros(len(value))
    return found


def _ours(layer: str, blocks: int) -> str:
    """Our name for a layer of a published SRResNet."""
    if found := _BLOCK.fullmatch(layer):
        return f"body.{found[1]}.{_INSIDE[int(found[2])]}"
    if found := _UPSAMPLE.fullmatch(layer):
        return f"upsample.{3 * int(found[1]) + int(found[2])}"
    if found := _ENDS.fullmatch(layer):
        place, inside = int(found[1]), int(found[2] or 0)
        return {1: f"head.{inside}", 2: f"body.{blocks + inside}", 3: "tail"}[place]
    raise ValueError(f"{layer!r} is no layer of a published SRResNet; see the docstring of from_official for its names")


def settings_of(state: Mapping[str, Tensor]) -> dict[str, int]:
    """The arguments of the `SRResNet` that holds these weights, by our names, scale included, read off their shapes."""
    width = state["head.0.weight"].shape[0]
    blocks = sum(bool(re.fullmatch(r"body\.\d+\.conv1\.weight", name)) for name in state)
    upsampling = [value for name, value in state.items() if re.fullmatch(r"upsample\.\d+\.weight", name)]
    factor = round((state["upsample.0.weight"].shape[0] / width) ** 0.5)
    return {"scale": factor ** sum(value.ndim == 4 for value in upsampling), "width": width, "blocks": blocks}
