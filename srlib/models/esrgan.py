"""ESRGAN: dense blocks inside residual blocks inside a residual network, and its discriminator."""

import math
import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.blocks import SHUFFLE_FACTORS, check_input, check_picture, check_scale, he_
from srlib.models.state import unwrapped

ENLARGE = {1: (), **SHUFFLE_FACTORS}


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


class DenseBlock(nn.Module):
    """Dense block: x + 0.2 · five convolutions, each on all results before it (Wang et al., ECCVW 2018, fig. 4).

    Shapes: (N, width, h, w) -> the same.
    Differs from the paper: nothing known. The weights start at a tenth of He's, as in the authors' code.
    """

    def __init__(self, *, width: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_conv(width + k * growth, growth if k < 4 else width) for k in range(5))
        he_(self.convs)
        with torch.no_grad():
            for conv in self.convs:
                conv.weight *= 0.1

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for conv in self.convs[:-1]:
            seen.append(F.leaky_relu(conv(torch.cat(seen, 1)), 0.2))
        return torch.add(x, self.convs[-1](torch.cat(seen, 1)), alpha=0.2)


class RRDB(nn.Module):
    """Residual in residual: x + 0.2 · (three dense blocks of x) (Wang et al., ECCVW 2018, fig. 4).

    The dense blocks add x themselves, so the sum contains 1.2 · x, as in the authors' code.

    Shapes: (N, width, h, w) -> the same.
    Differs from the paper: nothing known.
    """

    def __init__(self, *, width: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(*(DenseBlock(width=width, growth=growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.dense(x), alpha=0.2)


class Unshuffle(nn.Module):
    """Blocks of pixels become channels; a picture is first continued by its edge to whole blocks.

    Shapes: (N, C, h, w) -> (N, C·fold², ⌈h/fold⌉, ⌈w/fold⌉).
    """

    def __init__(self, *, fold: int) -> None:
        super().__init__()
        self.fold = fold

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % self.fold, 0, -height % self.fold), mode="replicate")
        return F.pixel_unshuffle(x, self.fold)


class RRDBNet(nn.Module):
    """RRDBs at low resolution, then nearest ×2 and convolution, twice for ×4 (Wang et al., ECCVW 2018, fig. 3-4).

    Args:
        growth: maps that each convolution of a dense block adds; programs that read published files assume 32.
        fold: side of the blocks of lr pixels that are unshuffled into channels at the input, which makes the body
            cheaper; the output stage then enlarges by scale · fold. Real-ESRGAN folds 2 for ×2 and 4 for ×1. A picture
            is padded with its edge to whole blocks. The result depends on where a block begins, so `multiple` tells
            `inference` the block's side.

    Shapes: lr (N, 3, h, w) in [0, 1] -> sr (N, 3, scale·h, scale·w), not clamped.
    Raises: ValueError unless scale · fold is 1, 2, 3, 4 or 8.
    Differs from the paper: the paper has ×4 only; ×2 and ×3 are as in the authors' first code; folding is from Wang et
        al., ICCVW 2021.
    """

    channels = 3

    def __init__(self, *, scale: int, blocks: int, width: int = 64, growth: int = 32, fold: int = 1) -> None:
        super().__init__()
        check_scale(scale, ENLARGE)
        if scale * fold not in ENLARGE:
            raise ValueError(f"scale · fold must be one of {', '.join(map(str, ENLARGE))}, got {scale} · {fold}")
        self.scale, self.fold, self.multiple = scale, fold, fold
        self.settings = {"blocks": blocks, "width": width, "growth": growth, "fold": fold}
        self.unshuffle = Unshuffle(fold=fold) if fold > 1 else nn.Identity()
        self.head = _conv(3 * fold**2, width)
        self.body = nn.Sequential(*(RRDB(width=width, growth=growth) for _ in range(blocks)), _conv(width, width))
        stages = [
            [nn.Upsample(scale_factor=factor), _conv(width, width), nn.LeakyReLU(0.2)]
            for factor in ENLARGE[scale * fold]
        ]
        self.enlarge = nn.Sequential(*sum(stages, []))
        self.tail = nn.Sequential(_conv(width, width), nn.LeakyReLU(0.2), _conv(width, 3))

    def forward(self, lr: Tensor) -> Tensor:
        check_input(lr, self.channels)
        x = self.head(self.unshuffle(lr))
        x = x + self.body(x)
        sr = self.tail(self.enlarge(x))
        height, width = lr.shape[-2:]
        return sr if self.fold == 1 else sr[..., : self.scale * height, : self.scale * width]


def rrdbnet(scale: int = 4) -> RRDBNet:
    """The paper's size, 23 blocks of width 64: 16,697,987 parameters at ×4.

    Folded as in Real-ESRGAN: 16,703,171 at ×2 and 16,723,907 at ×1. At ×3, with one upsampling stage: 16,661,059.
    """
    return RRDBNet(scale=scale, blocks=23, fold={1: 4, 2: 2}.get(scale, 1))


def rrdb_small(scale: int = 4) -> RRDBNet:
    """For a laptop, 3 blocks of width 32 and growth 16: 578,755 parameters at ×4, 569,507 at ×2 and ×3.

    This size is ours, not the paper's. Other programs that read ESRGAN files, such as spandrel, take a growth of 32 for
    granted; `srlib export --format basicsr --growth 32` fills the dense blocks up with zeros for them.
    """
    return RRDBNet(scale=scale, blocks=3, width=32, growth=16)


class VGGDiscriminator(nn.Module):
    """Pairs of convolutions down to 4² positions, then two dense layers (Wang et al., ECCVW 2018).

    Args:
        size: side of the pictures: 8, 16, 32, 64, 128, ... Each doubling adds one pair.

    Shapes: picture (N, 3, size, size) -> logits (N, 1).
    Raises: ValueError for another size, and for a picture of another size.
    Differs from the paper: the layers are those of the authors' code, here also for sizes other than 128 and 256; it
        returns logits, and the sigmoid is in the loss.
    """

    channels = 3

    def __init__(self, *, size: int = 128, width: int = 64) -> None:
        super().__init__()
        pairs = round(math.log2(size / 4)) if size > 4 else 0
        if pairs < 1 or size != 4 * 2**pairs:
            raise ValueError(f"size must be 8, 16, 32, 64, 128 or a further doubling, got {size}")
        self.size = size
        layers, before = [], 3
        for k in range(pairs):
            maps = width * min(2**k, 8)
            layers += [nn.Conv2d(before, maps, 3, padding=1, bias=k == 0), *_norm(maps, k > 0)]
            layers += [nn.Conv2d(maps, maps, 4, stride=2, padding=1, bias=False), *_norm(maps)]
            before = maps
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(before * 16, 100), nn.LeakyReLU(0.2), nn.Linear(100, 1))

    def forward(self, picture: Tensor) -> Tensor:
        check_picture(picture, self.channels, self.size)
        return self.head(self.body(picture).flatten(1))


