"""Steps: what each one changes."""

import pytest
import torch
from torch import nn

from srlib.data.streams import PatchStream
from srlib.losses.adversarial import BCE, HINGE, RELATIVISTIC, gradient_penalty, r1
from srlib.losses.pixel import l1, mse, total_variation
from srlib.losses.weighted import Weighted
from srlib.models.edsr import MDSR
from srlib.models.fcn import ESPCN
from srlib.models.features import FeatureNet, Pretext, pretext_losses
from srlib.models.srgan import Discriminator, SRResNet
from srlib.training.loop import TrainConfig, train
from srlib.training.run import Run
from srlib.training.schedules import cosine
from srlib.training.steps.adversarial import adversarial, frozen
from srlib.training.steps.self_supervised import self_supervised
from srlib.training.steps.supervised import supervised


def test_a_supervised_step_is_one_update_of_g_and_tells_its_parts():
    torch.manual_seed(0)
    net, other = ESPCN(scale=3, width=8), ESPCN(scale=3, width=8)
    opts = {name: torch.optim.SGD(n.parameters(), 0.1) for name, n in (("g", net), ("other", other))}
    lr, hr = torch.rand(2, 1, 5, 7), torch.rand(2, 1, 15, 21)
    before, frozen = [p.clone() for p in net.parameters()], [p.clone() for p in other.parameters()]
    expected = torch.autograd.grad(mse(net(lr), hr) + 0.1 * total_variation(net(lr)), list(net.parameters()))
    loss = Weighted(pixel=(1.0, mse), smooth=(0.1, total_variation))
    scalars = supervised(loss)({"g": net, "other": other}, opts, (lr, hr), Run("fp32", device="cpu"))
    assert set(scalars) == {"pixel", "smooth", "loss"}
    torch.testing.assert_close(scalars["loss"], scalars["pixel"] + scalars["smooth"])
    for p, was, gradient in zip(net.parameters(), before, expected, strict=True):
        torch.testing.assert_close(p, was - 0.1 * gradient, atol=1e-6, rtol=1e-5)
    assert all(torch.equal(p, was) for p, was in zip(other.parameters(), frozen, strict=True))


def test_a_network_of_several_scales_is_trained_at_that_of_the_batch():
    torch.manual_seed(0)
    net = MDSR(scale=4, scales=(2, 3, 4), blocks=1, width=8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    batch = torch.rand(1, 3, 6, 5), torch.rand(1, 3, 18, 15)
    step = supervised(Weighted(pixel=(1.0, l1)), at_scale=True)
    step({"g": net}, {"g": torch.optim.SGD(net.parameters(), 0.1)}, batch, Run("fp32", device="cpu"))
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith("upsample.3") for name in changed)
    assert not any(name.startswith(("upsample.2", "upsample.4", "first.2", "first.4")) for name in changed)
    assert any(name.startswith("body") for name in changed)


def test_a_self_labelled_step_is_one_update_by_the_four_questions():
    torch.manual_seed(0)
    net = Pretext(net=FeatureNet(), rotations=4, downscales=4, types=6)
    patches, labels = torch.rand(2, 3, 16, 17), torch.tensor([[0, 1, 0, 0.0], [2, 3, 4, 0.6]])
    before = [p.clone() for p in net.parameters()]
    parts = pretext_losses(net(patches), labels)
    expected = torch.autograd.grad(sum(parts.values()), list(net.parameters()))
    opt = torch.optim.SGD(net.parameters(), 0.1)
    scalars = self_supervised()({"g": net}, {"g": opt}, (patches, labels), Run("fp32", device="cpu"))
    assert set(scalars) == {"rotation", "downscale", "type", "strength", "loss"}
    torch.testing.assert_close(scalars["loss"], sum(parts.values()).detach())
    for p, was, gradient in zip(net.parameters(), before, expected, strict=True):
        torch.testing.assert_close(p, was - 0.1 * gradient, atol=1e-6, rtol=1e-5)


def players(seed=0, opt=torch.optim.Adam):
    """A generator and a discriminator, both with batch norm."""
    torch.manual_seed(seed)
    nets = {
        "g": SRResNet(scale=2, width=6, blocks=1),
        "d": Discriminator(size=None, width=2),
    }
    return nets, {name: opt(net.parameters(), 1e-2) for name, net in nets.items()}


