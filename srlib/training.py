"""The training loop: one function for every network and method, on one device or several, that can be killed."""

import copy
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from srlib.logs import Clock, Logs
from srlib.run import Run, TrainingError, ahead, read_state, write_state

Nets = Mapping[str, nn.Module]
Optimizers = Mapping[str, torch.optim.Optimizer]
Step = Callable[[Nets, Optimizers, tuple[Tensor, ...], Run], dict[str, Tensor]]


class Stream(Protocol):
    """Samples by their number; `PatchStream` is one."""

    def batch(self, indices: range, device: torch.device) -> tuple[Tensor, ...]: ...


@dataclass(frozen=True)
class TrainConfig:
    """What a run is, besides its networks, data and step; two runs with equal settings give equal weights.

    Args:
        steps: updates.
        batch: samples in a batch, over all processes.
        seed: of everything random that a step does; the stream has its own.
        precision: of the matrix products: fp32, bf16 or fp16. Weights and updates are float32 in all three.
        average: decay of the moving average of the weights, which is what is evaluated and kept; 0: none.
        clip: longest gradient of one update (2-norm over all weights); None: any length.
        log_every, evaluate_every, save_every: in steps; 0: only at the end.
        compile: let torch.compile fuse the networks; pays on a GPU after a minute of compiling.
    """

    steps: int
    batch: int = 16
    seed: int = 0
    precision: str = "bf16"
    average: float = 0.999
    clip: float | None = None
    log_every: int = 50
    evaluate_every: int = 0
    save_every: int = 500
    compile: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"steps and batch must be at least 1, got {self.steps} and {self.batch}")
        if not 0 <= self.average < 1:
            raise ValueError(f"average is a decay from 0 to below 1, got {self.average}")


