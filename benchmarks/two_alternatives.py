"""Which of two pictures is closer to a third? Measures against what people would say.

python benchmarks/two_alternatives.py, which writes data/results/two_alternatives.csv

No person was asked. The pairs are built so that the answer is hardly in doubt, and that is an assumption:

- "equal MSE": a picture that is moved by 0.3 to 0.8 pixels, gently warped, a little brighter or darker (by 16/255 at
  most), or richer in contrast (by 35 % at most) is closer than one that is blurred, noisy or full of JPEG's blocks,
  when the mean squared error is the same. PSNR can only guess here, so it gets one half;
- "unseen": the same, but the further picture has a damage that our network was never asked about: pixels in blocks of
  four, impulses, few grey levels, or dark lines;
- "stronger": of two blurs, noises, JPEGs or contrasts, the weaker is closer. Here PSNR is nearly always right.

A measure's agreement is the share of pairs in which it answers so; a tie counts half. The interval is that of 95 % of
2000 bootstrap draws of patches, and of seeds where there are several. Patches of one photograph are alike and there are
four photographs, so other pictures may lie further off than the intervals say. Nothing was chosen by this test. But our
network learned to name blur, noise and JPEG, and never to tell shifts or brightness: the test asks what it was taught,
but for "unseen".
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib import metrics
from srlib.data.datasets import EVAL_PHOTOS, photo
from srlib.degradations import JPEG, Blur, gaussian_kernel
from srlib.io import atomic
from srlib.losses.perceptual import NAME, distance, random_features, srlib_features
from srlib.resample import resize
from srlib.warp import flow, translate

RESULT = Path(__file__).parent.parent / "data" / "results" / "two_alternatives.csv"
SIDE, MARGIN, SEEDS = 64, 8, 10
SMALLEST, LARGEST, SHARE = 3 / 255, 16 / 255, 0.35  # of what the shift changes, root mean square; of the contrast
PROTOCOL = f"{SIDE} x {SIDE} pixels of {', '.join(EVAL_PHOTOS)}; RGB, not rounded"
Pictures = dict[str, Tensor]


def inside(crop: Tensor) -> Tensor:
    return crop[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def error(picture: Tensor, patch: Tensor) -> float:
    return float((picture - patch).square().mean().sqrt())


def matched(make: Callable[[float], Tensor], patch: Tensor, target: float, most: float) -> Tensor | None:
    """make(strength) whose error is the target's, found by halving; None where even the strongest is too weak."""
    low, high = 0.0, most
    if error(make(high), patch) < target:
        return None
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (middle, high) if error(make(middle), patch) < target else (low, middle)
    return at_error(make(high), patch, target)


def at_error(picture: Tensor, patch: Tensor, target: float) -> Tensor:
    """The same difference, made a little larger or smaller."""
    return patch + (picture - patch) * (target / error(picture, patch))


def blurred(crop: Tensor, sigma: float) -> Tensor:
    return inside(Blur(gaussian_kernel(max(sigma, 0.05)))(crop))


def warped(crop: Tensor, field: Tensor, pixels: float) -> Tensor:
    return inside(flow(crop, pixels * field, "lanczos3"))


def jpeg(patch: Tensor, target: float) -> Tensor:
    """JPEG at the best quality whose error is not below the target's, else at 1; then brought to it."""
    low, high = 1, 95
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if error(JPEG(middle)(patch), patch) >= target else (low, middle - 1)
    return at_error(JPEG(low)(patch), patch, target)


def unseen(patch: Tensor, target: float, rng: torch.Generator) -> Pictures:
    """Damages that `srlib.training.pretext` has not."""
    rows = torch.zeros(SIDE, 1)
    rows[::4] = -1
    hit = (torch.rand(patch.shape[-2:], generator=rng) < 0.05).float()
    value = (torch.rand(patch.shape[-2:], generator=rng) < 0.5).float()
    damaged = {
        "pixelated": F.interpolate(F.avg_pool2d(patch, 4), scale_factor=4),
        "impulses": patch + hit * (value - patch),
        "posterised": (patch * 5).round() / 5,
        "lines": patch + rows,
    }
    return {name: at_error(picture, patch, target) for name, picture in damaged.items()}


def alternatives(crop: Tensor, rng: torch.Generator, other: torch.Generator) -> Pictures | None:
    """All versions of one patch; None where the shift changes too little, or too much."""
    patch, mean = inside(crop), inside(crop).mean((-2, -1), keepdim=True)
    angle = 2 * torch.pi * torch.rand((), generator=rng)
    far = 0.3 + 0.5 * torch.rand((), generator=rng)
    shifted = inside(translate(crop, float(far * angle.sin()), float(far * angle.cos()), "lanczos3"))
    target = error(shifted, patch)
    if not SMALLEST <= target <= min(LARGEST, SHARE * error(patch, mean.expand_as(patch))):
        return None
    field = resize(torch.randn(1, 2, 5, 5, generator=rng), size=tuple(crop.shape[-2:]))
    field = field / field.square().sum(1).sqrt().max()
    noise = torch.randn(patch.shape, generator=rng)
    sign = 1 if torch.rand((), generator=rng) < 0.5 else -1
    found = {
        "shift": shifted,
        "warp": matched(partial(warped, crop, field), patch, target, 4.0),
        "brightness": patch + sign * target,
        "contrast": at_error(mean + 2 * (patch - mean), patch, target),
        "blur": matched(partial(blurred, crop), patch, target, 6.0),
        "noise": at_error(patch + noise, patch, target),
        "jpeg": jpeg(patch, target),
        "weak blur": blurred(crop, 0.8),
        "strong blur": blurred(crop, 1.2),
        "weak noise": patch + 8 / 255 * noise,
        "strong noise": patch + 12 / 255 * torch.randn(patch.shape, generator=rng),
        "weak jpeg": JPEG(40)(patch),
        "strong jpeg": JPEG(20)(patch),
        "weak contrast": mean + 0.85 * (patch - mean),
        "strong contrast": mean + 0.75 * (patch - mean),
    }
    if any(picture is None for picture in found.values()):
        return None
    return found | unseen(patch, target, other) | {"patch": patch}


