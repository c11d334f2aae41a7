"""The training loop: one function for every network and method, on one device or several, that can be killed."""

import math
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from srlib.training.ema import start_ema, update_ema
from srlib.training.logs import Clock, Logs
from srlib.training.run import Run, TrainingError, frozen, prefetch, process_group
from srlib.training.schedules import Schedule
from srlib.training.state import read_state, write_state

SLOWER = "try a smaller learning rate, --max-grad-norm or fp32"

Nets = Mapping[str, nn.Module]
Optimizers = Mapping[str, torch.optim.Optimizer]
Step = Callable[[Nets, Optimizers, tuple[Tensor, ...], Run], dict[str, Tensor]]


class Stream(Protocol):
    """Samples by their number; those of `srlib.data.streams` are streams."""

    def batch(self, indices: range, device: torch.device) -> tuple[Tensor, ...]:
        """The samples of these numbers, stacked, on a device."""


@dataclass(frozen=True)
class TrainConfig:
    """What a run is, besides its networks, data and step; two runs with equal settings give equal weights.

    Args:
        steps: updates.
        batch: samples in a batch, over all processes.
        seed: of everything random that a step does; the stream has its own.
        precision: of the matrix products: fp32, bf16 or fp16. Weights and updates are float32 in all three.
        ema: networks whose weights are averaged as they move; the average is what is evaluated and kept.
        ema_decay: of that average; 0: none is kept.
        max_grad_norm: longest gradient of one optimizer's update (2-norm over its weights); None: any length.
        log_every, evaluate_every, save_every: in steps; 0: only at the end.
        compile: let torch.compile fuse the networks; pays on a GPU after a minute of compiling.

    Raises: ValueError for no steps, an empty batch, or a decay outside 0 to 1.
    """

    steps: int
    batch: int = 16
    seed: int = 0
    precision: str = "bf16"
    ema: tuple[str, ...] = ("g",)
    ema_decay: float = 0.999
    max_grad_norm: float | None = None
    log_every: int = 50
    evaluate_every: int = 0
    save_every: int = 500
    compile: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"steps and batch must be at least 1, got {self.steps} and {self.batch}")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must be from 0 to below 1, got {self.ema_decay}")


