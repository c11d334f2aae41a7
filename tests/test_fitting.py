"""A recipe carried out: the checkpoint, its card and its folder; and that every recipe fits its network."""

import json
from dataclasses import replace

import pytest
import torch

from srlib import checkpoints, perceptual, recipes, weights
from srlib.checkpoints import CheckpointError
from srlib.fitting import fit
from srlib.models.vgg import vgg19
from srlib.recipes_paper import constant
from srlib.run import TrainingError
from srlib.training import TrainConfig


def picture(seed=0):
    return torch.rand(1, 3, 50, 44, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def recipe():
    return replace(recipes.espcn(2), config=TrainConfig(6, batch=4, save_every=2), lr_size=8)


def test_the_checkpoint_holds_the_averaged_network_and_the_card_tells_the_truth(tmp_path, recipe):
    rows = []
    path = fit(
        recipe,
        [picture()],
        tmp_path,
        data=["noise: 1 picture"],
        evaluate_on={"noise": [("a", picture(1))]},
        log=rows.append,
    )
    assert path == tmp_path / "espcn_x2.safetensors"
    state = (tmp_path / "state.pt").read_bytes().partition(b"\n")[2]
    import io

    averaged = torch.load(io.BytesIO(state), weights_only=True)["states"]["averaged"]["g"]
    net = checkpoints.load(path)
    assert all(torch.equal(value, averaged[name]) for name, value in net.state_dict().items())
    card = checkpoints.read_card(path)
    assert card["steps"] == 6 and card["data"] == ["noise: 1 picture"] and card["start"] is None
    assert card["recipe"]["batch"] == 4 and card["recipe"]["loss"] == "mse"
    assert card["recipe"]["optimizer"] == f"Muon, {recipe.learning_rate:g} at the peak"
    assert card["scores"]["2"]["noise"]["psnr"] == pytest.approx(rows[-1]["psnr"], abs=1e-3)
    assert card["protocol"] == "Y (BT.601 studio), border scale, 8-bit" and card["device"].startswith("CPU")


def test_a_warm_start_takes_over_what_fits_and_says_so(tmp_path, recipe):
    first = fit(recipe, [picture()], tmp_path / "first")
    third = replace(recipe, scales=(3,), config=TrainConfig(1, batch=4, average=0.0), learning_rate=1e-9)
    second = fit(third, [picture()], tmp_path / "second", start=first)
    a, b = checkpoints.load(first), checkpoints.load(second)
    torch.testing.assert_close(a.head.weight, b.head.weight, atol=1e-6, rtol=0)
    start = checkpoints.read_card(second)["start"]
    assert start["steps"] == 6 and start["copied"] == 4 and start["fresh"] == ["tail.weight", "tail.bias"]


def test_a_folder_belongs_to_one_run(tmp_path, recipe):
    fit(recipe, [picture()], tmp_path)
    with pytest.raises(TrainingError, match="holds a run already; give --resume"):
        fit(recipe, [picture()], tmp_path)
    with pytest.raises(TrainingError, match="has other settings, data or start"):
        fit(replace(recipe, learning_rate=1.0), [picture()], tmp_path, resume=True)
    before = (tmp_path / "espcn_x2.safetensors").read_bytes()
    fit(recipe, [picture()], tmp_path, resume=True)  # nothing left to do: the same result
    assert (tmp_path / "espcn_x2.safetensors").read_bytes() == before
    assert json.loads((tmp_path / "run.json").read_text())["start"] is None


def test_a_bad_start_is_said_before_anything_is_written(tmp_path, recipe):
    with pytest.raises(CheckpointError, match="no such file"):
        fit(recipe, [picture()], tmp_path / "run", start=tmp_path / "none.safetensors")
    assert not (tmp_path / "run").exists()


def test_several_scales_share_one_run(tmp_path):
    recipe = replace(recipes.mdsr(), config=TrainConfig(3, batch=2), lr_size=6)
    path = fit(recipe, [picture()], tmp_path, evaluate_on={"noise": [("a", picture(1))]})
    assert path.name == "mdsr_x234.safetensors"
    card = checkpoints.read_card(path)
    assert card["scales"] == [2, 3, 4] and set(card["scores"]) == {"2", "3", "4"}
    assert checkpoints.load(path, 3)(torch.rand(1, 3, 9, 7)).shape == (1, 3, 27, 21)


WITH_VGG = {"srgan_paper", "esrgan_paper"}


@pytest.mark.parametrize("name", sorted(WITH_VGG))
def test_the_papers_games_say_what_to_fetch(name, monkeypatch, tmp_path):
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path))
    monkeypatch.setattr(weights, "places", lambda: [tmp_path])
    with pytest.raises(weights.WeightsError, match="srlib fetch vgg19"):
        recipes.RECIPES[name](4)