def brightness(sr, hr):
    """Stands for a distance of features: any function (sr, hr) -> scalar is one."""
    return (sr.mean((2, 3)) - hr.mean((2, 3))).square().mean()


CONTENT = Weighted(pixel=(1e-2, l1), feature=(1.0, brightness))
RNG = torch.Generator().manual_seed(5)
BATCH = torch.rand(3, 3, 9, 11, generator=RNG), torch.rand(3, 3, 18, 22, generator=RNG)


def state(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def same(a, b):
    return [name for name in a if not torch.equal(a[name], b[name])] == []


def by_hand(nets, opts, game, weight, penalty, together, update):
    """The step as one would write it, whatever it leaves behind in the network that is not updated."""
    (lr, hr), (g, d) = BATCH, (nets["g"], nets["d"])
    sr = g(lr)
    if update == "d":
        sr = sr.detach()
    real, fake = d(torch.cat([hr, sr])).chunk(2) if together else (d(hr), d(sr))
    if update == "d":
        loss = game.d(real, fake) + (penalty(d, hr, sr) if penalty else 0)
    else:
        loss = 1e-2 * l1(sr, hr) + brightness(sr, hr) + weight * game.g(real, fake)
    opts[update].zero_grad()
    loss.backward()
    opts[update].step()
    return real.mean().item(), fake.mean().item(), loss.item()


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("game", "penalty"), [(BCE, None), (RELATIVISTIC, None), (HINGE, r1)])
def test_an_adversarial_step_is_two_updates_by_hand(game, penalty, together):
    # Not Adam, which makes a whole step of the rounding errors that a bias before batch norm gets as its gradient.
    nets, opts = players(opt=torch.optim.SGD)
    mine, my_opts = players(opt=torch.optim.SGD)
    told = by_hand(mine, my_opts, game, 0.1, penalty, together, "d")
    d_after = state(mine["d"])
    other, other_opts = players(opt=torch.optim.SGD)
    other["d"].load_state_dict(d_after)  # g meets the new d; its own means are fresh
    loss = by_hand(other, other_opts, game, 0.1, penalty, together, "g")[2]
    step = adversarial(CONTENT, game, weight=0.1, penalty=penalty, joint_batch=together)
    scalars = step(nets, opts, BATCH, Run("fp32", device="cpu"))
    for name, expected in (("g", state(other["g"])), ("d", d_after)):  # batch norm's means and counts are among these
        for key, value in nets[name].state_dict().items():
            torch.testing.assert_close(value, expected[key], atol=1e-6, rtol=1e-5)
    found = [scalars[name].item() for name in ("real", "fake", "loss_d", "loss")]
    assert found == pytest.approx([*told, loss], rel=1e-4)
    assert set(scalars) == {"pixel", "feature", "adversarial", "loss", "loss_d", "real", "fake"}
    assert not any(value.requires_grad for value in scalars.values())
    torch.testing.assert_close(scalars["loss"], scalars["pixel"] + scalars["feature"] + scalars["adversarial"])


@pytest.mark.parametrize("idle", ["g", "d"])
def test_each_update_changes_its_own_network_alone(idle):
    nets, opts = players()
    for group in opts[idle].param_groups:
        group["lr"] = 0.0
    before = {name: state(net) for name, net in nets.items()}
    adversarial(CONTENT, RELATIVISTIC, weight=0.1)(nets, opts, BATCH, Run("fp32", device="cpu"))
    busy = "d" if idle == "g" else "g"
    assert all(torch.equal(p, before[idle][name]) for name, p in nets[idle].named_parameters())
    assert all(not torch.equal(p, before[busy][name]) for name, p in nets[busy].named_parameters() if p.ndim > 1)
    for net in nets.values():  # each was asked once to remember
        counts = [value.item() for name, value in net.state_dict().items() if name.endswith("num_batches_tracked")]
        assert counts and set(counts) == {1}


