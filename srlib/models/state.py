"""Weights as others store them: out of a file without running it, out of what training scripts wrap around them."""

import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

LARGEST = 4_000_000_000  # bytes
# Where scripts put the weights of a network; an average of the weights comes before the weights themselves.
WRAPPERS = (
    *("params_ema", "ema_state_dict", "g_ema", "params", "state_dict", "model_state_dict", "net_g", "netG"),
    *("generator", "g", "model", "net"),
)
PREFIXES = ("module.", "_orig_mod.")  # DataParallel, torch.compile
GENERATORS = ("generator_ema.", "net_g_ema.", "generator.", "net_g.", "netG.")  # beside which a discriminator may lie


def from_file(path: str | os.PathLike) -> Any:
    """What a file of weights holds: safetensors, or what `torch.save` wrote of tensors, numbers, text and dictionaries.

    The content decides, not the name. A pickle can run code, so it is read with `weights_only=True`, which refuses
    everything but such values, and so runs nothing.

    Raises: ValueError for a file that is missing, too large, damaged, of another kind, or that holds more than that.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: has {path.stat().st_size} bytes, too many for a file of weights")
    with path.open("rb") as file:
        head = file.read(9)
    # safetensors begins with 8 bytes of header length, which may look like a pickle's first byte; then comes a brace
    if head[8:] == b"{":
        try:
            return load_file(path)
        except (SafetensorError, ValueError) as error:
            raise ValueError(f"{path}: is a damaged safetensors file") from error
    if head[:2] != b"PK" and head[:1] != b"\x80":
        raise ValueError(f"{path}: is neither a safetensors file nor one that torch.save wrote")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with path.open("rb") as file:  # by path, torch would let the name decide
                if head[:2] == b"PK" and (wrong := zipfile.ZipFile(file).testzip()):  # torch does not look
                    raise ValueError(f"the checksum of {wrong} differs")
                file.seek(0)
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        what = re.search(r"GLOBAL ([\w.]+)", str(error))
        told = f"more than tensors ({what[1]})" if what else "something else than tensors, or is damaged"
        raise ValueError(
            f"{path}: holds {told}; nothing pickled is run here. Whoever trusts it and has its code can save the "
            "state_dict() of the network alone"
        ) from error
    except Exception as error:  # a damaged pickle may fail anywhere
        raise ValueError(f"{path}: is damaged, or holds what torch {torch.__version__} cannot read") from error


def unwrapped(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors by the network's own names: without the dictionaries, and the prefixes, around them.

    Of a file with a generator and a discriminator it gives the generator, averaged where that is there.

    `{"params_ema": {"module.conv_first.weight": w}}` gives `{"conv_first.weight": w}`.

    Raises: ValueError for what holds no tensors, or other things beside them.
    """
    for _ in WRAPPERS:  # a dictionary may lie in itself
        if not isinstance(state, Mapping):
            raise ValueError(f"it holds {type(state).__name__}, no weights by name")
        inside = (state[key] for key in WRAPPERS if isinstance(state.get(key), Mapping) and state[key])
        if (found := next(inside, None)) is None:
            break
        state = found
    if other := [name for name, value in state.items() if not (isinstance(name, str) and isinstance(value, Tensor))]:
        raise ValueError(f"{other[0]!r} in it is {type(state[other[0]]).__name__}, where the weights of a network are")
    state = _without_prefixes(state)
    for part in GENERATORS:
        if inside := {name.removeprefix(part): value for name, value in state.items() if name.startswith(part)}:
            state = _without_prefixes(inside)
            break
    if not state:
        raise ValueError("it holds no weights")
    return dict(state)


def _without_prefixes(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    while prefix := next((p for p in PREFIXES if state and all(name.startswith(p) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state