@pytest.mark.parametrize("name", sorted(WITH_VGG))
def test_the_papers_games_fit_their_discriminators(name, monkeypatch):
    monkeypatch.setattr(perceptual, "imagenet", lambda name="vgg19": vgg19())
    recipe = recipes.RECIPES[name](4)
    hr = recipe.stream([torch.rand(1, 3, 140, 150)], 3).batch(range(2))[1]
    with torch.device("meta"):
        d = recipe.gan.discriminator()
    assert d(hr.to("meta")).shape == (2, 1)
    assert sum(p.numel() for p in d.parameters()) == {"srgan_paper": 23_565_505, "esrgan_paper": 14_499_401}[name]
    rates = recipe.schedule(recipe.config.steps)
    assert rates(0) == 1 and rates(recipe.config.steps - 1) == {"srgan_paper": 0.1, "esrgan_paper": 1 / 16}[name]


@pytest.mark.parametrize("name", [name for name in recipes.RECIPES if name not in WITH_VGG])
def test_every_recipe_makes_its_network_and_patches(name):
    recipe = recipes.RECIPES[name](4)
    side = recipe.lr_size * max(recipe.scales)
    net = recipe.network() if recipe.model not in ("edsr", "rrdbnet") else None
    channels = checkpoints.build(recipe.model, 4).channels if net is None else net.channels
    lr, hr = recipe.stream([torch.rand(1, 3, side, side)], channels).batch(range(1))
    assert hr.shape[-1] == recipe.scales[0] * lr.shape[-1] and lr.shape[1] == channels
    assert recipe.schedule(recipe.config.steps)(recipe.config.steps // 2) > 0


@pytest.fixture
def game():
    return replace(recipes.esrgan_small(2), config=TrainConfig(4, batch=2, save_every=2), lr_size=10)


@pytest.fixture
def beginning(tmp_path):
    torch.manual_seed(1)
    card = {"model": "rrdb_psnr_small", "scale": 2}
    return checkpoints.save(checkpoints.build("rrdb_psnr_small", 2), tmp_path / "rrdb_psnr_small_x2.safetensors", card)


def test_a_game_ships_the_generator_and_its_card_tells_the_rules(tmp_path, game, beginning):
    path = fit(game, [picture()], tmp_path / "run", start=beginning)
    card = checkpoints.read_card(path)
    assert path.name == "esrgan_small_x2.safetensors" and card["model"] == "esrgan_small"
    assert card["recipe"]["loss"] == "0.3 pixel + 2 colour + 0.1 feature + 0.003 relativistic_g"
    assert card["recipe"]["discriminator"] == "Discriminator, Adam, 0.0001 at the peak"
    assert card["recipe"]["jitter"] == 1 and card["start"]["fresh"] == []
    a, b = checkpoints.load(beginning), checkpoints.load(path)
    assert a(torch.rand(1, 3, 9, 7)).shape == b(torch.rand(1, 3, 9, 7)).shape == (1, 3, 18, 14)
    assert max((x - y).abs().max() for x, y in zip(a.parameters(), b.parameters(), strict=True)) > 0


def test_a_broken_off_game_goes_on_to_the_bit(tmp_path, game, beginning):
    half = replace(game, schedule=constant, config=replace(game.config, steps=2))
    whole = fit(replace(game, schedule=constant), [picture()], tmp_path / "two", start=beginning)
    fit(half, [picture()], tmp_path / "broken", start=beginning)
    longer = replace(half, config=game.config)
    again = fit(longer, [picture()], tmp_path / "broken", start=beginning, resume=True)
    a, b = checkpoints.load(whole).state_dict(), checkpoints.load(again).state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_recipe_names_the_network_it_begins_with():
    for name in ("johnson", "srgan", "esrgan_small"):
        recipe = recipes.RECIPES[name](4)
        state = checkpoints.load(recipe.start, 4).state_dict()
        assert state.keys() == recipe.network().state_dict().keys()
