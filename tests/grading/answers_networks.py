"""Answers to the assignment on networks as students write them: right in other styles, wrong, the named mistakes."""

STYLES: dict[str, dict[str, str]] = {
    "field_and_work": {
        "loops": """
def field_and_work(layers, height, width):
    field = 1
    for number in range(len(layers)):
        product = 1
        for before in range(number):
            product = product * layers[before][1]
        field = field + (layers[number][0] - 1) * product
    total = 0
    rows = height
    columns = width
    for kernel, stride, a, b in layers:
        pad = kernel // 2
        rows = (rows + 2 * pad - kernel) // stride + 1
        columns = (columns + 2 * pad - kernel) // stride + 1
        for _ in range(b):
            total += rows * columns * kernel * kernel * a
    return field, total
""",
        "numpy": """
import numpy as np

def field_and_work(layers, height, width):
    k, s, a, b = np.array(layers, dtype=np.int64).T
    steps = np.concatenate([[1], np.cumprod(s)[:-1]])
    sizes = []
    for by in s:
        height, width = int(np.ceil(height / by)), int(np.ceil(width / by))
        sizes.append(height * width)
    return np.array(1 + ((k - 1) * steps).sum()), np.array((np.array(sizes) * k**2 * a * b).sum())
""",
        "lists": """
def field_and_work(layers, height, width):
    kernels, strides, before, after = map(list, zip(*layers))
    step, field, work = [1], 1, []
    for stride in strides:
        step.append(step[-1] * stride)
    field += sum([(k - 1) * j for k, j in zip(kernels, step)])
    for k, s, a, b in zip(kernels, strides, before, after):
        height, width = len(range(0, height, s)), len(range(0, width, s))
        work.append(k * k * a * b * height * width)
    return [field, sum(work)][0], float(sum(work))
""",
    },
    "shuffle_and_start": {
        "loops": """
import torch

def shuffle_and_start(x, weight, scale):
    r, q = scale
    n, maps, h, w = x.shape
    out = torch.zeros(n, maps // (r * q), r * h, q * w)
    for c in range(maps // (r * q)):
        for i in range(r):
            for j in range(q):
                for y in range(h):
                    for z in range(w):
                        out[:, c, r * y + i, q * z + j] = x[:, c * r * q + i * q + j, y, z]
    start = torch.zeros(weight.shape)
    for m in range(maps):
        start[m] = weight[m - m % (r * q)]
    return out, start
""",
        "numpy": """
import numpy as np

def shuffle_and_start(x, weight, scale):
    r, q = scale
    x, weight = np.asarray(x), np.asarray(weight)
    n, maps, h, w = x.shape
    out = np.empty((n, maps // (r * q), r * h, q * w))
    for i in range(r):
        for j in range(q):
            out[:, :, i::r, j::q] = x[:, i * q + j :: r * q]
    return out, np.repeat(weight[:: r * q], r * q, axis=0)
""",
        "lists": """
import torch

def shuffle_and_start(x, weight, scale):
    r, q = scale
    pictures = []
    for picture in x:
        channels = []
        for c in range(0, len(picture), r * q):
            rows = []
            for y in range(picture.shape[1]):
                for i in range(r):
                    parts = [picture[c + i * q + j, y] for j in range(q)]
                    rows.append([float(p[z]) for z in range(picture.shape[2]) for p in parts])
            channels.append(rows)
        pictures.append(channels)
    kept = weight.tolist()
    return torch.tensor(pictures), torch.tensor([kept[m // (r * q) * r * q] for m in range(len(kept))])
""",
    },
    "folded": {
        "loops": """
import torch

def folded(net):
    layer, norm = net[0], net[1]
    weight = layer.weight.detach().clone()
    bias = torch.zeros(len(norm.weight))
    for c in range(len(norm.weight)):
        factor = norm.weight[c] / torch.sqrt(norm.running_var[c] + norm.eps)
        if isinstance(layer, torch.nn.ConvTranspose2d):
            weight[:, c] *= factor
        else:
            weight[c] *= factor
        old = 0.0 if layer.bias is None else layer.bias[c]
        bias[c] = norm.bias[c] + factor * (old - norm.running_mean[c])
    return weight, bias
""",
        "numpy": """
import numpy as np
import torch

def folded(net):
    conv, bn = net
    w = conv.weight.detach().numpy().astype(np.float64)
    g, b, m, v = (t.detach().numpy().astype(np.float64) for t in (bn.weight, bn.bias, bn.running_mean, bn.running_var))
    f = g / np.sqrt(v + bn.eps)
    if type(conv) is torch.nn.ConvTranspose2d:
        w = w * f[None, :, None, None]
    else:
        w = np.einsum("oikl,o->oikl", w, f)
    old = np.zeros_like(f) if conv.bias is None else conv.bias.detach().numpy()
    return w, b + f * (old - m)
""",
        "lists": """
import math
import torch

def folded(net):
    norm, turned = net[1], isinstance(net[0], torch.nn.ConvTranspose2d)
    maps = range(norm.num_features)
    factors = [norm.weight[c].item() / math.sqrt(norm.running_var[c].item() + norm.eps) for c in maps]
    rows = net[0].weight.detach().transpose(0, 1) if turned else net[0].weight.detach()
    weight = torch.stack([row * f for row, f in zip(rows, factors)])
    old = [0.0] * len(factors) if net[0].bias is None else net[0].bias.tolist()
    bias = [(old[c] - norm.running_mean[c].item()) * factors[c] + norm.bias[c].item() for c in maps]
    return (weight.transpose(0, 1) if turned else weight), bias
""",
    },
    "in_tiles": {
        "loops": """
import math
import torch

def in_tiles(net, lr, tile):
    s = [layer for layer in net if isinstance(layer, torch.nn.PixelShuffle)][0].upscale_factor
    reach, unit = 0.0, 1.0
    for layer in net:
        if isinstance(layer, torch.nn.PixelShuffle):
            unit = 1 / s
        if isinstance(layer, torch.nn.Conv2d):
            reach += layer.padding[0] * unit
    m = math.ceil(reach - 1e-9)
    h, w = lr.shape[2:]
    strips, places = [], []
    top = 0
    while top < h:
        strip, left = [], 0
        while left < w:
            box = [max(top - m, 0), min(top + tile + m, h), max(left - m, 0), min(left + tile + m, w)]
            with torch.no_grad():
                got = net(lr[:, :, box[0] : box[1], box[2] : box[3]])
            y, x = (top - box[0]) * s, (left - box[2]) * s
            strip.append(got[:, :, y : y + s * min(tile, h - top), x : x + s * min(tile, w - left)])
            places.append(box)
            left += tile
        strips.append(torch.cat(strip, 3))
        top += tile
    return torch.cat(strips, 2), torch.tensor(places)
""",
        "numpy": """
import numpy as np
import torch

def in_tiles(net, lr, tile):
    where = [type(layer).__name__ for layer in net].index("PixelShuffle")
    s = net[where].upscale_factor
    radius = lambda part: sum(layer.kernel_size[0] // 2 for layer in part if hasattr(layer, "kernel_size"))
    m = radius(net[:where]) + int(np.ceil(radius(net[where:]) / s))
    h, w = lr.shape[-2:]
    sr, places = None, []
    for y in np.arange(0, h, tile):
        for x in np.arange(0, w, tile):
            a, b = np.clip([y - m, y + tile + m], 0, h)
            c, d = np.clip([x - m, x + tile + m], 0, w)
            with torch.no_grad():
                got = net(lr[..., a:b, c:d]).numpy()
            if sr is None:
                sr = np.zeros((*got.shape[:2], s * h, s * w))
            kept = got[..., s * (y - a) :, s * (x - c) :][..., : s * tile, : s * tile]
            kept = kept[..., : s * (h - y), : s * (w - x)]
            sr[..., s * y : s * y + kept.shape[-2], s * x : s * x + kept.shape[-1]] = kept
            places.append((a, b, c, d))
    return sr, np.array(places)
""",
        "lists": """
import torch
from torch import nn

def in_tiles(net, lr, tile):
    names = [isinstance(layer, nn.PixelShuffle) for layer in net]
    at = names.index(True)
    s, sides = net[at].upscale_factor, [getattr(layer, "kernel_size", (1, 1))[0] for layer in net]
    m = sum((k - 1) // 2 for k in sides[:at]) + (sum((k - 1) // 2 for k in sides[at:]) + s - 1) // s
    h, w = lr.shape[-2:]
    rows = [(max(0, a - m), min(h, a + tile + m), a, min(h, a + tile)) for a in range(0, h, tile)]
    columns = [(max(0, a - m), min(w, a + tile + m), a, min(w, a + tile)) for a in range(0, w, tile)]
    with torch.no_grad():
        pieces = [[net(lr[..., r[0] : r[1], c[0] : c[1]]) for c in columns] for r in rows]
    cut = [
        [
            p[..., s * (r[2] - r[0]) : s * (r[3] - r[0]), s * (c[2] - c[0]) : s * (c[3] - c[0])]
            for p, c in zip(line, columns)
        ]
        for line, r in zip(pieces, rows)
    ]
    sr = torch.cat([torch.cat(line, -1) for line in cut], -2)
    return sr, [[*r[:2], *c[:2]] for r in rows for c in columns]
""",
    },
}