def patches() -> Pictures:
    """All versions of all patches of a grid: {name: (N, 3, H, W)}."""
    rng, other, rows = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1), []
    for name in EVAL_PHOTOS:
        hr = photo(name)
        for top in range(MARGIN, hr.shape[-2] - SIDE - MARGIN + 1, SIDE):
            for left in range(MARGIN, hr.shape[-1] - SIDE - MARGIN + 1, SIDE):
                whole = SIDE + 2 * MARGIN
                crop = hr[..., top - MARGIN :, left - MARGIN :][..., :whole, :whole]
                rows.append(alternatives(crop, rng, other))
    kept = [row for row in rows if row is not None]
    print(f"{len(kept)} of {len(rows)} patches")
    return {name: torch.cat([row[name] for row in kept]) for name in kept[0]}


HARMLESS = ("shift", "warp", "brightness", "contrast")
EQUAL = [(a, b) for a in HARMLESS for b in ("blur", "noise", "jpeg")]
UNSEEN = [(a, b) for a in HARMLESS for b in ("pixelated", "impulses", "posterised", "lines")]
STRONGER = [(f"weak {kind}", f"strong {kind}") for kind in ("blur", "noise", "jpeg", "contrast")]

TESTS = {"equal MSE": EQUAL, "unseen": UNSEEN, "stronger": STRONGER, "all": EQUAL + STRONGER}  # "all" as it always was

# Each: larger is further. PSNR is rounded to hundredths of a decibel, so that equal is equal.
MEASURES: dict[str, list[Callable[[Tensor, Tensor], Tensor]]] = {
    "PSNR": [lambda a, b: -(100 * metrics.psnr(a, b)).round() / 100],
    "SSIM": [lambda a, b: -metrics.ssim(a, b)],
    "random features": [partial(distance, net=random_features(seed)) for seed in range(SEEDS)],
    NAME: [partial(distance, net=srlib_features())],
}


@torch.no_grad()
def agreements(pictures: Pictures, measure: Callable[[Tensor, Tensor], Tensor]) -> dict[tuple[str, str], Tensor]:
    """For each pair, of each patch: 1 where the measure finds the first closer, ½ for a tie; (N,) each."""
    far = {name: measure(picture, pictures["patch"]) for name, picture in pictures.items() if name != "patch"}
    return {(a, b): (far[a] < far[b]).double() + (far[a] == far[b]).double() / 2 for a, b in EQUAL + UNSEEN + STRONGER}


def bootstrap(scores: Tensor, draws: int = 2000) -> tuple[float, float, float]:
    """Mean of (seeds, patches) and the interval of 95 % of the means of drawn patches and seeds."""
    rng = torch.Generator().manual_seed(0)
    seeds, count = scores.shape
    means = []
    for _ in range(draws):
        chosen = scores[torch.randint(seeds, (seeds,), generator=rng)]
        means.append(chosen[:, torch.randint(count, (count,), generator=rng)].mean())
    low, high = torch.stack(means).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return float(scores.mean()), low, high


def row(test: str, closer: str, further: str, measure: str, scores: Tensor) -> dict[str, object]:
    mean, low, high = (round(value, 4) for value in bootstrap(scores))
    told = {"test": test, "closer": closer, "further": further, "measure": measure, "seeds": len(scores)}
    return told | {"patches": scores.shape[1], "agreement": mean, "low": low, "high": high, "protocol": PROTOCOL}


def main() -> None:
    pictures, rows, totals = patches(), [], {}
    for name, measures in MEASURES.items():
        each = [agreements(pictures, measure) for measure in measures]
        for test, pairs in TESTS.items():
            scores = {pair: torch.stack([one[pair] for one in each]) for pair in pairs}  # (seeds, patches)
            totals[test, name] = torch.stack(list(scores.values())).mean(0)
            rows.append(row(test, "all", "all", name, totals[test, name]))
            rows += [row(test, a, b, name, found) for (a, b), found in scores.items() if test != "all"]
    for test in TESTS:  # the same patches: far narrower than the two intervals
        gain = totals[test, NAME] - totals[test, "random features"]
        rows.append(row(test, "all", "all", f"{NAME} less random features", gain))
    for line in rows:
        if line["closer"] == "all":
            print(*(line[key] for key in ("test", "measure", "agreement", "low", "high")))
    atomic.write_table(RESULT, rows)


if __name__ == "__main__":
    main()
