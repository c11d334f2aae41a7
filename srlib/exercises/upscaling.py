"""Exercises on upscaling layers: the pixel shuffle, its kernel ("stamp"), overlaps, ICNR, the shift of the picture."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.exercises import Exercise


def shuffle(x: Tensor, scale: int) -> Tensor:
    """Map c·scale² + i·scale + j goes to row i and column j of every block of channel c, as in torch.

    Shapes: (N, C·scale², h, w) -> (N, C, scale·h, scale·w).
    """
    return F.pixel_shuffle(x, scale)


def _arranged(split: str, order: str) -> Callable[[Tensor, int], Tensor]:
    """A shuffle given by letters: the split of the maps (c channel, i row, j column), and the final order with y, x."""

    def wrong(x: Tensor, scale: int) -> Tensor:
        n, maps, height, width = x.shape
        sizes = {"n": n, "c": maps // scale**2, "i": scale, "j": scale, "y": height, "x": width}
        letters = "n" + split + "yx"
        x = x.reshape([sizes[letter] for letter in letters])
        x = x.permute([letters.index(letter) for letter in order])
        return x.reshape(n, maps // scale**2, scale * height, scale * width)

    return wrong


def stamp(phases: Tensor) -> Tensor:
    """The stamp (kernel) of the transposed convolution that equals `phases` and a shuffle, in one dimension.

    Shapes: (scale, k), one row of weights per position in the block -> (scale·k,).
    """
    return phases.flip(1).T.reshape(-1)


def overlaps(kernel: int, stride: int) -> Tensor:
    """The number of stamps that cover each of the `stride` places of a block; a stamp begins at place 0.

    Shapes: -> (stride,), far from the border, in one dimension.
    """
    return torch.tensor([len(range(place, kernel, stride)) for place in range(stride)])


def icnr(weight: Tensor, scale: int) -> Tensor:
    """Maps 0, scale², 2·scale², …, each copied to all scale² places of its block.

    Shapes: (C·scale², channels_in, k, k) -> the same.
    """
    return weight[:: scale**2].repeat_interleave(scale**2, 0)


def shift(kernel: int, stride: int, padding: int) -> float:
    """How far to the right, in sr pixels, a transposed convolution with a symmetric stamp shifts the picture."""
    return (kernel - stride) / 2 - padding


def _noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


EXERCISES: dict[str, Exercise] = {
    "shuffle": Exercise(
        shuffle,
        [(_noise(2, 8, 3, 4), 2), (_noise(1, 27, 2, 5), 3)],
        {
            "the maps are read in TensorFlow's order (depth_to_space), where the channel comes last: "
            "i·scale·C + j·C + c. Here it comes first: c·scale² + i·scale + j.": _arranged("ijc", "ncyixj"),
            "the phases are transposed: row i and column j are swapped, so each block lies mirrored at its "
            "diagonal. In c·scale² + i·scale + j the row is the slower one.": _arranged("cji", "ncyixj"),
            "TensorFlow's order of the maps, and rows and columns swapped as well. Split the maps into "
            "(C, scale, scale): channel, row, column.": _arranged("jic", "ncyixj"),
            "reshape alone: the numbers keep their order in memory, so each map becomes a band. Split, permute "
            "to (N, C, h, scale, w, scale), and only then reshape.": _arranged("cij", "ncijyx"),
            "the maps lie side by side, as scale² small pictures. The pixel index is the slower one: h before "
            "scale, w before scale.": _arranged("cij", "nciyjx"),
            "rows and columns of the picture are swapped: keep h before w.": lambda x, scale: _arranged(
                "cij", "ncxjyi"
            )(x, scale).reshape(x.shape[0], -1, scale * x.shape[3], scale * x.shape[2]),
        },
    ),
    "stamp": Exercise(
        stamp,
        [(_noise(2, 3),), (_noise(3, 5),), (_noise(4, 3),)],
        {
            "not turned: a transposed convolution paints where a convolution reads, so each phase goes into the "
            "stamp backwards.": lambda phases: phases.T.reshape(-1),
            "the phases come one after the other. They are interleaved: neighbours in the stamp paint "
            "neighbours on the fine grid, and those belong to different phases.": lambda phases: phases.flip(1).reshape(
                -1
            ),
            "neither turned nor interleaved: the stamp is not the weights in a row. Tap s·m + i belongs to phase i, "
            "and m runs backwards.": lambda phases: phases.reshape(-1),
            "the whole stamp is turned, and with it the order of the phases. Turn each phase by itself: tap "
            "s·m + i belongs to phase i.": lambda phases: phases.T.reshape(-1).flip(0),
            "the phases are in reverse order, and their taps are not. It is the other way round: the taps of each "
            "phase are reversed, the phases keep their order.": lambda phases: phases.flip(0).T.reshape(-1),
        },
    ),
    "overlaps": Exercise(
        overlaps,
        [(3, 2), (4, 2), (9, 4), (5, 3), (7, 3), (2, 3), (6, 4)],
        {
            "this is the mean over the block, kernel / stride. A place is painted a whole number of times: "
            "⌈kernel / stride⌉ or ⌊kernel / stride⌋.": lambda kernel, stride: torch.full((stride,), kernel / stride),
            "rounded down at every place. The first kernel % stride places of a block get one stamp "
            "more.": lambda kernel, stride: torch.full((stride,), kernel // stride),
            "rounded up at every place. Only the first kernel % stride places of a block get that many; the "
            "others get one less.": lambda kernel, stride: torch.full((stride,), -(-kernel // stride)),
            "the extra stamps are at the wrong end: a stamp begins at place 0, so what is left of it lies on the "
            "first places of the block.": lambda kernel, stride: overlaps(kernel, stride).flip(0),
            "kernel and stride are swapped: stamps lie stride apart and are kernel wide.": lambda kernel, stride: (
                overlaps(stride, kernel)
            ),
            "these are the counts of a picture, where rows and columns multiply. Here count in one "
            "dimension.": lambda kernel, stride: overlaps(kernel, stride) ** 2,
            "one too many everywhere: a stamp that begins at place 0 ends before place kernel.": (
                lambda kernel, stride: torch.tensor([len(range(i, kernel + stride, stride)) for i in range(stride)])
            ),
        },
    ),
    "icnr": Exercise(
        icnr,
        [(_noise(8, 2, 3, 3), 2), (_noise(27, 1, 3, 3), 3), (_noise(16, 2, 1, 1), 4)],
        {
            "repeat puts the maps in a row, 0 1 2 0 1 2 …, so the places of one block come from different maps. A "
            "block needs one map scale² times: repeat_interleave.": lambda weight, scale: weight[:: scale**2].repeat(
                scale**2, 1, 1, 1
            ),
            "the first C maps were kept. They lie in one block; keep the first of every block: 0, scale², 2·scale², "
            "….": lambda weight, scale: weight[: len(weight) // scale**2].repeat_interleave(scale**2, 0),
            "the mean over the places of a block: equal they are, but the mean of scale² random numbers is scale "
            "times smaller, and the layer starts too quiet. Copy one of them.": lambda weight, scale: (
                weight.unflatten(0, (-1, scale**2)).mean(1).repeat_interleave(scale**2, 0)
            ),
            "each map was copied scale times, not scale² times: a block has scale rows and scale "
            "columns.": lambda weight, scale: weight[::scale].repeat_interleave(scale, 0),
            "every channel got the same map. The places of a block are to be equal, the channels are "
            "not.": lambda weight, scale: weight[:1].expand_as(weight),
            "divided by the number of places. Under a shuffle each map paints its own place and nothing adds up: "
            "copy the weights as they are.": lambda weight, scale: icnr(weight, scale) / scale**2,
        },
    ),
    "shift": Exercise(
        shift,
        [(9, 2, 4), (9, 3, 4), (9, 4, 4), (9, 4, 3), (8, 4, 2), (5, 1, 2)],
        {
            "the sign: more padding cuts more off the left, so the picture moves to the left, which is "
            "minus.": lambda kernel, stride, padding: padding - (kernel - stride) / 2,
            "this lets the centre of the stamp fall on the first pixel of the block. The block is stride wide, and "
            "its middle is (stride − 1) / 2 further on.": lambda kernel, stride, padding: (kernel - 1) / 2 - padding,
            "the stamp's middle was taken at kernel / 2. Taps are counted from 0, so the middle of kernel taps is "
            "(kernel − 1) / 2.": lambda kernel, stride, padding: (kernel - stride + 1) / 2 - padding,
            "this is in lr pixels; in sr pixels it is stride times as much.": lambda kernel, stride, padding: (
                shift(kernel, stride, padding) / stride
            ),
            "whole pixels only: // rounds down, and an odd stamp at an even stride lies off by a "
            "half.": lambda kernel, stride, padding: (kernel - stride) // 2 - padding,
            "both sides together: kernel − stride − 2·padding is what is left over in all. The centre moves by half "
            "of it.": lambda kernel, stride, padding: kernel - stride - 2 * padding,
            "zero only where padding = (kernel − stride) / 2, which an odd kernel at an even stride never "
            "meets.": lambda kernel, stride, padding: 0.0,
        },
    ),
}
