"""The second half of an adversarial recipe: who judges the generator, and what it is told besides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from srlib.adversarial import Game
from srlib.losses import Loss, Weighted
from srlib.steps import adversarial
from srlib.training import Step


@dataclass(frozen=True)
class Gan:
    """A game for a recipe, whose own `loss` is then not used.

    Args:
        discriminator: makes the untrained network that judges.
        weight: of the adversarial loss of the generator.
        content: name: (weight, loss); what the generator is told besides.
        learning_rate: of the discriminator, at its peak; Adam's.
        together, jitter: as for `steps.adversarial`.
    """

    discriminator: Callable[[], nn.Module]
    game: Game
    weight: float
    content: Mapping[str, tuple[float, Loss]]
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.99)
    together: bool = True
    jitter: int = 0

    def network(self, seed: int) -> nn.Module:
        """The untrained discriminator, the same each time."""
        torch.manual_seed(seed)
        return self.discriminator()

    def optimizer(self, d: nn.Module) -> torch.optim.Optimizer:
        """For the parameters of its network."""
        return torch.optim.Adam(d.parameters(), self.learning_rate, self.betas, fused=True)

    def step(self) -> Step:
        """What happens in one update."""
        content = Weighted(**self.content)
        return adversarial(content, self.game, weight=self.weight, together=self.together, jitter=self.jitter)

    def told(self) -> dict[str, str | float]:
        """For the card."""
        parts = [f"{weight:g} {name}" for name, (weight, _) in self.content.items()]
        judge = getattr(self.discriminator, "func", self.discriminator).__name__  # of a partial, what it calls
        return {
            "loss": " + ".join([*parts, f"{self.weight:g} {self.game.g.__name__}"]),
            "discriminator": f"{judge}, Adam, {self.learning_rate:g} at the peak",
            "jitter": self.jitter,
        }
