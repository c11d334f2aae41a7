"""The assignment on networks: field and work, shuffle and ICNR, folded norms, tiles, trained weights."""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from srlib.degradations import Blur, gaussian_kernel
from srlib.grading.questions import Assignment, FunctionQuestion, MeasuredQuestion, Mistake
from srlib.images import quantised
from srlib.metrics import PAPER
from srlib.models.compact import Compact
from srlib.resample import resize


def _field_and_work(stride: str = "before", at: str = "output", bias: int = 0, up: bool = True) -> Callable:
    """The receptive field and the multiply-adds; with other strides in a step, counted at other pixels, or biases."""

    def count(layers: Sequence[tuple], height: int, width: int) -> tuple[int, int]:
        field, step, work, size = 1, 1, 0, (height, width)
        for kernel, by, maps_in, maps_out in layers:
            own = step * by if stride == "own" else step
            field += (kernel - 1) * (1 if stride == "none" else own)
            step *= by
            after = tuple(-(-n // by) if up else n // by for n in size)
            rows, columns = {"output": after, "input": size, "first": (height, width)}[at]
            work += rows * columns * maps_out * (kernel**2 * maps_in + bias)
            size = after
        return field, work

    return count


def _layers(generator: Generator) -> Sequence[tuple]:
    probes = [([(5, 2, 3, 4), (3, 1, 4, 6), (1, 2, 6, 2), (3, 3, 2, 5)], 21, 13)]
    for count in (2, 3, 4, 5):
        kernels = (1 + 2 * torch.randint(4, (count,), generator=generator)).tolist()
        strides = torch.randint(1, 4, (count,), generator=generator).tolist()
        maps = torch.randint(1, 10, (count + 1,), generator=generator).tolist()
        height, width = torch.randint(9, 25, (2,), generator=generator).tolist()
        probes.append((list(zip(kernels, strides, maps[:-1], maps[1:], strict=True)), height, width))
    return probes


_STARTS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "right": lambda w, places: w[::places].repeat_interleave(places, 0),
    "row": lambda w, places: w[::places].repeat(places, 1, 1, 1),
    "few": lambda w, places: w[: len(w) // places].repeat_interleave(places, 0),
    "mean": lambda w, places: w.unflatten(0, (-1, places)).mean(1).repeat_interleave(places, 0),
    "none": lambda w, places: w.clone(),
}


def _shuffled(split: str = "cij", order: str = "ncyixj", start: str = "right", turned: bool = False) -> Callable:
    """The shuffle by letters: how the maps split (c channel, i row, j column), and the order with y, x; and a start."""

    def both(x: Tensor, weight: Tensor, scale: tuple[int, int]) -> tuple[Tensor, Tensor]:
        down, right = reversed(scale) if turned else scale
        n, maps, height, width = x.shape
        sizes = {"n": n, "c": maps // (down * right), "i": down, "j": right, "y": height, "x": width}
        letters = "n" + split + "yx"
        blocks = x.reshape([sizes[letter] for letter in letters]).permute([letters.index(letter) for letter in order])
        return blocks.reshape(n, sizes["c"], down * height, right * width), _STARTS[start](weight, down * right)

    return both


def _maps(generator: Generator) -> Sequence[tuple]:
    probes = []
    for n, channels, *scale in (2, 2, 2, 3), (1, 3, 3, 2), (1, 2, 2, 2), (2, 3, 1, 3):
        maps = channels * scale[0] * scale[1]
        x = torch.randn(n, maps, 3 + n, 7, generator=generator)
        probes.append((x, torch.randn(maps, n, 3, 3, generator=generator), tuple(scale)))
    return probes


def _folded(lost: str = "") -> Callable:
    """Fold the norm net[1] into net[0], with one part left out; without the axis, always along the first."""

    @torch.no_grad()
    def fold(net: nn.Sequential) -> tuple[Tensor, Tensor]:
        layer, norm = net
        spread = norm.running_var + (0 if lost == "eps" else norm.eps)
        factor = norm.weight / (spread if lost == "root" else spread.sqrt())
        along = 1 if isinstance(layer, nn.ConvTranspose2d) and lost != "axis" else 0
        weight = (layer.weight.movedim(along, -1) * factor).movedim(-1, along)
        bias = torch.zeros_like(factor) if layer.bias is None or lost == "bias" else layer.bias
        bias = bias if lost == "mean" else bias - norm.running_mean
        return weight, bias * factor + (0 if lost == "beta" else norm.bias)

    return fold


def _normed(generator: Generator) -> Sequence[tuple]:
    norm, turned = nn.BatchNorm2d, nn.ConvTranspose2d
    with torch.random.fork_rng(devices=[]):  # layers draw from torch's own generator as they are built
        nets = [
            nn.Sequential(nn.Conv2d(2, 5, 3), norm(5, eps=1e-3)),
            nn.Sequential(nn.Conv2d(4, 3, (1, 3), bias=False), norm(3)),
            nn.Sequential(turned(4, 4, 2, stride=2), norm(4, eps=0.1)),
            nn.Sequential(turned(3, 3, 3, bias=False), norm(3, eps=1e-2)),
        ]
    return [(_fill(net, generator),) for net in nets]


@torch.no_grad()
def _fill(net: nn.Sequential, generator: Generator, decimals: int = 9) -> nn.Sequential:
    """Weights, biases and statistics from the generator; a layer about keeps the size of its input."""
    net.eval().requires_grad_(False)
    for layer in net:
        for p in layer.parameters():
            share = p[0].numel() ** -0.5 if p.ndim == 4 else 0.5
            p.copy_(share * torch.randn(p.shape, generator=generator))
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(generator=generator)
            layer.running_var.uniform_(0.01, 0.26, generator=generator)
    for value in net.state_dict().values():
        value.copy_(value.double().round(decimals=decimals))
    return net


def _halo(before: Sequence[int], after: Sequence[int], scale: int) -> int:
    """The halo in lr pixels: radii of the kernels before the shuffle, and those after it, in sr pixels."""
    return sum(before) - (-sum(after) // scale)


def _tiled(halo: Callable[..., int] = _halo) -> Callable:
    """The picture in tiles, and what the network was given, with another halo."""

    @torch.no_grad()
    def tiles(net: nn.Sequential, lr: Tensor, tile: int) -> tuple[Tensor, Tensor]:
        before, after, scale = [], [], 1
        for layer in net:
            if isinstance(layer, nn.Conv2d):
                (before if scale == 1 else after).append(layer.kernel_size[0] // 2)
            scale = layer.upscale_factor if isinstance(layer, nn.PixelShuffle) else scale
        m, rows, places = halo(before, after, scale), [], []
        spans = [[(max(0, a - m), a, min(n, a + tile), min(n, a + tile + m)) for a in range(0, n, tile)]
                 for n in lr.shape[-2:]]  # fmt: skip
        for first, top, bottom, last in spans[0]:
            row = []
            for start, left, right, end in spans[1]:
                piece = net(lr[..., first:last, start:end])[..., scale * (top - first) : scale * (bottom - first), :]
                row.append(piece[..., scale * (left - start) : scale * (right - start)])
                places.append((first, last, start, end))
            rows.append(torch.cat(row, -1))
        return torch.cat(rows, -2), torch.tensor(places)

    return tiles


def _nets(generator: Generator) -> Sequence[tuple]:
    bent = nn.LeakyReLU(0.2)
    with torch.random.fork_rng(devices=[]):
        one = nn.Sequential(_conv(1, 6, 3), nn.ReLU(), _conv(6, 4, 3), nn.PixelShuffle(2))
        two = nn.Sequential(_conv(2, 5, 5), bent, _conv(5, 5, 1), _conv(5, 8, 3), nn.PixelShuffle(2), _conv(2, 2, 5))
        three = nn.Sequential(_conv(1, 6, 3), bent, _conv(6, 9, 3), nn.PixelShuffle(3), _conv(1, 2, 3), _conv(2, 1, 3))
    cases = (one, (1, 1, 12, 17), 4), (two, (2, 2, 19, 13), 5), (three, (1, 1, 14, 11), 3), (two, (1, 2, 9, 11), 20)
    return [(_fill(net, generator), torch.rand(shape, generator=generator), tile) for net, shape, tile in cases]


def _conv(channels_in: int, channels_out: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)


SCALE, SIGMA = 2, (1.0, 1.6)
RANGES = {"width": range(4, 49), "convolutions": range(1, 17)}  # of the header's settings


def degraded(hr: Tensor, sigma: float) -> Tensor:
    """What the networks are given: blurred, the mean of every 2 × 2 pixels, rounded to 8 bits."""
    return quantised(F.avg_pool2d(Blur(gaussian_kernel(sigma))(hr), SCALE))


@torch.no_grad()
def _measure(apply: Callable, pictures: Sequence[Tensor], generator: Generator) -> tuple[float, str]:
    scores = []
    for picture in pictures:
        hr = PAPER.convert(picture[None])
        sigma = SIGMA[0] + (SIGMA[1] - SIGMA[0]) * float(torch.rand((), generator=generator))
        scores.append(float(PAPER.psnr(apply(degraded(hr, sigma)), hr, SCALE)))
    return sum(scores) / len(scores), ""


def network(settings: Mapping[str, str]) -> Compact:
    """A small `Compact` on luma, from `width` and `convolutions` in the header; ValueError if they make no sense."""
    for name, allowed in RANGES.items():
        if settings.get(name) not in map(str, allowed):
            raise ValueError(f"{name} must be {allowed[0]} to {allowed[-1]}, got {str(settings.get(name))[:40]!r}")
    return Compact(scale=SCALE, channels=1, **{name: int(settings[name]) for name in RANGES})


with torch.random.fork_rng(devices=[]):
    _ONE_LAYER = _fill(nn.Sequential(_conv(1, 4, 3), nn.PixelShuffle(2)), Generator().manual_seed(1), 1)
    _ONE_NORM = _fill(nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2, eps=0.1)), Generator().manual_seed(1), 1)


def _named(share: float, make: Callable, mistakes: dict) -> dict[str, Mistake]:
    """Mistakes of equal worth: hint -> the option, or a dictionary of options, of `make`."""
    return {hint: Mistake(make(**v) if isinstance(v, dict) else make(v), share) for hint, v in mistakes.items()}


# fmt: off
_FIELD = _named(0.4, _field_and_work, {
    "the strides are missing, in the field and in the work: behind a stride pixels lie further apart.":
        {"stride": "none", "at": "first"},
    "the field ignores the strides: k − 1 steps of a layer are as long as all strides before it.": {"stride": "none"},
    "the work ignores the strides: each leaves fewer pixels at which a layer is computed.": {"at": "first"},
    "a layer's own stride was counted into its step; it makes the steps of later layers longer.": {"stride": "own"},
    "each layer was counted at the pixels of its input; it is computed at those of its output.": {"at": "input"},
}) | _named(0.5, _field_and_work, {
    "the biases were counted; they are added, and nothing is multiplied.": {"bias": 1},
    "the sizes were rounded down; with padding k // 2, a stride s leaves ⌈n / s⌉ of n rows.": {"up": False},
})
_SHUFFLE = _named(0.4, _shuffled, {
    "the maps are read with the channel last, as TensorFlow does; it comes first: c·r·q + i·q + j.": {"split": "ijc"},
    "the phases are transposed: in c·r·q + i·q + j the row i is the slower one.": {"split": "cji"},
    "the maps lie side by side, as r·q small pictures: h comes before r, and w before q.": {"order": "nciyjx"},
    "the factors are swapped: the first one is for the rows.": {"turned": True},
    "the new weight repeats the maps in a row, 0 1 2 0 1 2 …: a block needs one map r·q times.": {"start": "row"},
    "the new weight keeps the first C maps, which lie in the first blocks; keep the first of each.": {"start": "few"},
    "the new weight has the mean of each block, which is smaller than what was drawn; copy one.": {"start": "mean"},
    "the shuffle is right, but the weight is as it was: the places of a block differ.": {"start": "none"},
})
_FOLD = _named(0.5, _folded, {
    "ε is lost: the norm divides by √(variance + ε), another number where a map hardly varies.": "eps",
    "the bias of the convolution is lost: the norm gets w * x + b, so b is moved and scaled too.": "bias",
    "the weight of a transposed convolution has its outputs along axis 1, and axis 0 was scaled.": "axis",
}) | _named(0.4, _folded, {
    "the mean is lost: the norm subtracts it before it scales.": "mean",
    "β is lost: the norm adds it at the end.": "beta",
    "the root is missing: the norm divides by the standard deviation, not by the variance.": "root",
})
_TILES = _named(0.3, _tiled, {
    "no halo: the network pads with zeros where the picture goes on, and each tile has a seam.": lambda b, a, s: 0,
    "the halo is one pixel too small: the rim of each tile misses part of what it looks at.": lambda *x: _halo(*x) - 1,
    "the halo is that of the largest kernel; the radii of all layers add up.": lambda b, a, s: max(b),
    "the layers after the shuffle look around, too: r pixels of theirs are r / s of lr.": lambda b, a, s: sum(b),
    "the radius after the shuffle was rounded down; a part needs a whole pixel.": lambda b, a, s: sum(b) + sum(a) // s,
}) | _named(0.7, _tiled, {
    "no seam, but too much work: the radius after the shuffle is in sr pixels, which are s times smaller.":
        lambda b, a, s: sum(b) + sum(a),
    "no seam, but too much work: a kernel of side k looks (k − 1) / 2 to each side, not k − 1.":
        lambda b, a, s: _halo([2 * r for r in b], [2 * r for r in a], s),
    "no seam, but too much work: each radius after the shuffle was rounded up; round their sum.":
        lambda b, a, s: sum(b) + sum(-(-r // s) for r in a),
})
_FIELD_EXAMPLE = ([(5, 2, 1, 4), (3, 1, 4, 2)], 7, 6)
_SHUFFLE_EXAMPLE = (torch.arange(24.0).view(1, 12, 1, 2), torch.arange(12.0).view(12, 1, 1, 1), (2, 3))
_TILES_EXAMPLE = (_ONE_LAYER, torch.arange(20.0).view(1, 1, 5, 4) / 20, 3)
ASSIGNMENT = Assignment("networks", "Networks: how far they look, and what they cost", (
    FunctionQuestion("field_and_work", 3, _field_and_work(), _layers, [_FIELD_EXAMPLE], _FIELD, tolerance=0.5),
    FunctionQuestion("shuffle_and_start", 4, _shuffled(), _maps, [_SHUFFLE_EXAMPLE], _SHUFFLE),
    FunctionQuestion("folded", 4, _folded(), _normed, [(_ONE_NORM,)], _FOLD),
    FunctionQuestion("in_tiles", 4, _tiled(), _nets, [_TILES_EXAMPLE], _TILES, tolerance=1e-5),
    MeasuredQuestion("blurred_x2", 5, _measure, lambda lr: resize(lr, SCALE), network=network, parameters=25_000,
                     settings=(*RANGES,)),
))
# fmt: on
