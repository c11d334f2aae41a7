"""Answers to the assignment on video, as sources of a cell: right ones in other styles, wrong ones, named mistakes."""

_TORCH = "import torch\nimport torch.nn.functional as F\n\n\n"

_WARP = '''import torch


def pixel(x, row, column):
    """Pixel (row, column) of every channel; beyond the border the nearest one."""
    return x[:, min(max(row, 0), x.shape[1] - 1), min(max(column, 0), x.shape[2] - 1)]


def warp(frame, flow):
    result = torch.zeros_like(frame)
    for n in range(frame.shape[0]):
        for y in range(frame.shape[2]):
            for x in range(frame.shape[3]):
                row, column = y + flow[n, 0, y, x].item(), x + flow[n, 1, y, x].item()
                top, left = int(row // 1), int(column // 1)
                for i in (0, 1):
                    for j in (0, 1):
                        share = (1 - abs(row - top - i)) * (1 - abs(column - left - j))
                        result[n, :, y, x] += share * pixel(frame[n], top + i, left + j)
    return result
'''
_WARP_TORCH = (
    _TORCH
    + """def warp(frame, flow):
    height, width = frame.shape[-2:]
    rows = torch.arange(height)[:, None] + flow[:, 0]
    columns = torch.arange(width) + flow[:, 1]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
    return F.grid_sample(frame, grid, padding_mode="border", align_corners=False)
"""
)

_DEFORMED = '''import torch


def bilinear(x, row, column):
    """All channels of x (C, h, w) at a place; pixels outside count as 0."""
    top, left = int(row // 1), int(column // 1)
    value = torch.zeros(x.shape[0])
    for r in (top, top + 1):
        for c in (left, left + 1):
            if 0 <= r < x.shape[1] and 0 <= c < x.shape[2]:
                value += (1 - abs(row - r)) * (1 - abs(column - c)) * x[:, r, c]
    return value


def deformed(x, offset, weight):
    k = weight.shape[-1]
    result = torch.zeros(x.shape[0], weight.shape[0], *offset.shape[-2:])
    for n in range(x.shape[0]):
        for y in range(offset.shape[2]):
            for z in range(offset.shape[3]):
                for t in range(k * k):
                    i, j = divmod(t, k)
                    down, right = offset[n, 2 * t, y, z].item(), offset[n, 2 * t + 1, y, z].item()
                    result[n, :, y, z] += weight[:, :, i, j] @ bilinear(x[n], y + i + down, z + j + right)
    return result
'''
_DEFORMED_TORCH = (
    _TORCH
    + """def deformed(x, offset, weight):
    height, width = x.shape[-2:]
    k = weight.shape[-1]
    result = 0
    for i in range(k):
        for j in range(k):
            tap = i * k + j
            down, right = offset[:, 2 * tap], offset[:, 2 * tap + 1]
            rows = torch.arange(down.shape[1])[:, None] + i + down
            columns = torch.arange(down.shape[2]) + j + right
            grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
            read = F.grid_sample(x, grid, align_corners=False)
            result = result + torch.einsum("oc,nchw->nohw", weight[:, :, i, j], read)
    return result
"""
)

_FUSED_TORCH = (
    _TORCH
    + """def fused(frames, features, sharpness):
    centre = features[:, features.shape[1] // 2, None]
    s = sharpness * (features * centre).sum(2)
    w = s.softmax(1)
    return (w[:, :, None] * frames).sum(1)
"""
)

_ODD = """import torch
import torch.nn.functional as F
from srlib.warp import translate

given = data("odd")
odd = []
for clip in given["clips"]:
    frames = clip.float() / 255
    aligned = []
    for frame in frames:  # the shift by search: first whole pixels, then fractions around the best
        best, step = (0.0, 0.0), 1.0
        for step in (1.0, 0.5, 0.25, 0.125):
            reach = 2 if step == 1.0 else 1
            around = range(-reach, reach + 1)
            tries = [(best[0] + step * i, best[1] + step * j) for i in around for j in around]
            costs = [(translate(frame, -a, -b) - frames[3])[4:-4, 4:-4].abs().mean() for a, b in tries]
            best = tries[int(torch.stack(costs).argmin())]
        aligned.append(translate(frame, -best[0], -best[1])[4:-4, 4:-4])
    aligned = torch.stack(aligned)
    away = (aligned - aligned.median(0).values).abs()
    odd.append(int(F.avg_pool2d(away[:, None], 5, 1).amax((1, 2, 3)).argmax()))
"""