_FIELD = """
def field_and_work(layers, height, width):
    field, step, work = 1, 1, 0
    rows, columns = height, width
    for k, s, a, b in layers:
        BODY
    return field, work
"""


def _field(*lines: str) -> str:
    return _FIELD.replace("BODY", "\n        ".join(lines))


_STEP = "field += (k - 1) * step; step *= s"
_SHRINK = "rows, columns = -(-rows // s), -(-columns // s)"
_WORK = "work += rows * columns * k * k * a * b"

_SHUFFLE = """
import torch
import torch.nn.functional as F

def shuffle_and_start(x, weight, scale):
    r, q = scale
    n, maps, h, w = x.shape
    c = maps // (r * q)
    sr = x.reshape(n, c, r, q, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c, r * h, q * w)
    start = weight[:: r * q].repeat_interleave(r * q, 0)
    BODY
    return sr, start
"""


def _shuffle(line: str) -> str:
    return _SHUFFLE.replace("BODY", line)


_FOLD = """
import torch
from torch import nn

def folded(net):
    layer, norm = net
    bias = torch.zeros_like(norm.bias) if layer.bias is None else layer.bias
    gamma, beta, mean, variance, eps = norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.eps
    shape = (1, -1, 1, 1) if isinstance(layer, nn.ConvTranspose2d) else (-1, 1, 1, 1)
    factor = gamma / (variance + eps).sqrt()
    BODY
    return layer.weight * factor.view(shape), (bias - mean) * factor + beta
"""