def _norm(maps: int, norm: bool = True) -> list[nn.Module]:
    return [*([nn.BatchNorm2d(maps)] if norm else []), nn.LeakyReLU(0.2)]


def esrgan_discriminator(size: int = 128) -> VGGDiscriminator:
    """The authors' discriminator: 14,499,401 parameters for 128² pixels, 21,055,049 for 256².

    Raises: as `VGGDiscriminator`.
    """
    return VGGDiscriminator(size=size)


# Layer names in published files: of ESRGAN's first code (model.*), of its second, and of BasicSR.
_DENSE = re.compile(r"(?:model\.1\.sub|RRDB_trunk|body)\.(\d+)\.(?:RDB|rdb)([123])\.conv([1-5])(?:\.0)?")
_FLAT = re.compile(r"model\.(\d+)(?:\.sub\.(\d+))?")
_ENLARGE = re.compile(r"(?:upconv|conv_up)([1-9])")
_OTHERS = {"conv_first": "head", "HRconv": "tail.0", "conv_hr": "tail.0", "conv_last": "tail.2"}


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a published ESRGAN or Real-ESRGAN for `RRDBNet`.

    `net.load_state_dict(from_official(torch.load("RRDB_ESRGAN_x4.pth", weights_only=True)))`, or, on the command line,
    `srlib convert RRDB_ESRGAN_x4.pth esrgan_x4.safetensors`.

    Args:
        state: with the names of ESRGAN's first code (`model.1.sub.0.RDB1.conv1.0.weight`), of its second
            (`RRDB_trunk.0.RDB1.conv1.weight`), or of BasicSR (`body.0.rdb1.conv1.weight`), also inside `params`,
            `params_ema` and others, see `unwrapped`; or of `RRDBNet`, which is returned as it is.

    Raises: ValueError for a name that is none of these.
    """
    state = unwrapped(state)
    layers = {name: name.rpartition(".")[0] for name in state}
    if {"head", "tail.0"} <= set(layers.values()):
        return state
    blocks = 1 + max((int(found[1]) for layer in layers.values() if (found := _DENSE.fullmatch(layer))), default=-1)
    last = max((int(found[1]) for layer in layers.values() if (found := _FLAT.fullmatch(layer))), default=0)
    return {_ours(layer, blocks, last) + name[name.rindex(".") :]: state[name] for name, layer in layers.items()}


def _ours(layer: str, blocks: int, last: int) -> str:
    """Our name for a layer of a published network; `last`: the last index `model.N` of ESRGAN's first code."""
    if found := _DENSE.fullmatch(layer):
        block, dense, conv = map(int, found.groups())
        return f"body.{block}.dense.{dense - 1}.convs.{conv - 1}"
    if layer in ("trunk_conv", "conv_body", f"model.1.sub.{blocks}"):
        return f"body.{blocks}"
    if layer in _OTHERS:
        return _OTHERS[layer]
    if found := _ENLARGE.fullmatch(layer):
        return f"enlarge.{3 * int(found[1]) - 2}"
    if (found := _FLAT.fullmatch(layer)) and found[2] is None:
        place = int(found[1])  # 0 the head, 1 the body, then the upsampling and the three layers of the tail
        return "head" if place == 0 else f"enlarge.{place - 2}" if place < last - 2 else f"tail.{place - last + 2}"
    raise ValueError(f"{layer!r} is no layer of a published ESRGAN; see the docstring of from_official for its names")


def settings_of(state: Mapping[str, Tensor]) -> dict[str, int]:
    """The arguments of the `RRDBNet` that holds these weights, by our names, scale included, read off their shapes.

    One stage of upsampling is taken for ×2; ×3 has the same shapes.

    Raises: ValueError for pictures that are neither RGB nor RGB unshuffled.
    """
    width, channels = state["head.weight"].shape[0], state["head.weight"].shape[1]
    fold = math.isqrt(channels // 3)
    blocks = sum(name.endswith(".dense.0.convs.0.weight") for name in state)
    fine = 2 ** sum(name.startswith("enlarge.") and name.endswith(".weight") for name in state)
    if channels != 3 * fold**2 or fine % fold:
        raise ValueError(f"its first layer takes {channels} channels; RGB has 3, 12 when unshuffled by 2, 48 by 4")
    growth = state["body.0.dense.0.convs.0.weight"].shape[0]
    return {"scale": fine // fold, "blocks": blocks, "width": width, "growth": growth, "fold": fold}
