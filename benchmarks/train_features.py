"""Train srlib's own feature network without labels; writes data/checkpoints/features.safetensors and its card.

SRLIB_DATA=<folder with T91, General100, BSDS> python benchmarks/train_features.py [--steps N] [--out DIR] [--seed N]

With another seed it is another network, for checks, and stays in the folder of the run.

Where the sets are absent, the packaged pictures are taken. A run that was stopped goes on when it is started again. The
accuracies on the card are those of the heads on patches of the four evaluation photographs.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from srlib import checkpoints
from srlib.data import datasets
from srlib.models.features import FeatureNet, Pretext
from srlib.training.fit import commit, device_name
from srlib.training.loop import TrainConfig, train
from srlib.training.muon import Muon
from srlib.training.pretext import DOWNSCALES, TYPES, PretextStream
from srlib.training.schedules import warm_cosine
from srlib.training.steps.self_supervised import self_supervised

ROOT = Path(__file__).parent.parent
SETS = ("T91", "General100", "BSDS")
SIZE, LEARNING_RATE, QUESTIONS = 64, 3e-3, 1024


def pictures() -> tuple[list[Tensor], list[str]]:
    there = [name for name in SETS if datasets.find_in(datasets.search_path(), name)]
    return datasets.load_training_images(there or [datasets.PACKAGED], SIZE, lambda reason: None)


def network(seed: int) -> Pretext:
    torch.manual_seed(seed)
    return Pretext(net=FeatureNet(), rotations=4, downscales=len(DOWNSCALES), types=len(TYPES))


@torch.no_grad()
def answered(net: nn.Module, stream: PretextStream) -> dict[str, float]:
    """Share of right answers to each question, the correlation of true and guessed strength, and kind by kind."""
    found, labels = [], []
    for first in range(0, QUESTIONS, 32):
        patches, asked = stream.batch(range(first, first + 32), next(net.parameters()).device)
        answers = net(patches)
        guesses = [logits.argmax(1).float() for logits in answers[:3]]
        found.append(torch.stack([*guesses, answers.strength], 1))
        labels.append(asked)
    found, labels = torch.cat(found), torch.cat(labels)
    right = (found[:, :3] == labels[:, :3]).double()
    scores = dict(zip(("turn", "shrink", "kind"), right.mean(0).tolist(), strict=True))
    damaged = labels[:, 2] > 0
    scores["strength"] = float(torch.corrcoef(torch.stack([found[damaged, 3], labels[damaged, 3]]))[0, 1])
    return scores | {name: float(right[labels[:, 2] == i, 2].mean()) for i, name in enumerate(TYPES)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "features", help="state of the run")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights and the patches")
    options = parser.parse_args()
    hr, data = pictures()
    held_out = PretextStream([datasets.photo(name) for name in datasets.EVAL_PHOTOS], size=SIZE, seed=1)
    net = network(options.seed)
    config = TrainConfig(
        options.steps, batch=16, seed=options.seed, max_grad_norm=1.0, evaluate_every=500, save_every=250
    )
    averaged, history = train(
        self_supervised(),
        {"g": net},
        {"g": Muon(net.parameters(), LEARNING_RATE)},
        PretextStream(hr, size=SIZE, seed=options.seed),
        config,
        schedule=warm_cosine(config.steps),
        evaluate=lambda nets: answered(nets["g"], held_out),
        folder=options.out,
        log=lambda row: print({key: round(value, 3) for key, value in row.items()}, flush=True),
        resume=True,
    )
    card = {
        "model": "features_v1",
        "scale": 1,
        "recipe": {"batch": config.batch, "seed": config.seed, "precision": config.precision, "size": SIZE}
        | {
            "ema_decay": config.ema_decay,
            "max_grad_norm": config.max_grad_norm,
            "optimizer": f"Muon, {LEARNING_RATE:g} at the peak",
        }
        | {"loss": "pretext_losses", "schedule": warm_cosine.__name__, "downscales": DOWNSCALES, "types": TYPES},
        "data": data,
        "start": None,
        "steps": config.steps,
        "seconds": round(history[-1]["seconds"]),
        "device": device_name(next(net.parameters()).device),
        "commit": commit(),
        "torch": torch.__version__.partition("+")[0],
        "protocol": f"{QUESTIONS} patches of {', '.join(datasets.EVAL_PHOTOS)}: share of right answers; of strength: r",
        "scores": {name: round(value, 3) for name, value in answered(averaged["g"], held_out).items()},
    }
    folder = options.out if options.seed else ROOT / "data" / "checkpoints"
    checkpoints.save(averaged["g"].net, folder / "features.safetensors", card, half=True)


if __name__ == "__main__":
    main()