def _fold(line: str) -> str:
    return _FOLD.replace("BODY", line)


_TILES = """
import torch
from torch import nn

@torch.no_grad()
def in_tiles(net, lr, tile):
    s, before, after, largest, each = 1, 0, 0, 0, 0
    for layer in net:
        if isinstance(layer, nn.PixelShuffle):
            s = layer.upscale_factor
        elif isinstance(layer, nn.Conv2d):
            r = layer.kernel_size[0] // 2
            before, after = (before + r, after) if s == 1 else (before, after + r)
            largest = max(largest, r) if s == 1 else largest
            each -= -r // s
    m = HALO
    h, w = lr.shape[-2:]
    sr, places = [], []
    for top in range(0, h, tile):
        row = []
        for left in range(0, w, tile):
            a, b = max(0, top - m), min(h, top + tile + m)
            c, d = max(0, left - m), min(w, left + tile + m)
            piece = net(lr[..., a:b, c:d])[..., s * (top - a) :, s * (left - c) :]
            row.append(piece[..., : s * min(tile, h - top), : s * min(tile, w - left)])
            places.append(PLACE)
        sr.append(torch.cat(row, -1))
    return torch.cat(sr, -2), torch.tensor(places)
"""


def _tiles(halo: str, place: str = "(a, b, c, d)") -> str:
    return _TILES.replace("HALO", halo).replace("PLACE", place)


_RIGHT = "before + (after + s - 1) // s"

