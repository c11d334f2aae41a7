"""`srlib convert`: a file of others becomes a checkpoint that every command takes; what is wrong is one line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from srlib import checkpoints, images
from srlib.cli import main
from srlib.inference import upscale
from srlib.models.fcn import espcn
from srlib.recipes.table import RECIPES
from srlib.training.recipe import describe
from srlib.training.start_size import sized_as
from srlib.training.warm_start import warm_start
from tests.models import others

KINDS = {
    "rrdb": (lambda: others.rrdb(), "rrdbnet", 4, []),
    "rrdb folded": (lambda: others.rrdb(fold=2), "rrdbnet", 2, []),
    "edsr": (lambda: others.edsr(3), "edsr", 3, []),
    "compact": (lambda: others.compact(2), "compact", 2, []),
    "compact relu": (lambda: others.compact(4, activation="relu"), "compact", 4, ["--activation", "relu"]),
    "srresnet": (lambda: others.srresnet(1), "srresnet", 2, []),
}


@pytest.mark.parametrize("kind", KINDS)
def test_upscale_takes_what_was_converted(tmp_path, picture, capsys, kind):
    make, model, scale, words = KINDS[kind]
    state, run = make()
    torch.save({"params_ema": state}, tmp_path / "theirs.pth")
    path = tmp_path / "ours.safetensors"
    assert main(["convert", str(tmp_path / "theirs.pth"), str(path), *words]) == 0
    out, error = capsys.readouterr()
    assert out.startswith(f"{path}: {model} ×{scale}, ") and out.count("\n") == 1 and not error
    assert main(["upscale", str(picture), str(tmp_path / "out.png"), "--model", str(path)]) == 0
    with torch.no_grad():
        lr = images.read(picture)
        height, width = lr.shape[-2:]
        fold = torch.nn.functional.pad(lr, (0, width % 2, 0, height % 2), mode="replicate")
        expected = images.to_uint8(run(fold)[..., : scale * height, : scale * width])[0].permute(1, 2, 0).numpy()
    found = np.asarray(Image.open(tmp_path / "out.png"))
    inside = slice(None), slice(None)
    if kind != "rrdb folded":  # others see the row that was added
        expected = images.to_uint8(run(lr))[0].permute(1, 2, 0).detach().numpy()
    assert np.abs(found[inside].astype(int) - expected[inside]).max() <= 1


def test_mdsr_keeps_its_scales(tmp_path):
    state, run = others.mdsr()
    torch.save(state, tmp_path / "theirs.pt")
    path = tmp_path / "ours.safetensors"
    assert main(["convert", str(tmp_path / "theirs.pt"), str(path)]) == 0
    lr = torch.rand(1, 3, 9, 7)
    for scale in (2, 3, 4):
        with torch.no_grad():
            torch.testing.assert_close(checkpoints.load(path, scale)(lr), run(lr, scale), atol=2e-5, rtol=1e-4)


def test_the_card_says_whose_it_is(tmp_path):
    state, _ = others.rrdb()
    save_file(state, tmp_path / "theirs.safetensors")
    words = ["--name", "Mini", "--source", "A. Body, https://example.org", "--licence", "CC BY 4.0"]
    assert main(["convert", str(tmp_path / "theirs.safetensors"), str(tmp_path), *words]) == 2  # itself
    (tmp_path / "made").mkdir()
    assert main(["convert", str(tmp_path / "theirs.safetensors"), str(tmp_path / "made"), *words]) == 0
    card = json.loads((tmp_path / "made" / "theirs.json").read_text(encoding="utf-8"))
    assert (card["name"], card["source"], card["licence"]) == ("Mini", "A. Body, https://example.org", "CC BY 4.0")
    assert card["network"] == {"blocks": 2, "width": 8, "growth": 4, "fold": 1}
    assert card["converted_from"]["file"] == "theirs.safetensors" and len(card["converted_from"]["sha256"]) == 64
    assert card["precision"] == "float32" and card["parameters"] == sum(value.numel() for value in state.values())


def test_16_bits_stay_16_bits(tmp_path):
    state, _ = others.compact()
    torch.save({name: value.half() for name, value in state.items()}, tmp_path / "half.pth")
    torch.save(state, tmp_path / "full.pth")
    for name, words, precision in (("half", [], "float16"), ("full", [], "float32"), ("full", ["--half"], "float16")):
        path = tmp_path / "out.safetensors"
        assert main(["convert", str(tmp_path / f"{name}.pth"), str(path), *words]) == 0
        assert checkpoints.read_card(path)["precision"] == precision
        assert torch.equal(checkpoints.load(path).body[0].weight, state["body.0.weight"].half().float()) == (
            precision == "float16"
        )


def test_a_converted_network_has_its_own_sizes_in_the_library(tmp_path):
    state, run = others.rrdb(blocks=1, width=12, growth=5, stages=1)
    torch.save(state, tmp_path / "theirs.pth")
    main(["convert", str(tmp_path / "theirs.pth"), str(tmp_path / "ours.safetensors")])
    lr = torch.rand(1, 3, 40, 33)
    with torch.no_grad():
        torch.testing.assert_close(
            upscale(checkpoints.load(tmp_path / "ours.safetensors"), lr, tile=20), run(lr), atol=1e-4, rtol=0
        )


def test_training_goes_on_in_the_size_of_what_it_begins_with(tmp_path):
    torch.save(others.compact(4, width=8, convolutions=3)[0], tmp_path / "theirs.pth")
    path = tmp_path / "ours.safetensors"
    main(["convert", str(tmp_path / "theirs.pth"), str(path)])
    recipe = RECIPES["compact"](4)
    make = sized_as(recipe.nets["g"], path)
    net = make()
    assert net.settings == {"width": 8, "convolutions": 3, "channels": 3} and warm_start(net, path)[1] == []
    assert "convolutions: 3" in describe(make)
    assert sized_as(RECIPES["edsr_small"](4).nets["g"], path)().settings["blocks"] == 8  # of another model


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_what_is_wrong_is_one_line_and_nothing_is_written(tmp_path, fails, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state, _ = others.rrdb()
    torch.save(state, "good.pth")
    torch.save(espcn(2).state_dict(), "espcn.pth")
    torch.save(nn.Conv2d(3, 3, 1), "whole.pt")
    torch.save(state | {"conv_hr.weight": torch.zeros(8, 8, 1, 1)}, "odd.pth")
    torch.save({"params": state, "run": Trap(tmp_path / "ran")}, "trap.pth")
    (tmp_path / "text.pth").write_text("no weights")
    torch.save(others.compact(activation="relu")[0], "relu.pth")
    before = sorted(tmp_path.iterdir())
    for words, message in (
        (["missing.pth", "o.safetensors"], "missing.pth: no such file"),
        (["good.pth", "o.pth"], "o.pth: a checkpoint must end in .safetensors"),
        (["good.pth"], "required: OUT"),
        (["espcn.pth", "o.safetensors"], "espcn.pth: its weights (head.weight, head.bias, body.weight, …) are of none"),
        (["whole.pt", "o.safetensors"], "whole.pt: holds more than tensors (torch.nn.modules.conv.Conv2d)"),
        (["odd.pth", "o.safetensors"], "odd.pth: conv_hr.weight has the shape (8, 8, 1, 1), where (8, 8, 3, 3) fits"),
        (["trap.pth", "o.safetensors"], "trap.pth: holds more than tensors"),
        (["text.pth", "o.safetensors"], "neither a safetensors file nor one that torch.save wrote"),
        (["relu.pth", "o.safetensors"], "relu or leakyrelu"),
        (["good.pth", "o.safetensors", "--scale", "3"], "it enlarges by 4, not by 3"),
        (["good.pth", "o.safetensors", "--residual-scale", "0.1"], "no factor on its residuals"),
    ):
        assert message in fails("convert", *words)
        assert sorted(tmp_path.iterdir()) == before


def test_every_command_names_the_way_in(tmp_path, picture, fails, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state, _ = others.rrdb()
    torch.save({"params": state}, "theirs.pth")
    save_file(state, "bare.safetensors")
    torch.save(state, "renamed.safetensors")
    (tmp_path / "renamed.json").write_text('{"model": "rrdbnet", "scale": 4, "sha256": ""}')
    for name in ("theirs.pth", "bare.safetensors", "renamed.safetensors"):
        for words in (["upscale", picture, "o.png", "--model", name], ["export", name, "o.onnx"],
                      ["train", "edsr_small", "--start", name, "--out", "run"]):  # fmt: skip
            assert f"srlib convert {name} " in fails(*words), words
    assert not list(tmp_path.glob("o.*")) and not (tmp_path / "run").exists()
