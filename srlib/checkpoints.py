"""Trained networks on disk: weights in safetensors, and next to them a JSON card that describes them."""

import hashlib
import inspect
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch import nn

from srlib.data.datasets import data_folder
from srlib.io import atomic
from srlib.models.catalogue import CATALOGUE

LARGEST = 4_000_000_000  # bytes
LARGEST_SETTING = 2048  # of what a card states: blocks, feature maps, ...
PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the one-line message says why and what to do."""


def build(model: str, scale: int, settings: dict | None = None) -> nn.Module:
    """A network by the name on its card, with untrained weights.

    Args:
        settings: sizes of the architecture, where they are not those of the catalogue: {"blocks": 6}.

    Raises: CheckpointError for a name that is not in the catalogue, and for settings that its architecture does not
        have; ValueError for a scale it does not support.
    """
    if model not in CATALOGUE:
        raise CheckpointError(f"no network {model!r}; there are {', '.join(CATALOGUE)}")
    row = CATALOGUE[model]
    if settings is None:
        return row.build(scale)
    known = inspect.signature(row.network).parameters.keys() - {"scale"}
    for name, value in settings.items():
        if name not in known or not _plausible(value):
            raise CheckpointError(f"{model} cannot be built with {name} = {value!r}; it has {', '.join(sorted(known))}")
    try:
        return row.network(scale=scale, **settings)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{model} ×{scale} cannot be built with {settings}: {error}") from error


def _plausible(value: object) -> bool:
    """Whether a card may ask for it: a switch, a short word, or a number that does not take all memory."""
    if isinstance(value, list):
        return len(value) <= 8 and not any(isinstance(one, list) for one in value) and all(map(_plausible, value))
    if isinstance(value, int | float):
        return 0 <= value <= LARGEST_SETTING
    return isinstance(value, str) and len(value) <= 20


def save(net: nn.Module, path: str | os.PathLike, card: dict, *, half: bool = False) -> Path:
    """Write `path` (.safetensors) and its card next to it (.json), both or neither.

    Args:
        card: at least "model", a name in the catalogue, and "scale"; added are sha256, parameters, precision and, as
            "network", the settings with which the network was built.
        half: store float16; this halves the file and costs about 0.001 dB.

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
    if settings := getattr(net, "settings", None):
        card = card | {"network": settings}
    card = card | {
        "parameters": sum(p.numel() for p in net.parameters()),
        "precision": "float16" if half else "float32",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    atomic.write_all({path: content, path.with_suffix(".json"): text})
    return path


def load(model: str | os.PathLike, scale: int | None = None) -> nn.Module:
    """Load a trained network in evaluation mode: a shipped one by its name, or any file that `save` wrote.

    Args:
        model: such as "edsr_small", or the path of a .safetensors file.
        scale: required for a name that is shipped for several scales; checked against the card of a file.

    Raises: CheckpointError for a name or scale that is not shipped, and for a file that is missing, damaged, not
        safetensors, or not the network that its card names.
    """
    path = locate(model, scale)
    card = read_card(path)
    tensors = read_tensors(path, card)
    scale = scale or card["scale"]
    if scale not in scales_of(card):
        raise CheckpointError(f"{path}: was trained for ×{', ×'.join(map(str, scales_of(card)))}, not ×{scale}")
    try:
        net = build(card["model"], scale, _bounded(card.get("network"), tensors))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    wanted = {name: value.shape for name, value in net.state_dict().items()}
    if wrong := [name for name in wanted | tensors if name not in tensors or tensors[name].shape != wanted.get(name)]:
        raise CheckpointError(f"{path}: does not hold the weights of {card['model']} ×{card['scale']}: {wrong[0]}")
    net.load_state_dict(tensors)
    return net.eval()


def _bounded(settings: dict | None, tensors: dict[str, torch.Tensor]) -> dict | None:
    """The settings of a card, before memory is taken for them: none may exceed every extent of the tensors."""
    largest = max([len(tensors), *(side for value in tensors.values() for side in value.shape)])
    for name, value in (settings or {}).items():
        if isinstance(value, int) and value > largest:
            raise CheckpointError(f"its card has {name} = {value}, which is not what its tensors have")
    return settings


def weights_of(model: str, path: str | os.PathLike) -> dict[str, torch.Tensor]:
    """The tensors in a file that `save` wrote, by name; for networks that are no upscalers and not in the catalogue.

    Raises: CheckpointError for a file that `load` would refuse, and for a card that names another network.
    """
    path = Path(path)
    card = read_card(path)
    if card["model"] != model:
        raise CheckpointError(f"{path}: holds {card['model']}, not {model}")
    return read_tensors(path, card)


def locate(model: str | os.PathLike, scale: int | None = None) -> Path:
    """The file of a shipped network, or the path itself.

    Raises: CheckpointError as for `load`.
    """
    if os.fspath(model).endswith(".safetensors"):
        return Path(model)
    if Path(model).suffix.lower() in PICKLES:
        raise CheckpointError(
            f"{model}: only .safetensors is read, since a pickle can run code; make one: {_way(model)}"
        )
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


def of_pictures() -> list[Path]:
    """Those of `shipped` that take single pictures: all but the kind "video" of the catalogue."""
    return [path for path in shipped() if CATALOGUE[name_of(path)].kind != "video"]


def names() -> list[str]:
    """Names of the shipped networks, each once."""
    return list(dict.fromkeys(name_of(path) for path in shipped()))


def name_of(path: str | os.PathLike) -> str:
    """The network's name in a file name: edsr_small for edsr_small_x4.safetensors."""
    return Path(path).stem.rpartition("_x")[0]


def scales_of(card: dict) -> list[int]:
    """Every scale a checkpoint is for."""
    return card.get("scales", [card["scale"]])


def read_card(path: str | os.PathLike) -> dict:
    """The card of a checkpoint.

    Raises: CheckpointError for a missing checkpoint, and for a card that is missing or damaged.
    """
    path = Path(path)
    card_path = path.with_suffix(".json")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    if not card_path.is_file():
        raise CheckpointError(
            f"{path}: its card {card_path.name} is missing; keep both files in one folder, or, if the weights are "
            f"someone else's, make both: {_way(path)}"
        )
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        known = isinstance(card["model"], str) and isinstance(card["sha256"], str)
        known = known and all(type(scale) is int and 1 <= scale <= 16 for scale in [card["scale"], *scales_of(card)])
        known = known and isinstance(card.get("network", {}), dict)
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise CheckpointError(f"{card_path}: is not the card of a checkpoint")
    return card


def _way(path: str | os.PathLike) -> str:
    """The command that makes a checkpoint of someone else's file."""
    path = Path(path)
    other = path.with_suffix(".safetensors") if path.suffix != ".safetensors" else path.with_stem(f"{path.stem}_srlib")
    return f"srlib convert {path} {other}"


def read_tensors(path: Path, card: dict) -> dict[str, torch.Tensor]:
    """The tensors in a file, by name, after verifying its checksum; a pickle is never opened.

    Raises: CheckpointError for a file that is too large, damaged, a pickle, or not safetensors.
    """
    if path.stat().st_size > LARGEST:
        raise CheckpointError(f"{path}: has {path.stat().st_size} bytes, too many for a checkpoint")
    content = path.read_bytes()
    # safetensors begins with 8 bytes of header length, which may look like a pickle's first byte; then comes a brace
    if content[8:9] != b"{" and (content[:2] == b"PK" or content[:1] == b"\x80"):
        raise CheckpointError(
            f"{path}: is a pickle, which could run code, under another name; read it so: {_way(path)}"
        )
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise CheckpointError(f"{path}: damaged, or not the file its card describes (sha256 differs)")
    try:
        return {name: value.float() if value.is_floating_point() else value for name, value in parse(content).items()}
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: is not a safetensors file") from error
