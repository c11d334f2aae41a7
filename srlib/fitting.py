"""Carrying out a recipe: from settings and pictures to a checkpoint with its card."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import srlib
from srlib import checkpoints, metrics
from srlib.gan import Gan
from srlib.losses import Loss, Weighted, l1
from srlib.muon import Muon
from srlib.patches import PatchStream, TakingTurns
from srlib.run import TrainingError
from srlib.steps import supervised
from srlib.training import Step, TrainConfig, cosine, train

RUN = "run.json"
Schedule = Callable[[int], float]


def warm_cosine(steps: int) -> Schedule:
    """Five hundred steps up, then down along half a cosine to zero. A faster start kills units for good."""
    return cosine(steps, warmup=min(500, steps // 4))


@dataclass(frozen=True)
class Recipe:
    """How a network is trained, from the patches to the last step.

    Args:
        model: a name in `checkpoints.NETWORKS`.
        scales: more than one take turns, batch by batch.
        lr_size: side of a patch in lr pixels.
        learning_rate: at its peak.
        method: muon, adam or sgd (gradient descent).
        betas: Adam's.
        momentum: of gradient descent.
        weight_decay: Adam's and gradient descent's.
        last: factor of the learning rate of the last layer.
        schedule: steps -> the factor of the learning rate at each step.
        data: names of sets; those of the early papers have 91 + 100 + 199 pictures.
        start: the shipped network whose weights it begins with; None: with random ones.
        gan: a second network to play against; it then says what the losses are.
    """

    model: str
    scales: tuple[int, ...]
    config: TrainConfig
    lr_size: int
    learning_rate: float
    method: str = "muon"
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.9
    weight_decay: float = 0.0
    last: float = 1.0
    loss: Loss = l1
    schedule: Callable[[int], Schedule] = warm_cosine
    data: tuple[str, ...] = ("T91", "General100", "BSDS")
    start: str | None = None
    gan: Gan | None = None

    @property
    def name(self) -> str:
        """What its checkpoint is called: edsr_small_x4, mdsr_x234."""
        return f"{self.model}_x{''.join(map(str, self.scales))}"

    def network(self) -> nn.Module:
        """The untrained network, the same each time."""
        torch.manual_seed(self.config.seed)
        return checkpoints.build(self.model, self.scales[-1])

    def optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        """For the parameters of its network."""
        tail = list(list(net.children())[-1].parameters())
        body = [parameter for parameter in net.parameters() if all(parameter is not one for one in tail)]
        groups = [{"params": body}, {"params": tail, "lr": self.last * self.learning_rate}]
        if self.method == "muon":
            return Muon(groups, self.learning_rate)
        if self.method == "adam":
            return torch.optim.Adam(groups, self.learning_rate, self.betas, weight_decay=self.weight_decay, fused=True)
        return torch.optim.SGD(groups, self.learning_rate, self.momentum, weight_decay=self.weight_decay)

    def players(self) -> tuple[dict[str, nn.Module], dict[str, torch.optim.Optimizer]]:
        """The untrained network g and, where there is a game, its discriminator d; and their optimizers."""
        nets = {"g": self.network()}
        opts = {"g": self.optimizer(nets["g"])}
        if self.gan:
            nets["d"] = self.gan.network(self.config.seed + 1)
            opts["d"] = self.gan.optimizer(nets["d"])
        return nets, opts

    def step(self) -> Step:
        """What happens in one update."""
        if self.gan:
            return self.gan.step()
        return supervised(Weighted(pixel=(1.0, self.loss)), at_scale=len(self.scales) > 1)

    def stream(self, pictures: Sequence[Tensor], channels: int) -> PatchStream | TakingTurns:
        """Its training patches, cut from hr pictures."""
        streams = [
            PatchStream(pictures, scale=scale, lr_size=self.lr_size, channels=channels, seed=self.config.seed)
            for scale in self.scales
        ]
        return streams[0] if len(streams) == 1 else TakingTurns(streams, batch=self.config.batch)


def fit(
    recipe: Recipe,
    pictures: Sequence[Tensor],
    folder: str | os.PathLike,
    *,
    data: Sequence[str] = (),
    start: str | os.PathLike | None = None,
    evaluate_on: dict[str, Sequence[tuple[str, Tensor]]] | None = None,
    log: Callable[[dict[str, float]], None] | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
) -> Path:
    """Train by a recipe; the checkpoint, `folder`/`recipe.name`.safetensors, with its card.

    Args:
        pictures: hr images (1, C, H, W).
        data: what the pictures are, in words, for the card.
        start: a checkpoint whose weights are taken over where they fit by name and shape. Default: the recipe's.
        evaluate_on: {set: pictures}; the first is also scored during training.
        log, resume, device: as for `train`.

    Raises: TrainingError for a folder that holds another run, as for `train`; CheckpointError for a bad `start`.
    Differs from the paper: nothing known.
    """
    folder = Path(folder)
    nets, opts = recipe.players()
    net, start = nets["g"], start or recipe.start
    warm = None if start is None else _warm(net, checkpoints.locate(start))
    told = _told(recipe, data, warm)
    _claim(folder, told, resume)
    sets = {name: list(images) for name, images in (evaluate_on or {}).items()}
    averaged, history = train(
        recipe.step(),
        nets,
        opts,
        recipe.stream(pictures, net.channels),
        recipe.config,
        schedule=recipe.schedule(recipe.config.steps),
        evaluate=(lambda nets: score(nets["g"], next(iter(sets.values())))) if sets else None,
        folder=folder,
        log=log,
        resume=resume,
        device=device,
    )
    best = averaged["g"].cpu()
    where = next(net.parameters()).device
    card = {"model": recipe.model, "scale": recipe.scales[-1], "scales": list(recipe.scales), **told}
    card |= {"steps": recipe.config.steps, "seconds": round(history[-1]["seconds"]), "device": device_name(where)}
    card |= {"commit": commit(), "torch": torch.__version__.partition("+")[0]}
    card |= {"protocol": str(metrics.PAPER), "scores": _scores(best, recipe.scales, sets)}
    return checkpoints.save(best, folder / f"{recipe.name}.safetensors", card)


def score(net: nn.Module, pictures: Sequence[tuple[str, Tensor]]) -> dict[str, float]:
    """PSNR and SSIM under the papers' protocol, for the log."""
    device = next(net.parameters()).device
    scores = metrics.evaluate(net, ((name, hr.to(device)) for name, hr in pictures))
    return {"psnr": scores.psnr, "ssim": scores.ssim}


