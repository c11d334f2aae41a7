"""Muon: an optimizer that orthogonalises the update of every weight matrix (Jordan et al., blog 2024)."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# Of the polynomial s -> 3.4445 s - 4.7750 s³ + 2.0315 s⁵, which maps (0, 1] to about 1; from the source.
QUINTIC = (3.4445, -4.7750, 2.0315)


def newton_schulz(matrices: Tensor, steps: int = 5) -> Tensor:
    """Approximately orthogonalise matrices: U Vᵀ of the singular value decomposition U S Vᵀ.

    Args:
        matrices: (N, rows, columns), a batch.
        steps: of Newton–Schulz; after five, the singular values lie between about 0.7 and 1.2.

    Shapes: as given. A matrix of zeros stays zero.
    Source: https://kellerjordan.github.io/posts/muon/
    Differs from the paper: computed in the precision of the input; in bfloat16, the result of two processes would
        differ from that of one.
    """
    a, b, c = QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Orthogonalised updates for weight matrices, Adam for biases and slopes.

    A kernel (out, in, k, k) is a matrix of `out` rows. Its gradient has a few dominant directions, which Adam follows;
    here the weak directions move just as far. `torch.optim.Muon` accepts matrices only, no kernels.

    Args:
        lr: learning rate: the size of an update, as the root mean square of its singular values.
        momentum: of the gradient's moving average, with Nesterov's look-ahead.
        vectors: factor on the learning rate of Adam (betas 0.9 and 0.99) for parameters that are no matrices.

    Source: https://kellerjordan.github.io/posts/muon/
    Differs from the paper: the first and the last layer use it too, which was better in our networks.
    """

    def __init__(self, params: Iterable, lr: float = 5e-3, momentum: float = 0.95, vectors: float = 0.1) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "vectors": vectors})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Any:
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            vectors: list[Tensor] = []
            alike: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if parameter.ndim < 2:
                    vectors.append(parameter)
                else:
                    alike.setdefault(parameter.flatten(1).shape, []).append(parameter)
            if vectors:
                self._adam(vectors, group)
            for parameters in alike.values():
                self._orthogonal(parameters, group)
        return loss

    # Lists are handed over whole: on a GPU a call for each of a hundred tensors takes longer than the arithmetic.

    def _orthogonal(self, parameters: list[Tensor], group: dict) -> None:
        """Update the kernels of one shape as one batch of matrices."""
        grads = [parameter.grad for parameter in parameters]
        means = self._kept(parameters, "mean")
        torch._foreach_lerp_(means, grads, 1 - group["momentum"])
        ahead = torch._foreach_lerp(grads, means, group["momentum"])
        updates = newton_schulz(torch.stack([matrix.flatten(1) for matrix in ahead]))
        rows, columns = updates.shape[-2:]
        steps = [update.view(parameter.shape) for update, parameter in zip(updates, parameters, strict=True)]
        torch._foreach_sub_(parameters, steps, alpha=group["lr"] * max(1, rows / columns) ** 0.5)

    def _adam(self, parameters: list[Tensor], group: dict) -> None:
        grads = [parameter.grad for parameter in parameters]
        means, squares = self._kept(parameters, "mean"), self._kept(parameters, "square")
        for parameter in parameters:
            self.state[parameter]["step"] = self.state[parameter].get("step", 0) + 1
        done = [self.state[parameter]["step"] for parameter in parameters]
        torch._foreach_lerp_(means, grads, 0.1)
        torch._foreach_lerp_(squares, torch._foreach_mul(grads, grads), 0.01)
        found = torch._foreach_div(means, [1 - 0.9**step for step in done])
        sizes = torch._foreach_div(squares, [1 - 0.99**step for step in done])
        torch._foreach_sqrt_(sizes)
        torch._foreach_add_(sizes, 1e-8)
        torch._foreach_addcdiv_(parameters, found, sizes, value=-group["lr"] * group["vectors"])

    def _kept(self, parameters: list[Tensor], name: str) -> list[Tensor]:
        """What is remembered of each under a name; zeros at first."""
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.zeros_like(parameter)
        return [self.state[parameter][name] for parameter in parameters]