def train(
    step: Step,
    nets: dict[str, nn.Module],
    opts: Optimizers,
    stream: Stream,
    cfg: TrainConfig,
    *,
    schedule: Callable[[int], float] = lambda step: 1.0,
    evaluate: Callable[[Nets], dict[str, float]] | None = None,
    folder: str | os.PathLike | None = None,
    log: Callable[[dict[str, float]], None] | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
) -> tuple[dict[str, nn.Module], list[dict[str, float]]]:
    """Call `step` on batch after batch; the averaged networks and the rows of the log.

    Batch k holds the samples k·batch … (k+1)·batch − 1 of the stream, and the learning rate is a function of k, so
    that a run continued from any saved step is the run that was never broken. Started by `torchrun`, each process
    takes every n-th sample of a batch and the gradients are averaged.

    Args:
        nets: trained in place; `opts` holds their optimizers, under names the step knows.
        schedule: step -> factor of each optimizer's own learning rate.
        evaluate: averaged networks -> scores by name, for the log; its time is not counted.
        folder: gets `state.pt` (all that a resumed run needs), `log.csv` and TensorBoard's file. None: nothing.
        log: called with each row: step, seconds of training, learning_rate, waited (share of the time spent on
            getting batches), images_per_second, what the step returned (mean since the last row), what
            `evaluate` returned.
        resume: go on from `folder` when it holds a state; a fresh start when it is empty.
        device: default: CUDA where it is there, else the processor.

    Raises: TrainingError for a loss that is not finite, and for a state that is damaged or of another run.
    Differs from the paper: nothing known; no method is built in.
    """
    run = Run(cfg.precision, cfg.clip, device)
    if cfg.batch % run.world:
        raise ValueError(f"a batch of {cfg.batch} cannot be shared by {run.world} processes")
    for net in nets.values():
        net.to(run.device, memory_format=torch.channels_last)
    averaged = {name: copy.deepcopy(net).eval().requires_grad_(False) for name, net in nets.items()}
    folder = None if folder is None else Path(folder)
    if folder and run.main:
        folder.mkdir(parents=True, exist_ok=True)
    rates = {name: [group["lr"] for group in opt.param_groups] for name, opt in opts.items()}
    parts = {"nets": nets, "averaged": averaged, "opts": opts, "scaler": {"scaler": run.scaler}}
    settings = asdict(cfg)
    state = read_state(folder, parts, settings, run.device) if resume and folder else None
    first, history = (state["step"], state["history"]) if state else (0, [])
    logs = Logs(folder if run.main else None, history, log if run.main else None)
    wrapped = {name: run.wrap(net, cfg.compile) for name, net in nets.items()}

    def cut(k: int) -> tuple[Tensor, ...]:
        return stream.batch(range(k * cfg.batch + run.rank, (k + 1) * cfg.batch, run.world), run.device)

    batches = ahead(cut, range(first, cfg.steps))

    clock = Clock(history[-1]["seconds"] if history else 0.0)
    sums: dict[str, Tensor] = {}
    for k in range(first, cfg.steps):
        for net in nets.values():
            net.train()
        torch.manual_seed(cfg.seed * 1_000_003 + k)
        factor = schedule(k)
        for name, opt in opts.items():
            for group, rate in zip(opt.param_groups, rates[name], strict=True):
                group["lr"] = rate * factor
        with clock.waiting():
            batch = next(batches)
        scalars = step(wrapped, opts, batch, run)
        run.scaler.update()
        _average(averaged, nets, cfg.average, k)
        for name, value in scalars.items():
            sums[name] = sums.get(name, 0) + value.detach().float()

        done = k + 1
        last = done == cfg.steps
        due = {key: last or (every and done % every == 0) for key, every in _periods(cfg).items()}
        if due["log"] or due["evaluate"] or due["save"]:
            count = done - (history[-1]["step"] if history else 0)
            means = {name: float(total) / count for name, total in sums.items()}  # waits for the device
            sums = {}
            bad = [name for name, value in means.items() if not math.isfinite(value)]
            if bad:
                raise TrainingError(
                    f"step {done}: {', '.join(bad)} is not finite; try a smaller learning rate, --clip or fp32"
                )
            row = {
                "step": done,
                **clock.row(count * cfg.batch),
                "learning_rate": factor * max(sum(rates.values(), []), default=0.0),
            }
            row |= means
            if due["evaluate"] and evaluate and run.main:
                with clock.stopped():
                    row |= evaluate(averaged)
            history.append(row)
            with clock.stopped():
                logs.add(row)
                if due["save"] and folder and run.main:
                    write_state(folder, parts, settings, {"step": done, "history": history})
    logs.close()
    wrapped.clear()  # before the group of processes is closed: see Run.close
    run.close()
    return averaged, history


def cosine(steps: int, *, warmup: int = 0, end: float = 0.0) -> Callable[[int], float]:
    """A learning-rate schedule: up in a line, then down along half a cosine (Loshchilov & Hutter, ICLR 2017, eq. 5).

    Args:
        warmup: steps of the line.
        end: factor at the last step.
    """

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))

    return factor


def halved(*milestones: int) -> Callable[[int], float]:
    """A learning-rate schedule: half as much from each of these steps on."""
    return lambda step: 0.5 ** sum(step >= milestone for milestone in milestones)


def _periods(cfg: TrainConfig) -> dict[str, int]:
    return {"log": cfg.log_every, "evaluate": cfg.evaluate_every, "save": cfg.save_every}


@torch.no_grad()
def _average(averaged: Nets, nets: Nets, decay: float, step: int) -> None:
    """averaged ← decay·averaged + (1 − decay)·nets; a shorter memory at first, so that the start is forgotten.

    Batch norm's running statistics are averaged as the weights are: they remember some ten batches, and with batches of
    4 they shook a network without a long skip by 2 dB from one evaluation to the next. Counts are copied.
    """
    decay = min(decay, (step + 1) / (step + 10))
    for name, net in nets.items():
        for mean, value in zip(averaged[name].parameters(), net.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
        for mean, value in zip(averaged[name].buffers(), net.buffers(), strict=True):
            mean.lerp_(value, 1 - decay) if value.is_floating_point() else mean.copy_(value)
