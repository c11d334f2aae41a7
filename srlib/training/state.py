"""A training run on disk: everything that a resumed run needs, with a checksum, whole or not at all."""

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from srlib.io import atomic
from srlib.training.run import TrainingError

STATE = "state.pt"
_HEADER = b"srlib training state, sha256 "
# What may change between the beginning of a run and its continuation.
FREE = {"steps", "log_every", "evaluate_every", "save_every", "compile"}


def write_state(folder: Path, parts: Mapping[str, Mapping[str, Any]], settings: dict, progress: dict) -> None:
    """Save everything that a resumed run needs, with a checksum; whole or not at all, even when killed or out of power.

    Args:
        parts: {group: {name: an object with state_dict()}}.
        settings: compared when the state is read.
        progress: plain numbers, strings, lists and dicts.
    """
    states = {group: {name: item.state_dict() for name, item in items.items()} for group, items in parts.items()}
    payload = io.BytesIO()
    torch.save({"states": states, "settings": settings, "progress": progress}, payload)
    content = payload.getvalue()
    header = _HEADER + hashlib.sha256(content).hexdigest().encode() + b"\n"
    atomic.write(folder / STATE, header + content, durable=True)


def read_state(
    folder: Path, parts: Mapping[str, Mapping[str, Any]], settings: dict, device: torch.device
) -> dict[str, Any] | None:
    """Put a saved state into `parts`; the progress that was saved with it, or None where nothing is saved.

    Raises: TrainingError for a damaged state, and for one of a run with other networks or settings; what is in
        `FREE` may change, as long as the state is not beyond the last step.
    """
    path = folder / STATE
    if not path.exists():
        return None
    header, _, content = path.read_bytes().partition(b"\n")
    if header != _HEADER + hashlib.sha256(content).hexdigest().encode():
        raise TrainingError(f"{path}: damaged, or not a training state; delete it to start again")
    try:
        saved = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise TrainingError(f"{path}: cannot be read by this version of torch; delete it to start again") from error
    for key, value in settings.items():
        if key not in FREE and saved["settings"].get(key) != value:
            was = saved["settings"].get(key)
            raise TrainingError(f"{path}: saved with {key}={was}, now {key}={value}; resume with the old setting")
    if saved["progress"]["step"] > settings["steps"]:
        done = saved["progress"]["step"]
        raise TrainingError(
            f"{path}: is at step {done}, beyond steps={settings['steps']}; give --steps {done} or more, or begin "
            "another run with what it has learned: --start FILE.safetensors --out DIR"
        )
    _fill(path, parts, saved["states"])
    return saved["progress"]


def _fill(path: Path, parts: Mapping[str, Mapping[str, Any]], states: dict) -> None:
    if {group: set(items) for group, items in parts.items()} != {group: set(items) for group, items in states.items()}:
        raise TrainingError(f"{path}: holds the state of another run: {', '.join(states.get('nets', {}))}")
    for group, items in parts.items():
        for name, item in items.items():
            try:
                item.load_state_dict(states[group][name])
            except (RuntimeError, ValueError, KeyError) as error:
                raise TrainingError(f"{path}: the saved {name} ({group}) does not fit this run's") from error
