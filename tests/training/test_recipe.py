"""A recipe carried out: the checkpoint, its card and its folder; that every recipe fits its network; descriptions."""

import io
import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.optim import SGD, Adam

from srlib import checkpoints
from srlib.checkpoints import CheckpointError
from srlib.data import pretrained
from srlib.data.sources import Pairs, with_patches
from srlib.data.streams import sample_generator
from srlib.losses import perceptual
from srlib.losses.pixel import l1, mse
from srlib.losses.weighted import Weighted
from srlib.models.fcn import SRCNN
from srlib.models.vgg import vgg19
from srlib.recipes import ours, photographs
from srlib.recipes.table import RECIPES
from srlib.training.fit import fit
from srlib.training.loop import TrainConfig
from srlib.training.recipe import Late, Optim, Phase, describe, last_layer_lr
from srlib.training.run import TrainingError
from srlib.training.schedules import constant, warm_cosine
from srlib.training.steps.supervised import supervised


def picture(seed=0):
    return torch.rand(1, 3, 50, 44, generator=torch.Generator().manual_seed(seed))


PICTURES = {"hr": [picture()]}
LARGER = {"hr": [torch.rand(1, 3, 70, 90, generator=torch.Generator().manual_seed(2))]}


def changed(recipe, *, lr_size=None, schedule=None, **config):
    """A recipe with another size of patches, schedule or settings."""
    phases = []
    for phase in recipe.with_config(**config).phases:
        stream = phase.stream if lr_size is None else with_patches(phase.stream, lr_size)
        optims = {
            name: optim if schedule is None else replace(optim, schedule=schedule)
            for name, optim in phase.optims.items()
        }
        phases.append(replace(phase, stream=stream, optims=optims))
    return replace(recipe, phases=tuple(phases))


@pytest.fixture
def recipe():
    return changed(ours.espcn(2), steps=6, batch=4, save_every=2, lr_size=8)


def test_the_checkpoint_holds_the_averaged_network_and_the_card_tells_the_truth(tmp_path, recipe):
    rows = []
    path = fit(
        recipe,
        PICTURES,
        tmp_path,
        data={"hr": ["noise: 1 picture"]},
        evaluate_on={"noise": [("a", picture(1))]},
        log=rows.append,
    )
    assert path == tmp_path / "espcn_x2.safetensors"
    state = (tmp_path / "state.pt").read_bytes().partition(b"\n")[2]
    averaged = torch.load(io.BytesIO(state), weights_only=True)["states"]["averaged"]["g"]
    net = checkpoints.load(path)
    assert all(torch.equal(value, averaged[name]) for name, value in net.state_dict().items())
    card = checkpoints.read_card(path)
    assert card["model"] == "espcn" and card["scale"] == 2 and card["scales"] == [2]
    assert card["steps"] == 6 and card["data"] == {"hr": ["noise: 1 picture"]} and card["start"] is None
    (phase,) = card["recipe"]["phases"]
    assert phase["config"]["batch"] == 4 and phase["step"] == "supervised(Weighted(pixel=(1.0, mse)), at_scale=False)"
    assert phase["optims"]["g"] == {"make": "Muon(lr=0.003)", "nets": ["g"], "schedule": "warm_cosine"}
    assert phase["stream"] == "Pairs(scales=(2,), lr_size=8, channels=1)"
    assert card["scores"]["2"]["noise"]["psnr"] == pytest.approx(rows[-1]["psnr"], abs=1e-3)
    assert card["protocol"] == "Y (BT.601 studio), border scale, 8-bit" and card["device"].startswith("CPU")


def test_a_warm_start_takes_over_what_fits_and_says_so(tmp_path, recipe):
    first = fit(recipe, PICTURES, tmp_path / "first")
    third = changed(ours.espcn(3), steps=1, batch=4, ema_decay=0.0, lr_size=8).with_lr(1e-9)
    second = fit(third, PICTURES, tmp_path / "second", start={"g": first})
    a, b = checkpoints.load(first), checkpoints.load(second)
    torch.testing.assert_close(a.head.weight, b.head.weight, atol=1e-6, rtol=0)
    start = checkpoints.read_card(second)["start"]["g"]
    assert start["steps"] == 6 and start["copied"] == 4 and start["fresh"] == ["tail.weight", "tail.bias"]


