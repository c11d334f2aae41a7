"""Enlarging pictures of any size and colour: seamless tiles, and self-ensemble over the eight symmetries."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from srlib.images import from_ycbcr, to_ycbcr
from srlib.resample import resize
from srlib.self_ensemble import SelfEnsemble
from srlib.warp import dihedral, inverse_dihedral

TILE = 256
_UNSEEN = 1 / 2040  # an eighth of a step of 8 bits
_FADED = 1e-2  # of the difference at the cut: what comes of a distance, and not of the whole picture
_PROBES = (64, 128, 256)  # lr pixels; a network that sees further than half the last one cannot be tiled


@torch.no_grad()
def upscale(
    net: nn.Module,
    lr: Tensor,
    *,
    tile: int | None = TILE,
    overlap: int | None = None,
    ensemble: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """`net(lr)` in tiles, so that memory does not grow with the picture; the result equals one big call.

    Each tile is computed with `overlap` more pixels on every side, which are then cut off. If the overlap is at least
    the radius of the network's receptive field, every kept pixel sees all of its inputs, and there is no seam. A
    network with an attribute `multiple`, such as an RRDBNet that folds, treats blocks of pixels as one. Its tiles begin
    at multiples of the block's side, since the result depends on where a block begins.

    A network that weighs its maps by means over the whole picture, such as a DRN, has an attribute `blend`. Its tiles
    take these means of themselves, and so differ a little from the whole; each fades into the next over `blend` pixels,
    so that no seam is seen.

    For an RGB picture, a network for one channel enlarges the luma (`to_ycbcr`), and bicubic interpolation the chroma,
    as in the figures of papers on luma. A grey picture is passed to an RGB network as three equal channels, and the
    mean of the output channels is returned. `metrics.evaluate` does the same.

    Args:
        net: with attribute `scale`, `channels` if it is fixed, `frames` and `multiple` if they are not 1, and `blend`
            if it sees the whole picture; its training mode is restored afterwards.
        tile: side in lr pixels, rounded down to a multiple of `multiple`; None: the whole picture at once.
        overlap: in lr pixels, rounded up to such a multiple; None: measured by `receptive_radius(net)`, or `blend`.
        ensemble: use `SelfEnsemble(net)`; eight times the work.
        progress: called with (tiles done, total tiles) after each tile.

    Shapes: lr (N, C, h, w) in [0, 1], or a clip (N, T, C, h, w) for a network of several frames -> sr
        (N, C', scale·h, scale·w), not clamped; C' = C for C = 1 and 3.
    Raises: TypeError for integer images; ValueError for another shape, a tile below 1, a negative overlap, tiles at a
        fractional scale, and as `receptive_radius` for a network that sees the whole picture.
    """
    if not lr.is_floating_point():
        raise TypeError(f"upscale needs a float image in [0, 1], got {lr.dtype}; convert with srlib.images")
    clip = getattr(net, "frames", 1) > 1
    if lr.ndim != 4 + clip or 0 in lr.shape:
        need = "a clip (N, T, C, h, w)" if clip else "lr (N, C, h, w)"
        raise ValueError(f"upscale needs {need} that is not empty, got shape {tuple(lr.shape)}")
    if (tile is not None and tile < 1) or (overlap is not None and overlap < 0):
        raise ValueError(f"tile must be at least 1 and overlap at least 0, got {tile} and {overlap}")
    modes = [(module, module.training) for module in net.modules()]  # a wrapper's mode may differ from its network's
    net.eval()
    try:
        run = _in_colour(SelfEnsemble(net) if ensemble else net, lr.shape[-3])
        if tile is None or max(lr.shape[-2:]) <= tile:
            sr = run(lr)
            if progress:
                progress(1, 1)
            return sr
        if overlap is None:
            channels = getattr(net, "channels", None) or lr.shape[-3]
            overlap = receptive_radius(net, channels, lr.device, lr.dtype)  # at least 2: enough for bicubic chroma
        block, blended = getattr(net, "multiple", 1), getattr(net, "blend", 0) > 0
        tile, overlap = max(block, tile // block * block), -(-overlap // block) * block
        if blended:  # a pixel lies in two tiles at most
            overlap = min(overlap, tile // 2)
        return _tiled(run, net.scale, lr, tile, overlap, progress, blended)
    finally:
        for module, training in modes:
            module.training = training


def _in_colour(net: nn.Module, channels: int) -> Callable[[Tensor], Tensor]:
    """The network as a function of pictures with the given number of channels."""

    def luma(lr: Tensor) -> Tensor:
        picture = to_ycbcr(lr)
        y = net(picture[:, :1])
        return from_ycbcr(torch.cat([y, resize(picture[:, 1:], net.scale).to(y)], 1))

    def grey(lr: Tensor) -> Tensor:
        return net(lr.expand(*lr.shape[:-3], 3, -1, -1)).mean(1, keepdim=True)

    return {(1, 3): luma, (3, 1): grey}.get((getattr(net, "channels", None), channels), net)


def _tiled(
    run: Callable[[Tensor], Tensor],
    scale: float,
    lr: Tensor,
    tile: int,
    overlap: int,
    progress: Callable[[int, int], None] | None,
    blended: bool,
) -> Tensor:
    if scale != int(scale):
        raise ValueError(f"tiles need an integer scale, got {scale}; use tile=None")
    scale = int(scale)
    height, width = lr.shape[-2:]
    sr = None
    places = [(rows, columns) for rows in _spans(height, tile, overlap) for columns in _spans(width, tile, overlap)]
    for done, ((top, bottom, first, last), (left, right, start, stop)) in enumerate(places, 1):
        piece = run(lr[..., first:last, start:stop])
        if sr is None:
            made = piece.new_zeros if blended else piece.new_empty  # what fades is added
            sr = made(*piece.shape[:-2], height * scale, width * scale)
        if blended:
            down = _fade(scale, overlap, (first, top, bottom, last), height).to(piece)
            piece = piece * down[:, None] * _fade(scale, overlap, (start, left, right, stop), width).to(piece)
            sr[..., first * scale : last * scale, start * scale : stop * scale] += piece
        else:
            inner_rows = slice((top - first) * scale, (bottom - first) * scale)
            inner_columns = slice((left - start) * scale, (right - start) * scale)
            sr[..., top * scale : bottom * scale, left * scale : right * scale] = piece[..., inner_rows, inner_columns]
        if progress:
            progress(done, len(places))
    return sr


def _fade(scale: int, overlap: int, span: tuple[int, int, int, int], n: int) -> Tensor:
    """Weights of a piece along one side: 1 inside, and a ramp across each border that it shares with another piece.

    The ramp is as wide as the overlap, so that its ends lie half of it from where the pieces end, and are padded.
    """
    first, start, stop, last = span
    x = (torch.arange(scale * first, scale * last, dtype=torch.float64) + 0.5) / scale
    weight = torch.ones_like(x)
    for border, sign in ((start, 1), (stop, -1)):
        if 0 < border < n and overlap:
            weight = weight * (sign * (x - border) / overlap + 0.5).clamp(0, 1)
    return weight


def _spans(n: int, tile: int, overlap: int) -> Iterator[tuple[int, int, int, int]]:
    """(start, stop, first, last): each kept piece of 0..n, and the wider piece that is computed for it."""
    for start in range(0, n, tile):
        stop = min(start + tile, n)
        yield start, stop, max(0, start - overlap), min(n, stop + overlap)


def _reach(change: Tensor, rounding: float, scale: float) -> int:
    """How many lr pixels from the cut the columns of a result still change."""
    changed = (change > rounding).nonzero()
    return math.ceil((int(changed.max()) + 1) / scale) if len(changed) else 0


@torch.no_grad()
def receptive_radius(
    net: nn.Module, channels: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> int:
    """The measured radius of the receptive field in lr pixels, rounded up: how far a tile's edge affects its inside.

    A random picture is enlarged whole, and again after its left (right, upper, lower) half is cut off. The two differ
    near the cut, where the network pads; the radius is how far they differ. Of a very deep network, such as ESRGAN's of
    23 blocks, the difference may fade without end. Then the radius is how far it exceeds an eighth of a step of 8 bits.

    Raises: ValueError for a network whose difference reaches across the largest probe, because of attention over the
        whole picture, or global pooling.
    """
    if getattr(net, "blend", 0):
        return net.blend
    rng = torch.Generator().manual_seed(0)
    rounding = max(1e-6, 4 * torch.finfo(dtype).eps)
    for size in _PROBES:
        half = size // 2
        frames = (net.frames,) if getattr(net, "frames", 1) > 1 else ()
        picture = torch.rand(1, *frames, channels, size, size, generator=rng).to(device, dtype)
        whole = net(picture)
        changes = []
        for side in (0, 1, 4, 6):  # the symmetry that moves this side to the left
            cut = dihedral(net(inverse_dihedral(dihedral(picture, side)[..., half:], side)), side)
            changes.append((cut - dihedral(whole, side)[..., -cut.shape[-1] :]).abs().amax((0, 1, 2)))  # of each column
        farthest = max(_reach(change, rounding, net.scale) for change in changes)
        if farthest < half - 1:
            return farthest + 2  # a margin for differences below the rounding
    if all(change[-len(change) // 8 :].max() < min(_UNSEEN, _FADED * change.max()) for change in changes):
        return max(_reach(change, _UNSEEN, net.scale) for change in changes) + 2
    raise ValueError(
        f"{type(net).__name__} sees further than {half} pixels, so tiles cannot equal the whole picture; "
        "use tile=None, or pass overlap= and accept seams"
    )