STYLES: dict[str, dict[str, str]] = {
    "warp": {
        "loops": _WARP,
        "numpy": """import numpy as np


def warp(frame, flow):
    x, f = frame.numpy().astype(np.float64), flow.numpy().astype(np.float64)
    h, w = x.shape[-2:]
    rows = np.clip(np.arange(h)[:, None] + f[:, 0], 0, h - 1)
    columns = np.clip(np.arange(w) + f[:, 1], 0, w - 1)
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = (rows - top)[:, None], (columns - left)[:, None]
    bottom, end = np.minimum(top + 1, h - 1), np.minimum(left + 1, w - 1)
    read = lambda a, b: np.stack([x[n][:, a[n], b[n]] for n in range(len(x))])
    upper = (1 - right) * read(top, left) + right * read(top, end)
    lower = (1 - right) * read(bottom, left) + right * read(bottom, end)
    return (1 - down) * upper + down * lower
""",
        "lists": """import math


def warp(frame, flow):
    batch, channels, h, w = frame.shape
    frame, flow = frame.tolist(), flow.tolist()

    def value(plane, row, column):
        row, column = min(max(row, 0.0), h - 1.0), min(max(column, 0.0), w - 1.0)
        top, left = min(math.floor(row), h - 1), min(math.floor(column), w - 1)
        bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
        a, b = row - top, column - left
        upper = plane[top][left] * (1 - b) + plane[top][right] * b
        lower = plane[bottom][left] * (1 - b) + plane[bottom][right] * b
        return upper * (1 - a) + lower * a

    return [
        [
            [[value(plane, y + flow[n][0][y][x], x + flow[n][1][y][x]) for x in range(w)] for y in range(h)]
            for plane in frame[n]
        ]
        for n in range(batch)
    ]
""",
    },
    "deformed": {
        "loops": _DEFORMED,
        "numpy": """import numpy as np


def deformed(x, offset, weight):
    x, offset, weight = (each.numpy().astype(np.float64) for each in (x, offset, weight))
    k, (h, w), size = weight.shape[-1], x.shape[-2:], offset.shape[-2:]
    columns = []
    for tap in range(k * k):
        rows = np.arange(size[0])[:, None] + tap // k + offset[:, 2 * tap]
        places = np.arange(size[1]) + tap % k + offset[:, 2 * tap + 1]
        read = 0
        for r in (np.floor(rows), np.floor(rows) + 1):
            for c in (np.floor(places), np.floor(places) + 1):
                inside = (r >= 0) & (r < h) & (c >= 0) & (c < w)
                share = inside * (1 - abs(rows - r)) * (1 - abs(places - c))
                a, b = np.clip(r, 0, h - 1).astype(int), np.clip(c, 0, w - 1).astype(int)
                read = read + share[:, None] * np.stack([x[n][:, a[n], b[n]] for n in range(len(x))])
        columns.append(read)
    return np.einsum("oct,nctyx->noyx", weight.reshape(*weight.shape[:2], -1), np.stack(columns, 2))
""",
        "lists": """import math


def deformed(x, offset, weight):
    h, w = x.shape[-2:]
    rows, columns = offset.shape[-2:]
    k = weight.shape[-1]
    x, offset, weight = x.tolist(), offset.tolist(), weight.tolist()

    def at(plane, r, c):
        return plane[r][c] if 0 <= r < h and 0 <= c < w else 0.0

    def value(plane, row, column):
        r, c = math.floor(row), math.floor(column)
        a, b = row - r, column - c
        upper = (1 - b) * at(plane, r, c) + b * at(plane, r, c + 1)
        lower = (1 - b) * at(plane, r + 1, c) + b * at(plane, r + 1, c + 1)
        return (1 - a) * upper + a * lower

    def out(n, o, y, z):
        total = 0.0
        for i in range(k):
            for j in range(k):
                t = 2 * (i * k + j)
                row, column = y + i + offset[n][t][y][z], z + j + offset[n][t + 1][y][z]
                total += sum(weight[o][c][i][j] * value(x[n][c], row, column) for c in range(len(x[n])))
        return total

    return [
        [[[out(n, o, y, z) for z in range(columns)] for y in range(rows)] for o in range(len(weight))]
        for n in range(len(x))
    ]
""",
    },
    "fused": {
        "loops": """import torch


def fused(frames, features, sharpness):
    batch, count, channels, height, width = frames.shape
    result = torch.zeros(batch, channels, height, width)
    for n in range(batch):
        for y in range(height):
            for x in range(width):
                vectors = features[n, :, :, y, x]
                weights = torch.exp(sharpness * vectors @ vectors[count // 2])
                result[n, :, y, x] = (weights / weights.sum()) @ frames[n, :, :, y, x]
    return result
""",
        "numpy": """import numpy as np


def fused(frames, features, sharpness):
    x, f = frames.numpy().astype(np.float64), features.numpy().astype(np.float64)
    s = sharpness * np.einsum("ntdyx,ndyx->ntyx", f, f[:, (f.shape[1] - 1) // 2])
    w = np.exp(s - s.max(1, keepdims=True))
    return np.einsum("ntyx,ntcyx->ncyx", w / w.sum(1, keepdims=True), x)
""",
        "lists": """import math


def fused(frames, features, sharpness):
    batch, count, channels, height, width = frames.shape
    x, f = frames.tolist(), features.tolist()
    result = []
    for n in range(batch):
        planes = [[[0.0] * width for _ in range(height)] for _ in range(channels)]
        for y in range(height):
            for z in range(width):
                centre = [plane[y][z] for plane in f[n][(count - 1) // 2]]
                s = [sharpness * sum(p[y][z] * c for p, c in zip(f[n][t], centre)) for t in range(count)]
                w = [math.exp(each - max(s)) for each in s]
                for c in range(channels):
                    planes[c][y][z] = sum(w[t] * x[n][t][c][y][z] for t in range(count)) / sum(w)
        result.append(planes)
    return result
""",
    },
    "odd": {
        "loops": _ODD,
        "numpy": """import numpy as np
import torch
from srlib.burst.registration import lucas_kanade
from srlib.warp import translate

clips = data("odd")["clips"].double() / 255
odd = []
for frames in clips:
    moves = [lucas_kanade(frames[3], frame, start=torch.zeros(2)).tolist() for frame in frames]
    back = np.stack([translate(frame, -a, -b).numpy()[3:-3, 3:-3] for frame, (a, b) in zip(frames, moves)])
    away = np.abs(back - np.median(back, 0))
    odd.append(np.quantile(away, 0.97, axis=(1, 2)).argmax())
odd = np.array(odd)
""",
        "lists": _ODD + "\nodd = [float(k) for k in odd]\n",
    },
}

