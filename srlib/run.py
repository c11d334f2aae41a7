"""What a step needs around it: device, precision, update, other processes; and the state that is saved."""

import gc
import hashlib
import io
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from srlib import files

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
STATE = "state.pt"
_HEADER = b"srlib training state, sha256 "


class TrainingError(ValueError):
    """A run that cannot go on, in one line."""


class Run:
    """One code path for fp32, bf16 and fp16, for one process and many.

    Args:
        precision: of what runs under `autocast`; weights and updates stay in float32.
        clip: longest gradient of an update (2-norm); None: any.
        device: default: CUDA where it is there, else the processor.
    """

    def __init__(self, precision: str = "fp32", clip: float | None = None, device: torch.device | str | None = None):
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        self.world, self.rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
        if device is None:
            device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
        self.device, self.clip, self.dtype = torch.device(device), clip, PRECISIONS[precision]
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")
        self.main = self.rank == 0  # the process that writes
        self._opened = self.world > 1 and not dist.is_initialized()
        if self._opened:  # started by torchrun
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

    def autocast(self) -> AbstractContextManager:
        """The forward pass belongs inside."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def minimize(self, loss: Tensor, opt: torch.optim.Optimizer) -> None:
        """One update, always in this order: zero, backward, clip, step.

        Zeroing just before backward makes what other losses have left in `.grad` harmless.
        """
        opt.zero_grad()
        self.scaler.scale(loss).backward()
        if self.clip is not None:
            self.scaler.unscale_(opt)
            nn.utils.clip_grad_norm_([p for group in opt.param_groups for p in group["params"]], self.clip)
        self.scaler.step(opt)

    def wrap(self, net: nn.Module, compile: bool = False) -> nn.Module:
        """The network as the steps call it: compiled in place, its gradients averaged over all processes."""
        if compile:
            net.compile()
        if self.world == 1:
            return net
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(net, devices, find_unused_parameters=hasattr(net, "scales"))

    def close(self) -> None:
        """End what the constructor began.

        Nets that `wrap` has made must be gone: the last to let go of the group ends its threads, and where that is a
        net, it holds Python's lock while a thread may be waiting for it, for ever.
        """
        if self._opened:
            gc.collect()
            dist.barrier()
            dist.destroy_process_group()


def ahead(make: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
    """make(n) for each n, in order; the next one is made in a thread while the last one is used."""
    with ThreadPoolExecutor(1, initializer=lambda: torch.set_num_threads(1)) as pool:
        coming = None
        for n in numbers:
            following = pool.submit(make, n)
            if coming is not None:
                yield coming.result()
            coming = following
        if coming is not None:
            yield coming.result()


def bare(net: nn.Module) -> nn.Module:
    """The network itself, without the wrapper that exchanges gradients."""
    return net.module if isinstance(net, nn.parallel.DistributedDataParallel) else net


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
    files.write(folder / STATE, header + content, durable=True)


def read_state(
    folder: Path, parts: Mapping[str, Mapping[str, Any]], settings: dict, device: torch.device
) -> dict[str, Any] | None:
    """Put a saved state into `parts`; the progress that was saved with it, or None where nothing is saved.

    Raises: TrainingError for a damaged state, and for one of a run with other networks or settings; `steps` may
        grow, and how often things are logged may change.
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
    free = {"steps", "log_every", "evaluate_every", "save_every", "compile"}
    for key, value in settings.items():
        if key not in free and saved["settings"].get(key) != value:
            was = saved["settings"].get(key)
            raise TrainingError(f"{path}: saved with {key}={was}, now {key}={value}; resume with the old setting")
    if saved["progress"]["step"] > settings["steps"]:
        raise TrainingError(f"{path}: is at step {saved['progress']['step']}, beyond steps={settings['steps']}")
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
