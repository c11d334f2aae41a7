"""Which network the weights of others belong to: told by their names, its sizes by their shapes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from srlib.models import compact, drn, edsr, edvr, esrgan, lapsrn, srgan
from srlib.models.catalogue import CATALOGUE
from srlib.models.state import unwrapped

LARGEST_SCALE = 16
Names = set[str]
_RRDB = re.compile(r"(?:model\.1\.sub|RRDB_trunk|body)\.0\.(?:(?:RDB|rdb)1\.conv1|dense\.0)\b")


class PublishedError(ValueError):
    """Weights that no network here can hold exactly, in one line that says why."""


@dataclass(frozen=True)
class Published:
    """Weights of others, as a network of ours.

    Args:
        model: its row in the catalogue.
        settings: how its class is called beside the scale, see `checkpoints.build`.
        tensors: its weights by our names.
    """

    model: str
    scale: int
    settings: dict[str, Any]
    tensors: dict[str, Tensor]

    def build(self) -> nn.Module:
        """The network with these weights, in evaluation mode."""
        net = CATALOGUE[self.model].network(scale=self.scale, **self.settings)
        net.load_state_dict(self.tensors)
        return net.eval()


@dataclass(frozen=True)
class Family:
    """Published networks of one architecture.

    Args:
        label: what they are called.
        rows: of the catalogue, the one for other sizes last.
        has: whether a file with these names is one of them.
        read: (weights, options) -> weights by our names, and settings.
    """

    label: str
    rows: tuple[str, ...]
    has: Callable[[Names], bool]
    read: Callable[..., tuple[dict[str, Tensor], dict[str, Any]]]


def _by(module: ModuleType) -> Callable[..., tuple[dict[str, Tensor], dict[str, Any]]]:
    """Read with the names of a network's module, where no option says anything."""

    def read(state: Mapping[str, Tensor], **options: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors = module.from_official(state)
        return tensors, module.settings_of(tensors)

    return read


def _rrdb(state: Mapping[str, Tensor], **options: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = esrgan.from_official(state)
    if len(tensors) < len(state):
        raise PublishedError("two of its tensors are one layer; its names are of two codes")
    return tensors, esrgan.settings_of(tensors)


def _compact(state: Mapping[str, Tensor], **options: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = compact.from_official(state, activation=options["activation"])
    return tensors, compact.settings_of(tensors)


def _check_colour(mean: list[float]) -> None:
    if not all(0 <= value <= 1 for value in mean):
        raise PublishedError(f"sub_mean.bias subtracts {mean}, which is no colour")


def _edsr(state: Mapping[str, Tensor], **options: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    mean, _ = edsr.mean_of(state)
    if mean is not None:
        _check_colour(mean)
    tensors = edsr.from_official(state, mean=mean)
    settings = edsr.settings_of(tensors)
    factor = options["residual_scale"] or (0.1 if settings["width"] >= 256 else 1.0)
    return tensors, settings | {"residual_scale": factor} | ({} if mean is None else {"mean": mean})


def _drn(state: Mapping[str, Tensor], **options: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, mean = drn.from_official(state)
    _check_colour(mean)
    return tensors, drn.settings_of(tensors) | {"mean": mean}


FAMILIES = (
    Family(
        "ESRGAN or Real-ESRGAN (RRDBNet)",
        ("rrdbnet",),
        lambda names: any(map(_RRDB.match, names)),
        _rrdb,
    ),
    Family("EDVR", ("edvr_m", "edvr_l"), lambda names: "pcd_align.dcn_pack.l1.weight" in names, _by(edvr)),
    Family(
        "SRResNet",
        ("srresnet",),
        lambda names: bool(names & {"trunk.0.rcb.0.weight", "body.0.norm1.weight", "conv_hr.weight"}),
        _by(srgan),
    ),
    Family(
        "MDSR",
        ("mdsr",),
        lambda names: bool(names & {"pre_process.0.0.body.0.weight", "first.2.0.conv1.weight"}),
        _by(edsr),
    ),
    Family("DRN", ("drn_s", "drn_l", "drn_small"), lambda names: "up_blocks.0.0.body.0.weight" in names, _drn),
    Family("LapSRN", ("lapsrn_paper",), lambda names: "convt_F1.0.cov_block.0.weight" in names, _by(lapsrn)),
    Family(
        "EDSR",
        ("edsr_small", "edsr_baseline", "edsr"),
        lambda names: bool(names & {"body.0.body.0.weight", "body.0.conv1.weight"}),
        _edsr,
    ),
    Family(
        "Compact (SRVGGNetCompact)",
        ("compact",),
        lambda names: "body.0.weight" in names and all(re.fullmatch(r"body\.\d+\.\w+", name) for name in names),
        _compact,
    ),
)


def read(
    state: Mapping[str, Any],
    *,
    scale: int | None = None,
    residual_scale: float | None = None,
    activation: str | None = None,
) -> Published:
    """Find out which network these weights belong to, and rename them.

    Args:
        state: what a file of weights holds: tensors by name, perhaps inside `params_ema` and the like.
        scale: of an ESRGAN with one stage of upsampling, which is for ×2 or ×3; it must fit all others.
        residual_scale: of an EDSR; default: 0.1 from 256 feature maps on, as in the paper, else 1.
        activation: of a Compact without slopes: "relu" or "leakyrelu".

    Raises: PublishedError for weights of no network here, and for a tensor that is missing, does not fit, or is not
        finite.
    """
    try:
        state = {name: _number(name, value) for name, value in unwrapped(state).items()}
    except ValueError as error:
        raise PublishedError(str(error)) from error
    family, state = _family(state)
    if residual_scale is not None and family.read is not _edsr:
        raise PublishedError(f"it is {family.label}, which has no factor on its residuals")
    if activation is not None and family.read is not _compact:
        raise PublishedError(f"it is {family.label}, whose activations are known")
    try:
        tensors, settings = family.read(state, residual_scale=residual_scale, activation=activation)
    except KeyError as error:
        raise PublishedError(f"{error.args[0]} is missing in it") from error
    except (RuntimeError, IndexError, ZeroDivisionError) as error:
        raise PublishedError(f"its tensors have not the shapes of {family.label}") from error
    except ValueError as error:
        raise PublishedError(str(error)) from error
    found = settings.pop("scale")
    if scale in settings.get("scales", ()):
        found = scale
    if scale not in (None, found):
        if family.rows != ("rrdbnet",) or (found, scale) != (2, 3) or settings["fold"] > 1:
            raise PublishedError(f"it enlarges by {found}, not by {scale}")
        found = scale
    if not 1 <= found <= LARGEST_SCALE:
        raise PublishedError(f"it would enlarge by {found}; 1 to {LARGEST_SCALE} can be used here")
    wanted = _wanted(family, found, settings)
    _check(tensors, wanted, {id(value): name for name, value in state.items()})
    return Published(_row(family, found, settings), found, settings, tensors)


def _number(name: str, value: Tensor) -> Tensor:
    """A tensor as 32-bit floats, or the whole number that batch norm counts with."""
    whole = value.layout == torch.strided and not (value.is_quantized or value.is_complex() or value.is_meta)
    if not whole or value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise PublishedError(f"{name} is stored in a form that is not read here ({value.dtype}, {value.layout})")
    if not value.is_floating_point():
        if not name.endswith("num_batches_tracked"):
            raise PublishedError(f"{name} holds whole numbers ({value.dtype}), where weights are")
        return value
    value = value.detach().float().cpu()
    if not value.isfinite().all():
        raise PublishedError(f"{name} holds numbers that are not finite")
    return value


def _family(state: dict[str, Tensor]) -> tuple[Family, dict[str, Tensor]]:
    """The family, and the weights without `model.` before every name, which a class around the network leaves."""
    inside = {name.removeprefix("model."): value for name, value in state.items()}
    for found in (state, inside):
        for family in FAMILIES:
            if family.has(set(found)):
                return family, found
    told = ", ".join(list(state)[:3])
    raise PublishedError(f"its weights ({told}, …) are of none of {', '.join(family.label for family in FAMILIES)}")


def _wanted(family: Family, scale: int, settings: dict[str, Any]) -> dict[str, torch.Size]:
    """The shapes of the network with these settings."""
    try:
        with torch.device("meta"):
            net = CATALOGUE[family.rows[-1]].network(scale=scale, **settings)
    except ValueError as error:
        raise PublishedError(f"it would be {family.label} ×{scale}: {error}") from error
    return {name: value.shape for name, value in net.state_dict().items()}


def _check(tensors: Mapping[str, Tensor], wanted: Mapping[str, torch.Size], theirs: Mapping[int, str]) -> None:
    """Every tensor is there, fits, and belongs to the network; the first that does not is named as in the file."""
    for name, value in tensors.items():
        told = theirs.get(id(value), name)
        if name not in wanted:
            raise PublishedError(f"{told} is no part of the network that its other tensors make")
        if value.shape != wanted[name]:
            raise PublishedError(f"{told} has the shape {tuple(value.shape)}, where {tuple(wanted[name])} fits")
    if missing := [name for name in wanted if name not in tensors]:
        raise PublishedError(f"{missing[0]}, as it is called here, is missing in it")


def _row(family: Family, scale: int, settings: dict[str, Any]) -> str:
    """The row of this size, whatever colour it subtracts, or else the one for other sizes."""
    settings = {name: value for name, value in settings.items() if name != "mean"}
    for name in family.rows:
        if scale in CATALOGUE[name].scales:
            with torch.device("meta"):
                if CATALOGUE[name].build(scale).settings == settings:
                    return name
    return family.rows[-1]