def test_a_folder_belongs_to_one_run(tmp_path, recipe):
    fit(recipe, PICTURES, tmp_path)
    with pytest.raises(TrainingError, match="holds a run already; give --resume"):
        fit(recipe, PICTURES, tmp_path)
    with pytest.raises(TrainingError, match="has other settings: make was .* now .*lr=1.0"):
        fit(recipe.with_lr(1.0), PICTURES, tmp_path, resume=True)
    before = (tmp_path / "espcn_x2.safetensors").read_bytes()
    fit(recipe, PICTURES, tmp_path, resume=True)  # nothing left to do: the same result
    assert (tmp_path / "espcn_x2.safetensors").read_bytes() == before
    assert json.loads((tmp_path / "run.json").read_text())["start"] is None


def test_a_bad_start_and_missing_pictures_are_said_before_anything_is_written(tmp_path, recipe):
    with pytest.raises(CheckpointError, match="no such file"):
        fit(recipe, PICTURES, tmp_path / "run", start={"g": tmp_path / "none.safetensors"})
    with pytest.raises(ValueError, match="espcn_x2 needs pictures for hr, got lr"):
        fit(recipe, {"lr": [picture()]}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_several_scales_share_one_run(tmp_path):
    recipe = changed(ours.mdsr(), steps=3, batch=2, lr_size=6)
    path = fit(recipe, PICTURES, tmp_path, evaluate_on={"noise": [("a", picture(1))]})
    assert path.name == "mdsr_x234.safetensors"
    card = checkpoints.read_card(path)
    assert card["scales"] == [2, 3, 4] and set(card["scores"]) == {"2", "3", "4"}
    assert checkpoints.load(path, 3)(torch.rand(1, 3, 9, 7)).shape == (1, 3, 27, 21)


WITH_VGG = {"srgan_paper": 0.1, "esrgan_paper": 1 / 16}  # and the learning rate at the end


@pytest.mark.parametrize("name", WITH_VGG)
def test_the_papers_gans_say_what_to_fetch_when_their_phase_begins(name, monkeypatch, tmp_path):
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path))
    monkeypatch.setattr(pretrained, "search_path", lambda: [tmp_path])
    (phase,) = RECIPES[name](4).phases
    with pytest.raises(pretrained.WeightsError, match="srlib fetch vgg19"):
        phase.step()


