"""Self-ensemble: the mean over the eight flips and rotations of a picture, the "+" of EDSR+."""

import torch
from torch import Tensor, nn

from srlib.warp import DIHEDRAL, dihedral, inverse_dihedral


class SelfEnsemble(nn.Module):
    """The mean of a network's outputs for all eight flips and rotations, each undone (Timofte et al., CVPR 2016).

    EDSR's "+". The mean is taken in floating point. For a network that folds pixels (`multiple`), a picture is first
    padded with its edge to whole blocks, so that the blocks begin at the same pixels in all eight.

    Shapes: as `net`.
    Differs from the paper: nothing known.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.scale = net.scale
        self.channels = getattr(net, "channels", None)
        self.frames, self.multiple = getattr(net, "frames", 1), getattr(net, "multiple", 1)
        self.blend = getattr(net, "blend", 0)

    def forward(self, lr: Tensor) -> Tensor:
        height, width = lr.shape[-2:]
        if self.multiple > 1:
            for dim, side in ((-2, height), (-1, width)):
                whole = torch.arange(side + -side % self.multiple, device=lr.device)
                lr = lr.index_select(dim, whole.clamp(max=side - 1))
        total = inverse_dihedral(self.net(dihedral(lr, 0)), 0)
        for k in DIHEDRAL[1:]:
            total = total + inverse_dihedral(self.net(dihedral(lr, k)), k)
        total = total / len(DIHEDRAL)
        return total if self.multiple == 1 else total[..., : height * self.scale, : width * self.scale]