WRONG: dict[str, dict[str, str]] = {
    "field_and_work": {
        "field begins at 0": _field(_STEP, _SHRINK, _WORK).replace("field, step, work = 1", "field, step, work = 0"),
        "k for k - 1": _field("field += k * step; step *= s", _SHRINK, _WORK),
        "k for k²": _field(_STEP, _SHRINK, "work += rows * columns * k * a * b"),
        "no padding": _field(_STEP, "rows, columns = (rows - k) // s + 1, (columns - k) // s + 1", _WORK),
        "rows and columns of the square only": _field(_STEP, _SHRINK, "work += rows * rows * k * k * a * b"),
        "strides added": _field("field += (k - 1) * step; step += s - 1", _SHRINK, _WORK),
        "additions, too": _field(_STEP, _SHRINK, "work += 2 * rows * columns * k * k * a * b"),
        "per pixel": _field(_STEP, _SHRINK, "work += k * k * a * b"),
        "the example": "def field_and_work(layers, height, width):\n    return 9, 2064",
    },
    "shuffle_and_start": {
        "torch's for squares": _shuffle("sr = F.pixel_shuffle(x, r) if r == q else x"),
        "picture turned": _shuffle("sr = sr.transpose(2, 3)"),
        "first picture of the batch": _shuffle("sr = sr[:1].expand(n, -1, -1, -1)"),
        "start of the last of each block": _shuffle("start = weight[r * q - 1 :: r * q].repeat_interleave(r * q, 0)"),
        "start by scale": _shuffle("start = weight[::r].repeat_interleave(r, 0)[: len(weight)]"),
        "start divided": _shuffle("start = start / (r * q)"),
        "start of one map for all": _shuffle("start = weight[:1].expand_as(weight)"),
        "memory order": _shuffle("sr = x.reshape(n, c, r * h, q * w)"),
        "flipped blocks": _shuffle("sr = sr.reshape(n, c, h, r, w, q).flip(3, 5).reshape(n, c, r * h, q * w)"),
        "weight changed in place": _shuffle("weight.copy_(start); sr = x.clone()"),
    },
    "folded": {
        "ε outside the root": _fold("factor = gamma / (variance.sqrt() + eps)"),
        "ε of torch's default": _fold("factor = gamma / (variance + 1e-5).sqrt()"),
        "γ lost": _fold("factor = 1 / (variance + eps).sqrt()"),
        "mean added": _fold("mean = -mean"),
        "β scaled": _fold("beta = beta * factor"),
        "the weight as it was": _fold("return layer.weight, (bias - mean) * factor + beta"),
        "multiplied by the deviation": _fold("factor = gamma * (variance + eps).sqrt()"),
        "no layer without a bias": _fold("layer.bias.sum()"),
        "axis 1 always": _fold("shape = (1, -1, 1, 1)"),
        "bias not scaled": _fold("return layer.weight * factor.view(shape), bias - mean * factor + beta"),
    },
    "in_tiles": {
        "whole picture": _tiles("10**6"),
        "one too many": _tiles(_RIGHT + " + 1"),
        "halo not in the places": _tiles(_RIGHT, "(top, min(h, top + tile), left, min(w, left + tile))"),
        "places not clipped": _tiles(_RIGHT, "(top - m, top + tile + m, left - m, left + tile + m)"),
        "columns first": _tiles(_RIGHT, "(c, d, a, b)"),
        "sizes for ends": _tiles(_RIGHT, "(a, b - a, c, d - c)"),
        "a halo of two": _tiles("2"),
        "places in sr pixels": _tiles(_RIGHT, "(s * a, s * b, s * c, s * d)"),
        "zeros outside the picture": """
import torch
import torch.nn.functional as F

@torch.no_grad()
def in_tiles(net, lr, tile):
    at = [type(layer).__name__ for layer in net].index("PixelShuffle")
    s, r = net[at].upscale_factor, [layer.kernel_size[0] // 2 if hasattr(layer, "kernel_size") else 0 for layer in net]
    m = sum(r[:at]) - (-sum(r[at:]) // s)
    h, w = lr.shape[-2:]
    padded, rows, places = F.pad(lr, (m, m + tile, m, m + tile)), [], []
    for y in range(0, h, tile):
        row = []
        for x in range(0, w, tile):
            piece = net(padded[..., y : y + tile + 2 * m, x : x + tile + 2 * m])
            row.append(piece[..., s * m : s * (m + tile), s * m : s * (m + tile)])
            places.append((max(0, y - m), min(h, y + tile + m), max(0, x - m), min(w, x + tile + m)))
        rows.append(torch.cat(row, -1))
    return torch.cat(rows, -2)[..., : s * h, : s * w], torch.tensor(places)
""",
    },
}

