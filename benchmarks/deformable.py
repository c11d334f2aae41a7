"""Four ways to write a deformable convolution in plain PyTorch, and how long each takes on a processor.

python -m benchmarks.deformable [--side 64] [--width 32] [--groups 8]

Prints milliseconds of processor time of one thread, the least of several rounds in which all take turns, for the
convolution without offsets and for each way: forward, and forward with backward.
"""

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.video.deformable import deformable_conv2d


def corners(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, read: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """The sum over the four pixels around each position, which `read` fetches by their numbers."""
    batch, channels, height, width = x.shape
    groups = offset.shape[1] // 18
    down, right = offset.view(batch, groups, 9, 2, height, width).unbind(3)
    along = torch.arange(3) - 1
    rows = torch.arange(height)[:, None] + down + along.repeat_interleave(3)[:, None, None]
    columns = torch.arange(width) + right + along.repeat(3)[:, None, None]
    total = 0
    top, left = rows.floor(), columns.floor()
    table = x.view(batch * groups, channels // groups, height * width)
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        share = (1 - (rows - row).abs()) * (1 - (columns - column).abs()) * mask.view(batch, groups, 9, height, width)
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        number = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long().view(batch * groups, -1)
        found = read(table, number)
        total = total + found * (share * inside).view(batch * groups, 1, -1)
    return (weight.flatten(1) @ total.view(batch, channels * 9, height * width)).view(batch, -1, height, width)


def gathered(table: Tensor, number: Tensor) -> Tensor:
    return table.gather(2, number[:, None].expand(-1, table.shape[1], -1))


def selected(table: Tensor, number: Tensor) -> Tensor:
    return torch.stack([part.index_select(1, at) for part, at in zip(table, number, strict=True)])


def one_tap_at_a_time(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """A call of `grid_sample` for each tap."""
    total = 0
    groups = offset.shape[1] // 18
    for k in range(9):
        taps = [g * 9 + k for g in range(groups)]
        moved = deformable_conv2d(
            x,
            torch.stack([offset[:, 2 * tap + axis] for tap in taps for axis in (0, 1)], 1)
            + torch.tensor([k // 3 - 1.0, k % 3 - 1.0]).repeat(groups)[:, None, None],
            mask[:, taps],
            weight[:, :, k // 3, k % 3][..., None, None],
        )
        total = total + moved
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--groups", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    side, width, groups = options.side, options.width, options.groups
    x, weight = torch.randn(1, width, side, side), torch.randn(width, width, 3, 3)
    offset, mask = torch.randn(1, 18 * groups, side, side), torch.rand(1, 9 * groups, side, side)
    ways = {
        "convolution without offsets": lambda x, offset, mask, weight: F.conv2d(x, weight, padding=1),
        "one grid_sample (srlib)": lambda *values: deformable_conv2d(*values, padding=1),
        "a grid_sample for each tap": one_tap_at_a_time,
        "four gathers": lambda *values: corners(*values, gathered),
        "four index_selects": lambda *values: corners(*values, selected),
    }
    expected = ways["one grid_sample (srlib)"](x, offset, mask, weight)
    for name, way in list(ways.items())[2:]:
        torch.testing.assert_close(way(x, offset, mask, weight), expected, atol=2e-3, rtol=1e-3, msg=name)
    inputs = [value.requires_grad_() for value in (x, offset, mask, weight)]
    least = {name: [float("inf")] * 2 for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            start = time.process_time()
            result = way(*inputs)
            middle = time.process_time()
            result.square().sum().backward()
            for place, seconds in enumerate((middle - start, time.process_time() - start)):
                least[name][place] = min(least[name][place], seconds)
    print(f"x (1, {width}, {side}, {side}), {groups} groups; ms: forward, forward and backward")
    for name, (forward, both) in least.items():
        print(f"{name:30}{1000 * forward:8.2f}{1000 * both:8.2f}")


if __name__ == "__main__":
    main()