def test_the_generators_update_leaves_no_gradient_in_the_discriminator():
    nets, opts = players()
    seen = []

    class Spy(Run):
        def minimize(self, loss, opt):
            for p in nets["d"].parameters():
                p.grad = None
            super().minimize(loss, opt)
            seen.append([p.grad is not None and bool(p.grad.any()) for p in nets["d"].parameters()])

    adversarial(CONTENT, BCE, weight=0.1)(nets, opts, BATCH, Spy("fp32", device="cpu"))
    assert any(seen[0]) and not any(seen[1])
    assert all(p.requires_grad for p in nets["d"].parameters())
    assert all(norm.track_running_stats for norm in nets["d"].modules() if isinstance(norm, nn.BatchNorm2d))


def test_an_untouched_network_is_let_go_after_an_error_and_keeps_its_own_frozen_part():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    net[0].bias.requires_grad_(False)
    before, x = state(net), torch.rand(2, 1, 5, 5, requires_grad=True)
    with frozen(net) as inside:
        out = inside(x)
        assert inside is net and net.training and not any(p.requires_grad for p in net.parameters())
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(2), atol=1e-6, rtol=0)  # the batch's own statistics
    assert torch.autograd.grad(out.square().sum(), x)[0].shape == x.shape and same(before, state(net))
    with pytest.raises(KeyError), frozen(net):
        raise KeyError
    assert [p.requires_grad for p in net.parameters()] == [True, False, True, True] and net[1].track_running_stats


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_resumed_game_is_the_unbroken_game_to_the_bit(tmp_path, precision):
    picture = torch.rand(1, 3, 40, 36, generator=torch.Generator().manual_seed(1))
    stream = PatchStream([picture], scale=2, lr_size=8, channels=3)
    step = adversarial(CONTENT, RELATIVISTIC, weight=0.1, penalty=gradient_penalty)  # draws random places

    def play(steps, folder, seed):
        nets, opts = players(seed)
        cfg = TrainConfig(steps=steps, batch=2, precision=precision, max_grad_norm=1.0, save_every=0)
        averaged, rows = train(step, nets, opts, stream, cfg, schedule=cosine(6), folder=folder, resume=True)
        return {**nets, **{f"averaged {name}": net for name, net in averaged.items()}}, rows

    whole, _ = play(6, tmp_path / "whole", 0)
    play(3, tmp_path / "broken", 0)
    broken, rows = play(6, tmp_path / "broken", 9)  # another start, which the folder replaces
    assert whole.keys() == broken.keys() == {"g", "d", "averaged g", "averaged d"}
    assert all(same(state(whole[name]), state(broken[name])) for name in whole)
    assert [row["step"] for row in rows] == [3, 6] and {"loss", "loss_d", "real", "fake"} <= rows[-1].keys()


def test_with_fp16_both_updates_are_scaled():
    nets, opts = players()
    run, before = Run("fp16", device="cpu"), {name: state(net) for name, net in players()[0].items()}
    scalars = adversarial(CONTENT, BCE, weight=0.1)(nets, opts, BATCH, run)
    assert all(value.isfinite() and value.dtype == torch.float32 for value in scalars.values())
    assert not same(before["g"], state(nets["g"])) and not same(before["d"], state(nets["d"]))


def test_jitter_shows_both_networks_the_same_part_at_changing_places():
    nets, opts = players()
    lr = torch.zeros(1, 3, 9, 11)
    rows, columns = torch.meshgrid(torch.arange(18.0), torch.arange(22.0), indexing="ij")
    hr = torch.stack([rows, columns, rows])[None]
    corners = set()

    def spy(sr, part):
        assert sr.shape == part.shape == (1, 3, 15, 19)
        corners.add((part[0, 0, 0, 0].item(), part[0, 1, 0, 0].item()))
        assert torch.equal(part, hr[..., int(part[0, 0, 0, 0]) :, int(part[0, 1, 0, 0]) :][..., :15, :19])
        return sr.mean()

    step = adversarial(Weighted(seen=(1.0, spy)), BCE, weight=0.1, random_crop=3)
    for seed in range(60):
        torch.manual_seed(seed)
        step(nets, opts, (lr, hr), Run("fp32", device="cpu"))
    assert {c[0] for c in corners} == {c[1] for c in corners} == {0, 1, 2, 3}