def train(
    step: Step,
    nets: dict[str, nn.Module],
    opts: Optimizers,
    stream: Stream,
    cfg: TrainConfig,
    *,
    schedule: Schedule | Mapping[str, Schedule] = lambda step: 1.0,
    frozen_nets: Collection[str] = (),
    evaluate: Callable[[Nets], dict[str, float]] | None = None,
    folder: str | os.PathLike | None = None,
    log: Callable[[dict[str, float]], None] | None = None,
    until: Callable[[], bool] | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
) -> tuple[dict[str, nn.Module], list[dict[str, float]]]:
    """Call `step` on batch after batch; the trained networks, averaged where `cfg.ema` says so, and the log's rows.

    Batch k holds the samples k·batch … (k+1)·batch − 1 of the stream, and the learning rate is a function of k, so
    that a run continued from any saved step is the run that was never broken. Started by `torchrun`, each process
    takes every n-th sample of a batch and the gradients are averaged.

    Args:
        nets: trained in place; `opts` holds their optimizers, under names the step knows.
        schedule: step -> factor of the optimizers' own learning rates; or one for each optimizer, by its name.
        frozen_nets: names of networks that the step uses and does not train: in evaluation mode, without gradients.
        evaluate: networks as they are returned -> scores by name, for the log; its time is not counted.
        folder: gets `state.pt` (all that a resumed run needs), `log.csv` and TensorBoard's file. None: nothing.
        log: called with each row: step, seconds of training, learning_rate (with several schedules one for each
            optimizer, learning_rate_g), data_time (share of the time spent on getting batches), images_per_second,
            what the step returned (mean since the last row), what `evaluate` returned.
        until: asked after each step; once it says True, the run is scored and saved as at its end, and returns. What
            `resume` then goes on with is the run that was never stopped.
        resume: go on from `folder` when it holds a state; a fresh start when it is empty.
        device: default: CUDA where it is there, else the processor.

    Raises: TrainingError for a loss, a weight or a score that is not finite, and for a state that is damaged or of
        another run; ValueError for a name that is no network or optimizer, and for a batch that the processes cannot
        share.
    """
    run = Run(cfg.precision, cfg.max_grad_norm, device)
    if cfg.batch % run.world:
        raise ValueError(f"a batch of {cfg.batch} cannot be shared by {run.world} processes")
    schedules = schedule if isinstance(schedule, Mapping) else dict.fromkeys(opts, schedule)
    _check_names(nets, opts, schedules, [*frozen_nets, *(cfg.ema if cfg.ema_decay else ())])
    for net in nets.values():
        run.place(net)
    averaged = {name: start_ema(nets[name]) for name in cfg.ema} if cfg.ema_decay else {}
    folder = None if folder is None else Path(folder)
    if folder and run.main:
        folder.mkdir(parents=True, exist_ok=True)
    rates = {name: [group["lr"] for group in opt.param_groups] for name, opt in opts.items()}
    parts = {"nets": nets, "averaged": averaged, "opts": opts, "scaler": {"scaler": run.scaler}}
    settings = asdict(cfg)
    state = read_state(folder, parts, settings, run.device) if resume and folder else None
    first, history = (state["step"], state["history"]) if state else (0, [])
    logs = Logs(folder if run.main else None, history, log if run.main else None)

    def cut(k: int) -> tuple[Tensor, ...]:
        return stream.batch(range(k * cfg.batch + run.rank, (k + 1) * cfg.batch, run.world), run.device)

    clock = Clock(history[-1]["seconds"] if history else 0.0)
    sums: dict[str, Tensor] = {}
    with ExitStack() as stack:
        stack.enter_context(process_group(run.device))
        stack.callback(logs.close)
        for name in frozen_nets:
            stack.enter_context(frozen(nets[name]))
        wrapped = {name: run.prepare(net, compile=cfg.compile) for name, net in nets.items()}
        batches = stack.enter_context(closing(prefetch(cut, range(first, cfg.steps))))
        for k in range(first, cfg.steps):
            for name, net in nets.items():
                net.train(name not in frozen_nets)
            torch.manual_seed(cfg.seed * 1_000_003 + k)
            for name, opt in opts.items():
                for group, rate in zip(opt.param_groups, rates[name], strict=True):
                    group["lr"] = rate * schedules[name](k)
            with clock.waiting():
                batch = next(batches)
            scalars = step(wrapped, opts, batch, run)
            for name, mean in averaged.items():
                update_ema(mean, nets[name], cfg.ema_decay, k)
            for name, value in scalars.items():
                sums[name] = sums.get(name, 0) + value.detach().float()

            done = k + 1
            last = done == cfg.steps or (until is not None and run.agree(until()))
            due = {key: last or (every and done % every == 0) for key, every in _periods(cfg).items()}
            if due["log"] or due["evaluate"] or due["save"]:
                count = done - (history[-1]["step"] if history else 0)
                means = {name: float(total) / count for name, total in sums.items()}  # waits for the device
                sums = {}
                _check_numbers({"step": done} | means, math.isfinite)
                row = {"step": done, **clock.row(count * cfg.batch), **_rates(opts, schedule), **means}
                if due["save"] or due["evaluate"]:  # the loss is that of the weights before the update
                    _check_weights(done, nets, averaged)
                if due["evaluate"] and evaluate and run.main:
                    with clock.stopped():
                        row |= evaluate(_results(nets, averaged))
                    _check_numbers(row)
                history.append(row)
                with clock.stopped():
                    logs.add(row)
                    if due["save"] and folder and run.main:
                        write_state(folder, parts, settings, {"step": done, "history": history})
            if last:
                break
        run.wait()  # nobody reads a state that is not yet written
        wrapped.clear()  # before the group of processes is closed: see process_group
    return _results(nets, averaged), history


def _results(nets: Nets, averaged: Nets) -> dict[str, nn.Module]:
    """Each network's average where there is one, else the network itself; all in evaluation mode."""
    return {name: averaged.get(name, net).eval() for name, net in nets.items()}


def _rates(opts: Optimizers, schedule: Schedule | Mapping[str, Schedule]) -> dict[str, float]:
    """The largest learning rate of each optimizer; of all, where they share a schedule."""
    largest = {name: max(group["lr"] for group in opt.param_groups) for name, opt in opts.items()}
    if isinstance(schedule, Mapping) and len(opts) > 1:
        return {f"learning_rate_{name}": rate for name, rate in largest.items()}
    return {"learning_rate": max(largest.values(), default=0.0)}


def _check_numbers(row: dict[str, float], good: Callable[[float], bool] = lambda value: not math.isnan(value)) -> None:
    """Of equal pictures the PSNR is infinite, and that is no error."""
    if bad := [name for name, value in row.items() if not good(value)]:
        raise TrainingError(f"step {row['step']}: {', '.join(bad)} is not finite; {SLOWER}")


def _check_weights(step: int, nets: Nets, averaged: Nets) -> None:
    for name, net in [*nets.items(), *((f"the average of {name}", net) for name, net in averaged.items())]:
        if not all(value.isfinite().all() for value in net.state_dict().values()):
            raise TrainingError(f"step {step}: the weights of {name} are not finite; {SLOWER}")


def _check_names(nets: Nets, opts: Optimizers, schedules: Mapping[str, Schedule], named: Collection[str]) -> None:
    if unknown := [name for name in named if name not in nets]:
        raise ValueError(f"no network {unknown[0]!r} to freeze or to average; there are {', '.join(nets)}")
    if set(schedules) != set(opts):
        raise ValueError(f"schedules for {', '.join(schedules)}, but optimizers {', '.join(opts)}")


def _periods(cfg: TrainConfig) -> dict[str, int]:
    return {"log": cfg.log_every, "evaluate": cfg.evaluate_every, "save": cfg.save_every}