@pytest.mark.parametrize("name", WITH_VGG)
def test_the_papers_gans_fit_their_discriminators(name, monkeypatch):
    monkeypatch.setattr(perceptual, "imagenet", lambda name="vgg19": vgg19())
    recipe = RECIPES[name](4)
    (phase,) = recipe.phases
    hr = phase.stream({"hr": [torch.rand(1, 3, 140, 150)]}, seed=0, batch=2).batch(range(2))[1]
    with torch.device("meta"):
        d = recipe.nets["d"]()
    assert d(hr.to("meta")).shape == (2, 1)
    assert sum(p.numel() for p in d.parameters()) == {"srgan_paper": 23_565_505, "esrgan_paper": 14_499_401}[name]
    assert callable(phase.step())
    rates = phase.schedules
    assert rates(0) == 1 and rates(phase.config.steps - 1) == WITH_VGG[name]


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in WITH_VGG])
def test_every_recipe_makes_its_networks_and_patches(name):
    recipe = RECIPES[name](4)
    scenes = {side: torch.randn(1, 3, side, side).cumsum(-1).cumsum(-2) for side in recipe.sides.values()}
    pictures = {role: [(scenes[side] / 8 / side + 0.5).clamp(0, 1)] for role, side in recipe.sides.items()}
    with torch.device("meta"):
        nets = {key: make() for key, make in recipe.nets.items()}
    lr, *others = recipe.phases[-1].stream(pictures, seed=0, batch=1).batch(range(1))
    hr = max(others, key=lambda picture: picture.shape[-1])
    net = nets[recipe.main]
    scale = getattr(net, "scales", (net.scale,))[0]
    assert hr.shape[-1] == scale * lr.shape[-1] and lr.shape[-3] == net.channels
    assert lr.ndim == 4 or lr.shape[1] == net.frames
    assert recipe.name.startswith(checkpoints.name_of(recipe.name) + "_x")
    assert json.dumps(describe(recipe))
    for phase in recipe.phases:
        assert callable(phase.step())
        assert all(optim.schedule(phase.config.steps)(phase.config.steps // 2) > 0 for optim in phase.optims.values())


def test_a_recipe_may_mix_flat_colours_in_and_hold_batch_norm(tmp_path):
    recipe = changed(ours.johnson(2), steps=3, batch=2, lr_size=10)
    (phase,) = describe(recipe)["phases"]
    assert phase["stream"] == "WithFlats(source=Pairs(scales=(2,), lr_size=10, channels=3), flat=0.15, grey=0.15)"
    assert phase["step"].startswith("held_norms(supervised(Weighted(")
    torch.manual_seed(1)
    begun = checkpoints.build("johnson_pixel", 2)
    begun.train()(torch.rand(2, 3, 9, 7))
    start = checkpoints.save(begun, tmp_path / "start.safetensors", {"model": "johnson_pixel", "scale": 2})
    trained = checkpoints.load(fit(recipe, PICTURES, tmp_path / "run", start={"g": start})).state_dict()
    for name, value in begun.state_dict().items():
        held = name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")
        assert torch.allclose(trained[name], value, atol=1e-6) == held, name


def test_a_recipe_may_degrade_its_patches_at_random(tmp_path):
    torch.manual_seed(1)
    card = {"model": "edsr_small", "scale": 2}
    start = checkpoints.save(checkpoints.build("edsr_small", 2), tmp_path / "edsr_small_x2.safetensors", card)
    recipe = photographs.edsr_small_real(2).with_config(steps=2, batch=2)
    stream = recipe.phases[0].stream(LARGER, seed=0, batch=2)
    lr, hr = stream.batch(range(12))
    degraded = recipe.phases[0].stream.source.degrade(hr, [sample_generator(0, index) for index in range(12)])
    same = [torch.equal(one, other) for one, other in zip(lr, degraded, strict=True)]
    flat = [bool((one == one[:, :1, :1]).all()) for one in lr]
    assert lr.shape == (12, 3, 32, 32) and sum(same) >= 6 and any(flat)
    path = fit(recipe, LARGER, tmp_path / "run", start={"g": start})
    card = checkpoints.read_card(path)
    assert path.name == "edsr_small_real_x2.safetensors" and card["start"]["g"]["fresh"] == []
    assert card["recipe"]["phases"][0]["stream"].startswith(
        "WithFlats(source=DegradedPairs(size=64, degrade=TwoStage(scale=2, first="
    )


@pytest.fixture
def gan():
    return changed(ours.esrgan_small(2), steps=4, batch=2, save_every=2, lr_size=10)


@pytest.fixture
def beginning(tmp_path):
    torch.manual_seed(1)
    card = {"model": "rrdb_psnr_small", "scale": 2}
    net = checkpoints.build("rrdb_psnr_small", 2)
    return {"g": checkpoints.save(net, tmp_path / "rrdb_psnr_small_x2.safetensors", card)}


def test_a_gan_ships_its_generator_and_the_card_says_how(tmp_path, gan, beginning):
    path = fit(gan, PICTURES, tmp_path / "run", start=beginning)
    card = checkpoints.read_card(path)
    assert path.name == "esrgan_small_x2.safetensors" and card["model"] == "esrgan_small"
    (phase,) = card["recipe"]["phases"]
    assert phase["step"] == (
        "adversarial(Weighted(pixel=(0.3, l1), colour=(2.0, low_frequency_l1), feature=(0.1, srlib_content())), "
        "GANLoss(d=relativistic_d, g=relativistic_g), weight=0.003, random_crop=1)"
    )
    assert card["recipe"]["nets"]["d"] == "Discriminator(size=None, width=32)"
    assert phase["optims"]["d"]["make"] == "Adam(lr=0.0001, betas=(0.9, 0.99), fused=True)"
    assert card["start"]["g"]["fresh"] == []
    a, b = checkpoints.load(beginning["g"]), checkpoints.load(path)
    assert a(torch.rand(1, 3, 9, 7)).shape == b(torch.rand(1, 3, 9, 7)).shape == (1, 3, 18, 14)
    assert max((x - y).abs().max() for x, y in zip(a.parameters(), b.parameters(), strict=True)) > 0


def test_a_broken_off_gan_goes_on_to_the_bit(tmp_path, gan, beginning):
    gan = changed(gan, schedule=constant)
    whole = fit(gan, PICTURES, tmp_path / "two", start=beginning)
    fit(changed(gan, steps=2), PICTURES, tmp_path / "broken", start=beginning)
    again = fit(gan, PICTURES, tmp_path / "broken", start=beginning, resume=True)
    a, b = checkpoints.load(whole).state_dict(), checkpoints.load(again).state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_recipe_names_the_network_it_begins_with():
    for name in ("johnson", "srgan", "esrgan_small", "edsr_small_real", "cincgan_small", "edvr_small"):
        recipe = RECIPES[name](4)
        state, own = (
            checkpoints.load(recipe.start[recipe.main], 4).state_dict(),
            recipe.build()[recipe.main].state_dict(),
        )
        assert state.keys() == own.keys() - {key for key in own if key.startswith(("pair.", "fuse."))}
        rates = [optim.make.keywords["lr"] for phase in recipe.with_lr(7.0).phases for optim in phase.optims.values()]
        assert 7.0 in rates


def test_networks_are_drawn_with_seeds_of_their_own():
    recipe = RECIPES["srgan"](4)
    nets = recipe.with_config(seed=5).build()
    torch.manual_seed(6)
    alone = recipe.nets["d"]()
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), nets["d"].parameters(), strict=True))