MISTAKES: dict[str, dict[str, str]] = {
    "field_and_work": {
        "the strides are missing, in the field and in the work: behind a stride pixels lie further apart.": _field(
            "field += k - 1", "work += height * width * k * k * a * b"
        ),
        "the field ignores the strides: k − 1 steps of a layer are as long as all strides before it.": _field(
            "field += k - 1", _SHRINK, _WORK
        ),
        "the work ignores the strides: each leaves fewer pixels at which a layer is computed.": _field(
            _STEP, "work += height * width * k * k * a * b"
        ),
        "a layer's own stride was counted into its step; it makes the steps of later layers longer.": _field(
            "step *= s; field += (k - 1) * step", _SHRINK, _WORK
        ),
        "each layer was counted at the pixels of its input; it is computed at those of its output.": _field(
            _STEP, _WORK, _SHRINK
        ),
        "the biases were counted; they are added, and nothing is multiplied.": _field(
            _STEP, _SHRINK, "work += rows * columns * b * (k * k * a + 1)"
        ),
        "the sizes were rounded down; with padding k // 2, a stride s leaves ⌈n / s⌉ of n rows.": _field(
            _STEP, "rows, columns = rows // s, columns // s", _WORK
        ),
    },
    "shuffle_and_start": {
        "the maps are read with the channel last, as TensorFlow does; it comes first: c·r·q + i·q + j.": _shuffle(
            "sr = x.reshape(n, r, q, c, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c, r * h, q * w)"
        ),
        "the phases are transposed: in c·r·q + i·q + j the row i is the slower one.": _shuffle(
            "sr = x.reshape(n, c, q, r, h, w).permute(0, 1, 4, 3, 5, 2).reshape(n, c, r * h, q * w)"
        ),
        "the maps lie side by side, as r·q small pictures: h comes before r, and w before q.": _shuffle(
            "sr = x.reshape(n, c, r, q, h, w).permute(0, 1, 2, 4, 3, 5).reshape(n, c, r * h, q * w)"
        ),
        "the factors are swapped: the first one is for the rows.": _shuffle(
            "sr = x.reshape(n, c, q, r, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c, q * h, r * w)"
        ),
        "the new weight repeats the maps in a row, 0 1 2 0 1 2 …: a block needs one map r·q times.": _shuffle(
            "start = torch.cat([weight[:: r * q]] * (r * q))"
        ),
        "the new weight keeps the first C maps, which lie in the first blocks; keep the first of each.": _shuffle(
            "start = weight[:c].repeat_interleave(r * q, 0)"
        ),
        "the new weight has the mean of each block, which is smaller than what was drawn; copy one.": _shuffle(
            "start = weight.view(c, r * q, *weight.shape[1:]).mean(1).repeat_interleave(r * q, 0)"
        ),
        "the shuffle is right, but the weight is as it was: the places of a block differ.": _shuffle("start = weight"),
    },
    "folded": {
        "ε is lost: the norm divides by √(variance + ε), another number where a map hardly varies.": _fold(
            "factor = gamma / variance.sqrt()"
        ),
        "the bias of the convolution is lost: the norm gets w * x + b, so b is moved and scaled too.": _fold(
            "bias = 0"
        ),
        "the weight of a transposed convolution has its outputs along axis 1, and axis 0 was scaled.": _fold(
            "shape = (-1, 1, 1, 1)"
        ),
        "the mean is lost: the norm subtracts it before it scales.": _fold("mean = 0"),
        "β is lost: the norm adds it at the end.": _fold("beta = 0"),
        "the root is missing: the norm divides by the standard deviation, not by the variance.": _fold(
            "factor = gamma / (variance + eps)"
        ),
    },
    "in_tiles": {
        "no halo: the network pads with zeros where the picture goes on, and each tile has a seam.": _tiles("0"),
        "the halo is one pixel too small: the rim of each tile misses part of what it looks at.": _tiles(
            _RIGHT + " - 1"
        ),
        "the halo is that of the largest kernel; the radii of all layers add up.": _tiles("largest"),
        "the layers after the shuffle look around, too: r pixels of theirs are r / s of lr.": _tiles("before"),
        "the radius after the shuffle was rounded down; a part needs a whole pixel.": _tiles("before + after // s"),
        "no seam, but too much work: the radius after the shuffle is in sr pixels, which are s times smaller.": _tiles(
            "before + after"
        ),
        "no seam, but too much work: a kernel of side k looks (k − 1) / 2 to each side, not k − 1.": _tiles(
            "2 * before + (2 * after + s - 1) // s"
        ),
        "no seam, but too much work: each radius after the shuffle was rounded up; round their sum.": _tiles("each"),
    },
}
