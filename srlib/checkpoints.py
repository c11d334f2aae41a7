"""Trained networks on disk: weights in safetensors, and beside them a card in JSON that says what they are."""

import copy
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch import nn

from srlib import files
from srlib.datasets import data_folder
from srlib.models import edsr, esrgan, fcn, johnson, srgan

# Every network that a checkpoint can hold, by the name on its card. A card names a row of this table and nothing
# else, so that reading one never runs code of its writer.
NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "srcnn": fcn.srcnn,
    "fsrcnn": fcn.fsrcnn,
    "espcn": fcn.espcn,
    "vdsr": fcn.vdsr,
    "srresnet": srgan.srresnet,
    "edsr_small": edsr.edsr_small,
    "edsr_baseline": edsr.edsr_baseline,
    "edsr": edsr.edsr,
    "mdsr": edsr.mdsr,
    "johnson_pixel": johnson.johnson_small,
    "johnson": johnson.johnson_small,  # with another loss than the row before; so with those below
    "srgan": srgan.srresnet,
    "rrdbnet": esrgan.rrdbnet,
    "rrdb_psnr_small": esrgan.rrdb_small,
    "esrgan_small": esrgan.rrdb_small,
}
LARGEST = 4_000_000_000  # bytes


class CheckpointError(ValueError):
    """A checkpoint that cannot be used, in one line that says why and what to do."""


def build(model: str, scale: int) -> nn.Module:
    """A network by the name on its card, with untrained weights.

    Raises: CheckpointError for a name that is not in `NETWORKS`; ValueError for a scale it does not have.
    """
    if model not in NETWORKS:
        raise CheckpointError(f"no network {model!r}; there are {', '.join(NETWORKS)}")
    return NETWORKS[model](scale)