def _scores(net: nn.Module, scales: Sequence[int], sets: dict[str, list]) -> dict[str, dict[str, dict[str, float]]]:
    """{scale: {set: {psnr, ssim}}}"""
    found = {}
    for scale in scales:
        net.scale = scale
        of_sets = {name: score(net, pictures) for name, pictures in sets.items()}
        found[str(scale)] = {
            name: {"psnr": round(s["psnr"], 4), "ssim": round(s["ssim"], 5)} for name, s in of_sets.items()
        }
    return found


def _warm(net: nn.Module, path: Path) -> dict:
    """Take over weights; what was taken, for the card."""
    copied, fresh = checkpoints.warm_start(net, path)
    card = checkpoints.read_card(path)
    kept = ("model", "scale", "scales", "steps", "seconds", "device", "data", "sha256", "start")
    return {key: card[key] for key in kept if key in card} | {"copied": len(copied), "fresh": fresh}


def _told(recipe: Recipe, data: Sequence[str], warm: dict | None) -> dict:
    """What is known before the first step."""
    config = {key: value for key, value in asdict(recipe.config).items() if key not in ("steps", "compile")}
    config = {key: value for key, value in config.items() if not key.endswith("_every")}
    kind = {
        "muon": "Muon",
        "adam": f"Adam, betas {recipe.betas[0]:g} and {recipe.betas[1]:g}, weight decay {recipe.weight_decay:g}",
        "sgd": f"gradient descent, momentum {recipe.momentum:g}, weight decay {recipe.weight_decay:g}",
    }[recipe.method]
    optimizer = f"{kind}, {recipe.learning_rate:g} at the peak"
    settings = config | {"lr_size": recipe.lr_size, "optimizer": optimizer, "loss": recipe.loss.__name__}
    settings |= recipe.gan.told() if recipe.gan else {}
    return {"recipe": settings | {"schedule": recipe.schedule.__name__}, "data": list(data), "start": warm}


def _claim(folder: Path, told: dict, resume: bool) -> None:
    """Note in the folder what runs here; another run's folder is left alone."""
    note = folder / RUN
    text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    if note.exists():
        if not resume:
            raise TrainingError(f"{folder}: holds a run already; give --resume to go on with it, or another --out")
        if note.read_text(encoding="utf-8") != text:
            raise TrainingError(f"{note}: has other settings, data or start; keep those, or give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(text, encoding="utf-8")


def device_name(device: torch.device) -> str:
    """What trained, for the card."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"


def commit() -> str | None:
    """The commit of the clone that runs, with a mark if it was changed; None for an installed package."""
    root = Path(srlib.__file__).parents[1]
    ask = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
