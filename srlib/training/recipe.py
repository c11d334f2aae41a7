"""What a recipe is: networks, phases, data by role, what is deployed and how it is scored; and its description."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from operator import itemgetter
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from srlib import metrics
from srlib.training.loop import Nets, Step, Stream, TrainConfig
from srlib.training.schedules import Schedule, constant

Pictures = Sequence[tuple[str, Tensor] | tuple[str, Tensor, Tensor]]  # (name, hr), or (name, hr, its own lr)
Scores = dict[str, dict[str, dict[str, float]]]  # {scale: {set: {psnr, ssim}}}


class Late(partial):
    """A call that is made when its phase begins, the late ones among its arguments first: a loss may read weights.

    `Late(supervised, Late(Weighted, pixel=(1.0, l1), feature=(0.1, Late(srlib_content))))()` is a step.
    """

    def __call__(self) -> Any:
        return self.func(*map(_made, self.args), **{name: _made(value) for name, value in self.keywords.items()})


def _made(value: Any) -> Any:
    if isinstance(value, Late):
        return value()
    return tuple(map(_made, value)) if type(value) is tuple else value


class StreamOf(Protocol):
    """Makes the stream of a phase from the training pictures of each role; `srlib.data.sources` has some.

    `sides`: the shortest side that a picture of each role must have, in pixels.
    """

    sides: Mapping[str, int]

    def __call__(self, pictures: Mapping[str, Sequence[Tensor]], *, seed: int, batch: int) -> Stream: ...


@dataclass(frozen=True)
class Optim:
    """An optimizer of a phase.

    Args:
        make: weights -> optimizer, with its settings: partial(Adam, lr=1e-4, betas=(0.9, 0.99)).
        nets: the networks whose weights it moves.
        schedule: number of steps -> the factor of its learning rate at each step.
    """

    make: Callable[..., torch.optim.Optimizer]
    nets: tuple[str, ...] = ("g",)
    schedule: Callable[[int], Schedule] = constant

    def build(self, nets: Nets) -> torch.optim.Optimizer:
        """For the weights of its networks."""
        return self.make([weight for name in self.nets for weight in nets[name].parameters()])


def last_layer_lr(
    weights: Sequence[Tensor],
    *,
    make: Callable[..., torch.optim.Optimizer],
    lr: float,
    factor: float,
    last: int = 2,
    **settings: Any,
) -> torch.optim.Optimizer:
    """An optimizer that gives the last `last` weights, by default a layer and its bias, `factor` times the rate."""
    body, rest = weights[:-last], weights[-last:]
    return make([{"params": body}, {"params": rest, "lr": factor * lr}], lr=lr, **settings)


@dataclass(frozen=True)
class Phase:
    """One call of `train`; it begins with the networks of the phase before, averaged where that one averaged them.

    Args:
        step: makes what happens in one update; called when the phase begins, see `Late`.
        stream: makes the batches.
        frozen: networks that the step uses and that stay as they are.

    Raises: ValueError for an optimizer of a frozen network.
    """

    name: str
    config: TrainConfig
    step: Callable[[], Step]
    stream: StreamOf
    optims: Mapping[str, Optim]
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, optim in self.optims.items():
            if held := set(optim.nets) & set(self.frozen):
                raise ValueError(f"phase {self.name}: {held.pop()} is frozen, and the optimizer {name} moves it")

    @property
    def schedules(self) -> dict[str, Schedule] | Schedule:
        """Of each optimizer; one where there is one."""
        found = {name: optim.schedule(self.config.steps) for name, optim in self.optims.items()}
        alike = len({optim.schedule for optim in self.optims.values()}) == 1
        return next(iter(found.values())) if alike else found


def _scored(net: nn.Module, pictures: Pictures, device: torch.device) -> metrics.Scores:
    """One picture after the other, from the lr that belongs to it where there is one."""
    found = []
    for title, hr, *lr in pictures:
        degrade = partial(_given, lr[0].to(device)) if lr else None
        found.append(metrics.evaluate(net, [(title, hr.to(device))], degrade=degrade))
    found = found or [metrics.evaluate(net, ())]  # which says so
    return metrics.Scores(found[0].protocol, tuple(row for scores in found for row in scores.rows), found[0].scale)


def _given(lr: Tensor, hr: Tensor) -> Tensor:
    """The lr in the colours of hr, which is luma where the network knows no more."""
    return metrics.PAPER.convert(lr) if hr.shape[1] == 1 else lr


def paper_scores(net: nn.Module, sets: Mapping[str, Pictures], scales: Sequence[int]) -> Scores:
    """PSNR and SSIM under the papers' protocol, at these scales of the network."""
    found, before, device = {}, net.scale, next(net.parameters()).device
    for scale in scales:
        net.scale = scale
        scores = {name: _scored(net, pictures, device) for name, pictures in sets.items()}
        found[str(scale)] = {name: {"psnr": s.psnr, "ssim": s.ssim} for name, s in scores.items()}
    net.scale = before
    return found


