"""Dual regression: a network learns pictures at every scale, and small networks check that they shrink to lr again."""

from torch import Tensor, nn

from srlib.losses.weighted import Levels
from srlib.training.loop import Optimizers, Step
from srlib.training.run import Run


def dual_regression(loss: Levels, dual_loss: Levels, *, duals: tuple[str, ...]) -> Step:
    """Train `g` on all of its answers, and the dual networks to shrink each to the target below it.

    One backward pass of the sum, then a step of every optimizer (Guo et al., CVPR 2020, eq. 2). With a dual network
    that is right, the second sum is zero exactly where sr shrinks to lr.

    Args:
        loss: of the answers, ×1 first, against the batch.
        dual_loss: of the shrunk answers against the batch without its largest picture; its weights are those of the
            paper's λ, 0.1.
        duals: names of the dual networks, that of the smallest step first: it shrinks ×2 to lr.

    Source: Guo et al., "Closed-loop Matters", CVPR 2020.
    Differs from the paper: nothing known; the authors' code has an optimizer for each dual network, here any number.
    """

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, ...], run: Run) -> dict[str, Tensor]:
        with run.autocast():
            answers = nets["g"](batch[0], pyramid=True)
            total, parts = loss(answers, batch)
            shrunk = [nets[name](answer) for name, answer in zip(duals, answers[1:], strict=True)]
            again, dual_parts = dual_loss(shrunk, batch[:-1])
        run.minimize(total + again, *opts.values())
        told = {f"dual_{name}": part for name, part in dual_parts.items()}
        return parts | told | {"loss": (total + again).detach()}

    return step


def dual_adaptation(loss: Levels, dual_loss: Levels, *, duals: tuple[str, ...]) -> Step:
    """`dual_regression` on pairs, and beside it, without any hr, the loop alone on lr of another camera.

    Of foreign lr one thing is known: sr must shrink to it. So every answer goes down through the dual networks to the
    size of lr and is compared there (Guo et al., CVPR 2020, algorithm 1).

    Args:
        loss, dual_loss, duals: as for `dual_regression`; each batch has one lr more than there, the last.

    Differs from the paper: pairs and foreign lr come in equal numbers, where the paper takes 30 % of the latter; the
        answers between lr and sr go through the loop, too. The authors' code for this part was not published.
    """

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, ...], run: Run) -> dict[str, Tensor]:
        *pyramid, foreign = batch
        with run.autocast():
            answers = nets["g"](pyramid[0], pyramid=True)
            total, parts = loss(answers, pyramid)
            shrunk = [nets[name](answer) for name, answer in zip(duals, answers[1:], strict=True)]
            again, dual_parts = dual_loss(shrunk, pyramid[:-1])
            returned = []
            for k, answer in enumerate(nets["g"](foreign, pyramid=True)[1:], 1):
                for name in reversed(duals[:k]):
                    answer = nets[name](answer)
                returned.append(answer)
            loop, foreign_parts = dual_loss(returned, [foreign] * len(returned))
        run.minimize(total + again + loop, *opts.values())
        told = {f"dual_{name}": part for name, part in dual_parts.items()}
        told |= {f"foreign_{name}": part for name, part in foreign_parts.items()}
        return parts | told | {"loss": (total + again + loop).detach()}

    return step


def dual_pretraining(dual_loss: Levels, *, duals: tuple[str, ...]) -> Step:
    """Train the dual networks alone to shrink true pictures, so that they are no noise at first; it takes seconds.

    With it, the method of Guo et al. (CVPR 2020) begins with dual networks that know the way down.

    Args:
        dual_loss, duals: as for `dual_regression`.

    Differs from the paper: it starts with random dual networks.
    """

    def step(nets: dict[str, nn.Module], opts: Optimizers, batch: tuple[Tensor, ...], run: Run) -> dict[str, Tensor]:
        with run.autocast():
            shrunk = [nets[name](picture) for name, picture in zip(duals, batch[1:], strict=True)]
            total, parts = dual_loss(shrunk, batch[:-1])
        run.minimize(total, *opts.values())
        return {f"dual_{name}": part for name, part in parts.items()} | {"loss": total.detach()}

    return step
