"""Our weights under the names of other codes, for programs that read published files."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from srlib.models.compact import Compact
from srlib.models.edsr import EDSR, RANGE
from srlib.models.esrgan import RRDBNet

GROWTH = 32  # what programs that read ESRGAN files take for granted


def to_official(net: nn.Module, *, growth: int | None = None) -> dict[str, Tensor]:
    """The weights of a network by the names of BasicSR, as its published files have them.

    RRDBNet gets the names of BasicSR where it enlarges by 4 inside, as all of BasicSR's do (×4, ×2 folded by 2, ×1
    folded by 4), and else those of ESRGAN's first code, which have room for any number of doublings. Of EDSR the biases
    are multiplied by 255, the range of its colours there. Compact keeps its names.

    Args:
        growth: of an RRDBNet: fill its dense blocks up with zeros to so many maps, which changes nothing but the size
            and the time. Programs that assume 32 then read a network that grows by 16.

    Raises: ValueError for a network that BasicSR does not have, and for a growth below the network's.
    """
    if growth is not None and not isinstance(net, RRDBNet):
        raise ValueError(f"{type(net).__name__} has no dense blocks that grow")
    if isinstance(net, RRDBNet):
        return _rrdb(net if growth is None else filled(net, growth))
    if type(net) is EDSR:  # what inherits from it has a step that BasicSR has not
        return _edsr(net)
    if isinstance(net, Compact):
        return dict(net.state_dict())
    known = "RRDBNet (ESRGAN), EDSR and Compact"
    raise ValueError(f"BasicSR has no network like {type(net).__name__}; its names exist for {known}")


def _rrdb(net: RRDBNet) -> dict[str, Tensor]:
    stages = [layer.scale_factor for layer in net.enlarge if isinstance(layer, nn.Upsample)]
    if 3 in stages:
        raise ValueError("in published files an RRDBNet for ×3 looks like one for ×2, and would be taken for it")
    blocks = len(net.body) - 1
    names = dict(_flat(blocks, len(stages)) if len(stages) != 2 else _basicsr(blocks))
    found = {}
    for name, value in net.state_dict().items():
        layer, _, kind = name.rpartition(".")
        found[f"{names[layer]}.{kind}"] = value
    return found


def _basicsr(blocks: int) -> Iterator[tuple[str, str]]:
    """(our layer, its name in BasicSR)."""
    yield from (("head", "conv_first"), (f"body.{blocks}", "conv_body"))
    for block, dense, conv in _dense(blocks):
        yield f"body.{block}.dense.{dense}.convs.{conv}", f"body.{block}.rdb{dense + 1}.conv{conv + 1}"
    yield from (("enlarge.1", "conv_up1"), ("enlarge.4", "conv_up2"), ("tail.0", "conv_hr"), ("tail.2", "conv_last"))


def _flat(blocks: int, stages: int) -> Iterator[tuple[str, str]]:
    """(our layer, its name in ESRGAN's first code), which counts the layers without weights, too."""
    yield from (("head", "model.0"), (f"body.{blocks}", f"model.1.sub.{blocks}"))
    for block, dense, conv in _dense(blocks):
        yield f"body.{block}.dense.{dense}.convs.{conv}", f"model.1.sub.{block}.RDB{dense + 1}.conv{conv + 1}.0"
    for stage in range(stages):
        yield f"enlarge.{3 * stage + 1}", f"model.{3 * stage + 3}"
    yield from ((f"tail.{k}", f"model.{3 * stages + 2 + k}") for k in (0, 2))


def _dense(blocks: int) -> Iterator[tuple[int, int, int]]:
    return ((block, dense, conv) for block in range(blocks) for dense in range(3) for conv in range(5))


def _edsr(net: EDSR) -> dict[str, Tensor]:
    if net.settings["tail"] != "paper" or "mean" in net.settings:
        raise ValueError("BasicSR's EDSR enlarges its feature maps and subtracts the mean of DIV2K; this one does not")
    blocks = len(net.body) - 1
    names = {"head": "conv_first", f"body.{blocks}": "conv_after_body", "tail.1": "conv_last"}
    found = {}
    for name, value in net.state_dict().items():
        layer, _, kind = name.rpartition(".")
        theirs = names.get(layer, layer.replace("tail.0", "upsample"))
        found[f"{theirs}.{kind}"] = RANGE * value if kind == "bias" else value
    return found


@torch.no_grad()
def filled(net: RRDBNet, growth: int) -> RRDBNet:
    """A network that grows by more maps and gives the same results: the new maps are zero, and nothing looks at them.

    Raises: ValueError for fewer maps than it has.
    """
    before, width = net.settings["growth"], net.settings["width"]
    if growth < before:
        raise ValueError(f"it grows by {before} maps, which cannot become {growth} without loss")
    wide = RRDBNet(scale=net.scale, **(net.settings | {"growth": growth})).eval()
    for value in wide.state_dict().values():
        value.zero_()
    for (name, new), old in zip(wide.state_dict().items(), net.state_dict().values(), strict=True):
        if ".convs." not in name or new.ndim == 1:
            new[: len(old)] = old
            continue
        new[: len(old), :width] = old[:, :width]
        for k in range((old.shape[1] - width) // before):
            ours, theirs = width + k * before, width + k * growth
            new[: len(old), theirs : theirs + before] = old[:, ours : ours + before]
    return wide