def test_a_late_call_makes_its_late_arguments_first_and_only_when_it_is_called():
    made = []

    def content():
        made.append("content")
        return l1

    step = Late(supervised, Late(Weighted, feature=(0.5, Late(content)), pixel=(1.0, mse)), at_scale=True)
    assert made == []
    assert callable(step()) and made == ["content"]
    with pytest.raises(ValueError, match="weight of 'pixel' must be a finite number"):
        Late(supervised, Late(Weighted, pixel=(float("nan"), l1)))()


def test_what_has_no_name_cannot_stand_on_a_card():
    assert describe(Optim(partial(Adam, lr=1e-4, betas=(0.9, 0.999)), ("g", "d"), warm_cosine)) == {
        "make": "Adam(lr=0.0001, betas=(0.9, 0.999))", "nets": ["g", "d"], "schedule": "warm_cosine",
    }  # fmt: skip
    with pytest.raises(ValueError, match="has no name to stand on a card"):
        describe(Optim(lambda weights: SGD(weights, 0.1)))


def test_the_last_layer_can_be_slower():
    net = SRCNN(scale=2, widths=(2, 2))
    opt = Optim(partial(last_layer_lr, make=SGD, lr=0.5, factor=0.1, momentum=0.9)).build({"g": net})
    body, last = opt.param_groups
    assert [weight is mine for weight, mine in zip(last["params"], net.reconstruct.parameters(), strict=True)] == [1, 1]
    assert body["lr"] == 0.5 and last["lr"] == pytest.approx(0.05) and body["momentum"] == last["momentum"] == 0.9
    assert len(body["params"]) == 4


def test_an_optimizer_of_a_frozen_network_is_refused():
    with pytest.raises(ValueError, match="phase one: g is frozen, and the optimizer g moves it"):
        Phase("one", TrainConfig(1), Late(supervised), Pairs((2,), 4), {"g": Optim(SGD)}, frozen=("g",))