WRONG: dict[str, dict[str, str]] = {
    "warp": {
        "zero beyond the border": _WARP_TORCH.replace("border", "zeros"),
        "mirrored beyond the border": _WARP_TORCH.replace("border", "reflection"),
        "nearest pixel": _WARP_TORCH.replace("padding_mode", 'mode="nearest", padding_mode'),
        "the other convention of corners": _WARP_TORCH.replace("False", "True"),
        "half a pixel off": _WARP_TORCH.replace("columns + 1", "columns").replace("rows + 1", "rows"),
        "right for square frames only": _WARP_TORCH.replace("/ height", "/ width"),
        "the first clip's flow for all": _WARP_TORCH.replace("flow[:, 0]", "flow[:1, 0]")
        .replace("flow[:, 1]", "flow[:1, 1]")
        .replace("(frame, grid", "(frame, grid.expand(len(frame), -1, -1, -1)"),
        "down alone": _WARP_TORCH.replace("+ flow[:, 1]", "+ 0 * flow[:, 1]"),
        "nothing moves": "def warp(frame, flow):\n    return frame\n",
        "forward instead of backward": """import torch


def warp(frame, flow):
    result = torch.zeros_like(frame)
    h, w = frame.shape[-2:]
    for n in range(len(frame)):
        for y in range(h):
            for x in range(w):
                row = min(max(round(y + flow[n, 0, y, x].item()), 0), h - 1)
                column = min(max(round(x + flow[n, 1, y, x].item()), 0), w - 1)
                result[n, :, row, column] = frame[n, :, y, x]
    return result
""",
    },
    "deformed": {
        "the border is repeated": _DEFORMED_TORCH.replace("(x, grid,", '(x, grid, padding_mode="border",'),
        "the offset is subtracted": _DEFORMED_TORCH.replace("i + down", "i - down").replace("j + right", "j - right"),
        "the kernel is flipped": _DEFORMED_TORCH.replace("weight[:, :, i, j]", "weight[:, :, k - 1 - i, k - 1 - j]"),
        "the kernel is transposed": _DEFORMED_TORCH.replace("weight[:, :, i, j]", "weight[:, :, j, i]"),
        "taps column by column": _DEFORMED_TORCH.replace("tap = i * k + j", "tap = j * k + i"),
        "one offset for all taps": _DEFORMED_TORCH.replace("tap = i * k + j", "tap = 0"),
        "nearest pixel": _DEFORMED_TORCH.replace("(x, grid,", '(x, grid, mode="nearest",'),
        "the other convention of corners": _DEFORMED_TORCH.replace("False", "True"),
        "an ordinary convolution": _TORCH + "def deformed(x, offset, weight):\n    return F.conv2d(x, weight)\n",
        "a place outside counts as 0 as a whole": _DEFORMED_TORCH.replace(
            "align_corners=False)",
            "align_corners=False)\n            inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0)"
            "\n            read = read * (inside & (columns <= width - 1))[:, None]",
        ),
    },
    "fused": {
        "sigmoids, as in EDVR": _FUSED_TORCH.replace("s.softmax(1)", "s.sigmoid()"),
        "divided by the root of D": _FUSED_TORCH.replace("sum(2)", "sum(2) / features.shape[2] ** 0.5"),
        "the mean over the maps": _FUSED_TORCH.replace("sum(2)", "mean(2)"),
        "like the first frame": _FUSED_TORCH.replace("features.shape[1] // 2", "0"),
        "without sharpness": _FUSED_TORCH.replace("sharpness * ", ""),
        "the mean of frames": _FUSED_TORCH.replace("s.softmax(1)", "torch.ones_like(s) / s.shape[1]"),
        "divided by T": _FUSED_TORCH.replace(".sum(1)", ".mean(1)"),
        "without the centre": _FUSED_TORCH.replace("    w = ", "    s[:, s.shape[1] // 2] = -torch.inf\n    w = "),
        "the negative": _FUSED_TORCH.replace("sharpness * ", "-sharpness * "),
        "the most alike frame alone": _FUSED_TORCH.replace("s.softmax(1)", "(s == s.amax(1, keepdim=True)).to(s)"),
    },
    "odd": {
        "the frame with the largest difference, not aligned": (
            'c = data("odd")["clips"].float()\nodd = (c - c[:, 3:4]).abs().mean((2, 3)).argmax(1)\n'
        ),
        "away from the mean, not aligned": (
            'c = data("odd")["clips"].float()\nodd = (c - c.mean(1, keepdim=True)).abs().mean((2, 3)).argmax(1)\n'
        ),
        "always the same frame": "odd = [2] * 6\n",
        "one frame for all clips": "odd = 5\n",
        "counted from 1": _ODD + "\nodd = [k + 1 for k in odd]\n",
        "texts": 'odd = ["frame 2"] * 6\n',
    },
}

