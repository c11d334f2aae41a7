"""Steps of CinCGAN: what each update changes, and losses that are known."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from srlib import images
from srlib.losses.adversarial import LEAST_SQUARES
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.models.cincgan import Camera, PatchDiscriminator, Translator
from srlib.models.fcn import ESPCN
from srlib.training.run import Run
from srlib.training.steps.cycle import BACK, INNER, inner_cycle, joint_cycle, own_pairs


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

    nets = {"g1": small(), "g2": small(), "g3": small(4), "d1": judge(), "d2": judge(), "dx": judge()}
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
    assert changed(before, nets) == set(nets) - {"dx"}
    assert {"gan", "cycle", "identity", "smooth", "loss_d2", "inner_gan", "inner_cycle", "inner_loss_d1"} <= set(told)


def test_the_inner_cycle_of_a_joint_step_counts_a_tenth():
    (nets, opts), (others, other_opts) = players(), players()
    joint = joint_cycle()(nets, opts, (X, Y, Z), Run(device="cpu"))
    inner = inner_cycle()(others, other_opts, (X, Y), Run(device="cpu"))
    torch.testing.assert_close(10 * joint["inner_cycle"], inner["cycle"])


def with_camera():
    nets, opts = players()
    nets["g2"] = Camera(nets["g2"])
    return nets, opts | {"g2": torch.optim.SGD(nets["g2"].parameters(), 0.01)}


def test_the_way_back_is_two_more_updates_by_hand():
    x, y = (torch.rand(2, 3, 24, 17, generator=torch.Generator().manual_seed(k)) for k in (5, 6))
    weights = {"gan_x": 1.0, "back": 10.0, "colour": 5.0}
    nets, opts = with_camera()
    before = state(nets)
    torch.manual_seed(3)
    told = inner_cycle(weights)(nets, opts, (x, y), Run(device="cpu"))
    assert changed(before, nets) == {"g1", "g2", "dx"}

    mine, mine_opts = with_camera()
    g1, dx = mine["g1"], mine["dx"]
    clean = g1(x)
    torch.manual_seed(3)
    taken = mine["g2"](y)
    loss_d = LEAST_SQUARES.d(*dx(torch.cat([x, taken.detach()])).chunk(2))
    loss_d.backward()
    mine_opts["dx"].step()
    cells = [F.avg_pool2d(each, 8) for each in (clean, x, taken, y)]
    parts = {
        "gan_x": (dx(taken) - 1).square().mean() / 2,
        "back": 10 * (g1(taken.detach()) - y).abs().mean(),
        "colour": 5 * (cells[0] - cells[1]).abs().mean(),
        "colour_x": 5 * (cells[2] - cells[3]).abs().mean(),
    }
    for name in ("g1", "g2"):
        mine_opts[name].zero_grad()
    sum(parts.values()).backward()
    for name in ("g1", "g2"):
        mine_opts[name].step()
    assert set(told) == {*parts, "loss", "loss_dx"}
    for name, part in parts.items():
        torch.testing.assert_close(told[name], part.detach())
    for name in ("g1", "g2", "dx"):
        for a, b in zip(nets[name].parameters(), mine[name].parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


def test_the_weights_of_the_way_back_leave_out_the_cycle_that_asks_for_the_grain():
    assert not BACK.get("cycle") and set(INNER) - {"cycle"} < set(BACK)


def test_own_pairs_teach_g1_and_sr_what_the_camera_made():
    nets, opts = with_camera()
    before = state(nets)
    torch.manual_seed(3)
    told = own_pairs(Weighted(pixel=(1.0, l1)))(nets, opts, (X, Y, Z), Run(device="cpu"))
    assert changed(before, nets) == {"g1", "sr"}
    mine, _ = with_camera()
    torch.manual_seed(3)
    lr = images.quantised(mine["g2"](Y))
    torch.testing.assert_close(told["loss"], (mine["sr"](mine["g1"](lr)) - Z).abs().mean().detach())