@dataclass(frozen=True)
class Recipe:
    """How networks are trained, from untrained weights to the checkpoint.

    Args:
        name: of the checkpoint: a row of the catalogue and the scales, edsr_small_x4, mdsr_x234.
        nets: makes each untrained network. The k-th is drawn with the seed of the first phase plus k.
        phases: one after the other.
        data: role -> names of the sets of pictures, as the streams ask for them: {"hr": ("T91", "BSDS")}.
        start: network -> the shipped network whose weights it begins with where they fit.
        deploy: the trained networks -> the one that is saved.
        evaluate: (that network, {set: pictures}, scales) -> its scores: for the log at its present scale, for the card
            at all of its scales.
    """

    name: str
    nets: Mapping[str, Callable[[], nn.Module]]
    phases: tuple[Phase, ...]
    data: Mapping[str, tuple[str, ...]]
    start: Mapping[str, str] | None = None
    deploy: Callable[[Nets], nn.Module] = itemgetter("g")
    evaluate: Callable[[nn.Module, Mapping[str, Pictures], Sequence[int]], Scores] = paper_scores

    @property
    def steps(self) -> int:
        """Of all phases."""
        return sum(phase.config.steps for phase in self.phases)

    def build(self) -> dict[str, nn.Module]:
        """The untrained networks, the same each time."""
        found = {}
        for k, (name, make) in enumerate(self.nets.items()):
            torch.manual_seed(self.phases[0].config.seed + k)
            found[name] = make()
        return found

    @property
    def sides(self) -> dict[str, int]:
        """The shortest side that a picture of each role must have, in pixels, for all phases."""
        roles = dict.fromkeys(role for phase in self.phases for role in phase.stream.sides)  # in their order
        return {role: max(phase.stream.sides.get(role, 1) for phase in self.phases) for role in roles}

    def with_config(self, **settings: Any) -> "Recipe":
        """The recipe with these settings of `TrainConfig` in every phase."""
        return replace(
            self, phases=tuple(replace(phase, config=replace(phase.config, **settings)) for phase in self.phases)
        )

    def with_streams(self, change: Callable[[StreamOf], StreamOf]) -> "Recipe":
        """The recipe with another source of batches in every phase, made of the one that was there."""
        return replace(self, phases=tuple(replace(phase, stream=change(phase.stream)) for phase in self.phases))

    @property
    def main(self) -> str:
        """The network that a learning rate and a start are for: g, or the one that begins with shipped weights."""
        return "g" if "g" in self.nets else next(iter(self.start or self.nets))

    def with_lr(self, lr: float) -> "Recipe":
        """The recipe with this learning rate, at its peak, wherever its main network is moved."""
        phases = []
        for phase in self.phases:
            optims = {
                name: replace(optim, make=partial(optim.make, lr=lr)) if self.main in optim.nets else optim
                for name, optim in phase.optims.items()
            }
            phases.append(replace(phase, optims=optims))
        return replace(self, phases=tuple(phases))


def describe(thing: Any) -> Any:
    """A recipe, or a part of one, as plain numbers, text, lists and dicts: what a card says.

    A call that is to be made is its text, `Adam(lr=0.0001, betas=(0.9, 0.99))`; a function or a class is its name.

    Raises: ValueError for what has no name, such as a lambda: a card could not say what it is.
    """
    if isinstance(thing, Recipe | Phase | Optim | TrainConfig):
        return {field.name: describe(getattr(thing, field.name)) for field in fields(thing)}
    if isinstance(thing, Mapping):
        return {str(key): describe(value) for key, value in thing.items()}
    if isinstance(thing, tuple | list):
        return [describe(value) for value in thing]
    return thing if thing is None or isinstance(thing, bool | int | float | str) else _text(thing)


def _text(thing: Any) -> str:
    """As it would be written in a recipe."""
    if isinstance(thing, partial):
        words = [_text(value) for value in thing.args]
        words += [f"{name}={_text(value)}" for name, value in thing.keywords.items()]
        return f"{_text(thing.func)}({', '.join(words)})"
    if is_dataclass(thing) and not isinstance(thing, type):
        words = (f"{field.name}={_text(getattr(thing, field.name))}" for field in fields(thing))
        return f"{type(thing).__name__}({', '.join(words)})"
    if isinstance(thing, Mapping):
        return "{" + ", ".join(f"{key}: {_text(value)}" for key, value in thing.items()) + "}"
    if isinstance(thing, tuple | list):
        return f"({', '.join(map(_text, thing))}{',' * (len(thing) == 1)})"
    if thing is None or isinstance(thing, bool | int | float | str):
        return str(thing)
    if isinstance(thing, itemgetter):
        return f"itemgetter({thing.__reduce__()[1][0]})"
    name = getattr(thing, "__name__", "<")
    if name.startswith("<"):
        raise ValueError(f"{thing!r} has no name to stand on a card; define it with def, or use functools.partial")
    return name
