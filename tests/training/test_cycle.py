"""Steps of CinCGAN: what each update changes, and losses that are known."""

import pytest
import torch
from torch import nn

from srlib.losses.adversarial import LEAST_SQUARES
from srlib.models.cincgan import PatchDiscriminator, Translator
from srlib.models.fcn import ESPCN
from srlib.training.run import Run
from srlib.training.steps.cycle import INNER, inner_cycle, joint_cycle


class Undecided(nn.Module):
    """A discriminator that says ½ of everything."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, picture):
        return 0.5 + self.weight * picture.mean((1, 2, 3), keepdim=True)


def players(undecided=False):
    torch.manual_seed(0)

    def small(shrink=1):
        net = Translator(width=4, blocks=1, shrink=shrink, ends=3, norm=False)
        nn.init.normal_(net.tail.weight, std=0.01)
        return net

    def judge():
        return Undecided() if undecided else PatchDiscriminator(width=4, strides=(1, 1, 1), norm=True)

    nets = {"g1": small(), "g2": small(), "g3": small(4), "d1": judge(), "d2": judge()}
    nets["sr"] = ESPCN(scale=4, channels=3, width=8)
    return nets, {name: torch.optim.SGD(net.parameters(), 0.01) for name, net in nets.items()}


RNG = torch.Generator().manual_seed(1)
X, Y, Z = (torch.rand(2, 3, *sides, generator=RNG) for sides in ((13, 15), (13, 15), (52, 60)))


def changed(before, nets):
    found = {name: {key: value.clone() for key, value in net.state_dict().items()} for name, net in nets.items()}
    return {
        name for name, state in found.items() if any(not torch.equal(state[key], before[name][key]) for key in state)
    }


def state(nets):
    return {name: {key: value.clone() for key, value in net.state_dict().items()} for name, net in nets.items()}


def test_least_squares_of_an_undecided_discriminator():
    nets, opts = players(undecided=True)
    told = inner_cycle()(nets, opts | {"d1": torch.optim.SGD(nets["d1"].parameters(), 0.0)}, (X, Y), Run(device="cpu"))
    assert told["loss_d1"].item() == pytest.approx(1 / 4) and told["gan"].item() == pytest.approx(1 / 8)


def test_an_inner_step_is_two_updates_by_hand():
    nets, opts = players()
    told = inner_cycle()(nets, opts, (X, Y), Run(device="cpu"))
    mine, mine_opts = players()
    g1, g2, d1 = mine["g1"], mine["g2"], mine["d1"]
    loss_d = LEAST_SQUARES.d(*d1(torch.cat([Y, g1(X).detach()])).chunk(2))
    loss_d.backward()
    mine_opts["d1"].step()
    fake = d1(g1(X))
    clean = g1(X)
    parts = {
        "gan": (fake - 1).square().mean() / 2,
        "cycle": 10 * (g2(clean) - X).abs().mean(),
        "identity": 5 * (g1(Y) - Y).abs().mean(),
        "smooth": 0.5 * (clean.diff(dim=-1).abs().mean() + clean.diff(dim=-2).abs().mean()),
    }
    for opt in (mine_opts["g1"], mine_opts["g2"]):
        opt.zero_grad()
    sum(parts.values()).backward()
    mine_opts["g1"].step()
    mine_opts["g2"].step()
    for name, part in parts.items():
        torch.testing.assert_close(told[name], part.detach())
    for name in ("g1", "g2"):
        for a, b in zip(nets[name].parameters(), mine[name].parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)
    for a, b in zip(nets["d1"].parameters(), mine["d1"].parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    ("weights", "moved", "told"),
    [
        (INNER, {"g1", "g2", "d1"}, {"gan", "cycle", "identity", "smooth", "loss", "loss_d1"}),
        ({"gan": 1.0}, {"g1", "d1"}, {"gan", "loss", "loss_d1"}),
        ({"cycle": 10.0, "identity": 5.0}, {"g1", "g2"}, {"cycle", "identity", "loss"}),
    ],
)
def test_a_term_that_is_left_out_moves_nothing(weights, moved, told):
    nets, opts = players()
    before = state(nets)
    assert set(inner_cycle(weights)(nets, opts, (X, Y), Run(device="cpu"))) == told
    assert changed(before, nets) == moved


def test_a_joint_step_moves_all_six_networks_and_tells_both_cycles():
    nets, opts = players()
    before = state(nets)
    told = joint_cycle()(nets, opts, (X, Y, Z), Run(device="cpu"))
    assert changed(before, nets) == set(nets)
    assert {"gan", "cycle", "identity", "smooth", "loss_d2", "inner_gan", "inner_cycle", "inner_loss_d1"} <= set(told)


def test_the_inner_cycle_of_a_joint_step_counts_a_tenth():
    (nets, opts), (others, other_opts) = players(), players()
    joint = joint_cycle()(nets, opts, (X, Y, Z), Run(device="cpu"))
    inner = inner_cycle()(others, other_opts, (X, Y), Run(device="cpu"))
    torch.testing.assert_close(10 * joint["inner_cycle"], inner["cycle"])
