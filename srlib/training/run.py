"""What a step needs around it: device, precision, the update, other processes."""

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TrainingError(ValueError):
    """A run that cannot go on, in one line."""


class Run:
    """One code path for fp32, bf16 and fp16, for one process and many.

    Args:
        precision: of what runs under `autocast`; weights and updates stay in float32.
        max_grad_norm: longest gradient of one optimizer's update (2-norm over its weights); None: any.
        device: default: CUDA where it is there, else the processor.

    Raises: ValueError for an unknown precision.
    """

    def __init__(
        self, precision: str = "fp32", max_grad_norm: float | None = None, device: torch.device | str | None = None
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        self.world, self.rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
        self.device, self.max_grad_norm, self.dtype = choose_device(device), max_grad_norm, PRECISIONS[precision]
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")
        self.main = self.rank == 0  # the process that writes

    def autocast(self) -> AbstractContextManager:
        """The forward pass belongs inside."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def minimize(self, loss: Tensor, *opts: torch.optim.Optimizer) -> None:
        """One backward pass and an update of each optimizer given, always in this order: zero, backward, clip, step.

        Zeroing just before backward makes what other losses have left in `.grad` harmless. Each call is complete, so
        that a step may call it as often as it likes, for the same optimizer too.

        Raises: ValueError for no optimizer.
        """
        if not opts:
            raise ValueError("minimize needs the optimizers to update: run.minimize(loss, opts['g'])")
        for opt in opts:
            opt.zero_grad()
        self.scaler.scale(loss).backward()
        for opt in opts:
            if self.max_grad_norm is not None:
                self.scaler.unscale_(opt)
                weights = [weight for group in opt.param_groups for weight in group["params"]]
                nn.utils.clip_grad_norm_(weights, self.max_grad_norm)
            self.scaler.step(opt)
        self.scaler.update()

    def place(self, net: nn.Module) -> nn.Module:
        """Move a network to the device, its kernels in the layout in which convolutions are fast there."""
        net.to(self.device)
        if all(value.ndim != 5 for value in net.state_dict().values()):  # 3-D convolutions have a layout of their own
            net.to(memory_format=torch.channels_last)
        return net

    def prepare(self, net: nn.Module, *, compile: bool = False) -> nn.Module:
        """The network as the steps call it: compiled in place, its gradients averaged over all processes.

        A network without a weight to train is returned as it is.
        """
        if compile:
            net.compile()
        if self.world == 1 or not any(weight.requires_grad for weight in net.parameters()):
            return net
        return nn.parallel.DistributedDataParallel(
            net,
            [self.device] if self.device.type == "cuda" else None,
            broadcast_buffers=False,  # it would change batch norm's means between two forward passes of one update
            find_unused_parameters=hasattr(net, "scales"),
        )

    def wait(self) -> None:
        """Until all processes are here: what the main one writes before, the others can read afterwards."""
        if self.world > 1:
            dist.barrier()

    def agree(self, wish: bool) -> bool:
        """What the process that writes wishes, for all of them: clocks differ, and all must stop at the same step."""
        if self.world == 1:
            return wish
        told = torch.tensor(float(wish), device=self.device)
        dist.broadcast(told, 0)
        return bool(told)


def choose_device(device: torch.device | str | None = None) -> torch.device:
    """The one that is named, else this process's GPU where there is one, else the processor."""
    if device is None:
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """The group of the processes that torchrun has started, inside; of nested groups the outer one counts.

    A program must not open a second one after the first: the addresses of the first are still in torchrun's store.
    Networks that `Run.prepare` has made must be gone at the end: the last to let go of the group ends its threads, and
    where that is a network, it holds Python's lock while a thread may be waiting for it, for ever.
    """
    opens = int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized()
    if opens:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield
    if opens:  # after an error the other processes do not come here: torchrun ends them
        gc.collect()
        dist.barrier()
        dist.destroy_process_group()


def prefetch(make: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
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


def unwrap(net: nn.Module) -> nn.Module:
    """The network itself, without the wrapper that exchanges gradients."""
    return net.module if isinstance(net, nn.parallel.DistributedDataParallel) else net


@contextmanager
def frozen(net: nn.Module) -> Iterator[nn.Module]:
    """Inside, a gradient passes the network and leaves no trace in it: not in its weights, nor in batch norm's means.

    Batch norm stays in its mode: in training it takes the statistics of the batch, but does not remember them.
    """
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    norms = [layer for layer in net.modules() if getattr(layer, "track_running_stats", False)]
    try:
        for weight in weights:
            weight.requires_grad_(False)
        for layer in norms:
            layer.track_running_stats = False
        yield net
    finally:
        for weight in weights:
            weight.requires_grad_(True)
        for layer in norms:
            layer.track_running_stats = True