_SWAPPED_WARP = _WARP_TORCH.replace("flow[:, 0]", "flow[:, _]").replace("flow[:, 1]", "flow[:, 0]").replace("_]", "1]")
_TWO = "down, right = offset[:, 2 * tap], offset[:, 2 * tap + 1]"
_AXES = {
    "the clips (axis 0), which have nothing to do with each other": "s.softmax(0)",
    "the rows of a frame": "s.softmax(-2)",
    "the columns of a frame": "F.softmax(s, -1)",
    "all pixels of a frame together": "s.exp() / s.exp().sum((2, 3), keepdim=True)",
}

MISTAKES: dict[str, dict[str, str]] = {
    "warp": {
        "down and right are exchanged: the first map of the flow is down.": _SWAPPED_WARP,
        "the flow was subtracted; a pixel shows its own place plus the flow.": _WARP_TORCH.replace("+ flow", "- flow"),
    },
    "deformed": {
        "right was read before down: each tap has (down, right), in this order.": _DEFORMED_TORCH.replace(
            _TWO, "right, down = offset[:, 2 * tap], offset[:, 2 * tap + 1]"
        ),
        "this reads all downs first, then all rights; they alternate, tap by tap.": _DEFORMED_TORCH.replace(
            _TWO, "down, right = offset[:, tap], offset[:, k * k + tap]"
        ),
    },
    "fused": {
        f"the softmax goes over {axis}; the weights of a pixel's frames must add up to 1.": _FUSED_TORCH.replace(
            "s.softmax(1)", share
        )
        for axis, share in _AXES.items()
    },
}