def save(net: nn.Module, path: str | os.PathLike, card: dict, *, half: bool = False) -> Path:
    """Write `path` (.safetensors) and its card beside it (.json), each whole or not at all.

    Args:
        card: at least "model", a name in `NETWORKS`, and "scale"; sha256, parameters and precision are added.
        half: keep 16 of the 32 bits of each number; half the file, and some 0.001 dB.

    Raises: CheckpointError for a card without model or scale, or another suffix.
    """
    path = Path(path)
    if path.suffix != ".safetensors" or not {"model", "scale"} <= card.keys():
        raise CheckpointError(f"{path}: a checkpoint is a .safetensors file whose card has model and scale")
    tensors = {
        name: (value.half() if half and value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in net.state_dict().items()
    }
    content = serialise(tensors)
    card = card | {
        "parameters": sum(p.numel() for p in net.parameters()),
        "precision": "float16" if half else "float32",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, content)
    files.write(path.with_suffix(".json"), (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode())
    return path


def load(model: str | os.PathLike, scale: int | None = None) -> nn.Module:
    """A trained network, in evaluation mode: a shipped one by its name, or any file that `save` wrote.

    Args:
        model: such as "edsr_small", or the path of a .safetensors file.
        scale: needed for a name that is shipped for several scales; for a file, checked.

    Raises: CheckpointError for a name or scale that is not shipped, and for a file that is missing, damaged, of
        another kind, or of another network than its card says. Nothing is half loaded.
    """
    path = locate(model, scale)
    card = read_card(path)
    tensors = _tensors(path, card)
    scale = scale or card["scale"]
    if scale not in scales_of(card):
        raise CheckpointError(f"{path}: was trained for ×{', ×'.join(map(str, scales_of(card)))}, not ×{scale}")
    net = build(card["model"], scale)
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: does not hold the weights of {card['model']} ×{card['scale']}") from error
    return net.eval()


def weights_of(model: str, path: str | os.PathLike) -> dict[str, torch.Tensor]:
    """The numbers in a file that `save` wrote, by name; for networks that enlarge nothing and are not in `NETWORKS`.

    Raises: CheckpointError for a file that `load` would refuse, and where its card names another network.
    """
    path = Path(path)
    card = read_card(path)
    if card["model"] != model:
        raise CheckpointError(f"{path}: holds {card['model']}, not {model}")
    return _tensors(path, card)


def locate(model: str | os.PathLike, scale: int | None = None) -> Path:
    """The file of a shipped network, or the path itself.

    Raises: CheckpointError as for `load`.
    """
    if os.fspath(model).endswith(".safetensors"):
        return Path(model)
    if Path(model).suffix in (".pt", ".pth", ".ckpt", ".bin", ".pkl"):
        raise CheckpointError(f"{model}: only .safetensors is read, since a pickle can run code; convert it first")
    cards = {path: read_card(path) for path in shipped() if name_of(path) == os.fspath(model)}
    if not cards:
        known = ", ".join(names()) or "none"
        raise CheckpointError(f"no trained network {os.fspath(model)!r}; shipped: {known}; or name a .safetensors file")
    fitting = [path for path, card in cards.items() if scale in (None, *scales_of(card))]
    if len(fitting) != 1:
        scales = sorted({s for card in cards.values() for s in scales_of(card)})
        raise CheckpointError(f"{model} is shipped for ×{', ×'.join(map(str, scales))}; give one of these scales")
    return fitting[0]


def shipped() -> list[Path]:
    """The checkpoints of upscalers in the `data` folder, by name."""
    return sorted((data_folder() / "checkpoints").glob("*_x*.safetensors"))


def names() -> list[str]:
    """Names of the shipped networks, each once."""
    return list(dict.fromkeys(name_of(path) for path in shipped()))


def name_of(path: str | os.PathLike) -> str:
    """edsr_small_x4.safetensors is edsr_small."""
    return Path(path).stem.rpartition("_x")[0]


def scales_of(card: dict) -> list[int]:
    """Every scale a checkpoint is for."""
    return card.get("scales", [card["scale"]])


def read_card(path: str | os.PathLike) -> dict:
    """The card of a checkpoint.

    Raises: CheckpointError where it is missing or damaged.
    """
    path = Path(path)
    card_path = path.with_suffix(".json")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    if not card_path.is_file():
        raise CheckpointError(f"{path}: its card {card_path.name} is not beside it")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        known = isinstance(card["model"], str) and isinstance(card["sha256"], str)
        known = known and all(type(scale) is int and 1 <= scale <= 16 for scale in [card["scale"], *scales_of(card)])
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise CheckpointError(f"{card_path}: is not the card of a checkpoint")
    return card


def warm_start(net: nn.Module, path: str | os.PathLike) -> tuple[list[str], list[str]]:
    """Copy what fits by name and shape from a checkpoint of another network or scale: (copied, left as they were).

    EDSR for ×3 and ×4 starts from the body of ×2 in this way (Lim et al., CVPRW 2017, sec. 3.2).

    Raises: CheckpointError for a file that `load` would refuse, and where nothing fits.
    Differs from the paper: nothing known.
    """
    path = Path(path)
    tensors, own = _tensors(path, read_card(path)), net.state_dict()
    copied = [name for name, value in own.items() if name in tensors and tensors[name].shape == value.shape]
    if not copied:
        raise CheckpointError(f"{path}: nothing in it fits {type(net).__name__}")
    with torch.no_grad():
        for name in copied:
            own[name].copy_(tensors[name])
    return copied, [name for name in own if name not in copied]


@torch.no_grad()
def interpolate(a: nn.Module | str | os.PathLike, b: nn.Module | str | os.PathLike, alpha: float) -> nn.Module:
    """(1 − α) · a + α · b, weight by weight, as a new network (Wang et al., ECCVW 2018, eq. 4).

    Only sensible where one was trained from the other: the weights of two runs do not lie on the same slope.

    Args:
        a, b: networks, or what `load` takes.
        alpha: 0 is a and 1 is b, to the bit.

    Raises: ValueError for α outside [0, 1]; CheckpointError for networks that are not built alike.
    Differs from the paper: batch norm's statistics are interpolated too, which the paper's network has not; integers,
        such as its count of batches, are those of the nearer network.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie between 0 (the first network) and 1 (the second), got {alpha}")
    a, b = (net if isinstance(net, nn.Module) else load(net) for net in (a, b))
    theirs = b.state_dict()
    mixed = copy.deepcopy(a).eval().requires_grad_(False)
    alike = str(a) == str(b) and getattr(a, "scale", None) == getattr(b, "scale", None)
    if not alike or mixed.state_dict().keys() != theirs.keys():
        raise CheckpointError(f"cannot interpolate {_kind(a)} and {_kind(b)}: they are not built alike")
    for name, value in mixed.state_dict().items():
        if value.is_floating_point():
            value.lerp_(theirs[name].to(value), alpha)
        elif alpha > 0.5:
            value.copy_(theirs[name])
    return mixed


def _kind(net: nn.Module) -> str:
    parameters = sum(p.numel() for p in net.parameters())
    return f"{type(net).__name__} ×{getattr(net, 'scale', '?')} of {parameters:,} parameters"


def _tensors(path: Path, card: dict) -> dict[str, torch.Tensor]:
    """The numbers in a file, after its checksum; no pickle is ever opened."""
    if path.stat().st_size > LARGEST:
        raise CheckpointError(f"{path}: has {path.stat().st_size} bytes, too many for a checkpoint")
    content = path.read_bytes()
    # a safetensors file begins with the length of its header, which may look like a pickle's first byte, and then has {
    if content[8:9] != b"{" and (content[:2] == b"PK" or content[:1] == b"\x80"):
        raise CheckpointError(
            f"{path}: is a pickle, which could run code; convert it to safetensors where you trust it"
        )
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise CheckpointError(f"{path}: damaged, or not the file its card describes (sha256 differs)")
    try:
        return {name: value.float() if value.is_floating_point() else value for name, value in parse(content).items()}
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: is not a safetensors file") from error
