"""`srlib models`: one aligned line for each model and scale."""

from dataclasses import replace

from srlib import checkpoints
from srlib.cli import main
from srlib.models.catalogue import CATALOGUE, Colours


def test_models_lists_interpolators_without_any_network(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(checkpoints, "data_folder", lambda: tmp_path)
    assert main(["models"]) == 0
    head, *lines, note = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["model", "scale", "parameters", "Set5"]
    assert [line.split()[:2] for line in lines[:3]] == [["nearest", "×2"], ["nearest", "×3"], ["nearest", "×4"]]
    assert any(line.split()[:4] == ["bicubic", "×4", "0", "28.42"] for line in lines) and len(lines) == 12
    assert "Y (BT.601 studio)" in note


def test_models_lists_every_network_and_scale(shipped, capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.partition("PSNR under")[0].splitlines()
    assert len({len(line) for line in lines}) == 1
    cells = {tuple(line.split()[:2]): line.split()[2:] for line in lines}
    assert cells["edsr_small", "×4"][:2] == ["171,984", "31.42"] and cells["edsr_small", "×4"][-2:] == ["40,000", "1.5"]
    assert cells["edsr_small", "×2"][0] == "161,580" and cells["edsr_small", "×2"][-2:] == ["–", "–"]
    assert cells["espcn", "×3"][-2:] == ["60,000", "0.3"]
    assert {scale for model, scale in cells if model == "mdsr"} == {"×2", "×3", "×4"}


def test_a_network_that_tints_is_said_to(shipped, capsys, monkeypatch):
    for name, entry in CATALOGUE.items():
        monkeypatch.setitem(CATALOGUE, name, replace(entry, tint=Colours(21, 9.5, 3) if name == "mdsr" else None))
    assert main(["models"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "mdsr tints: flat colours by up to 21/255, white and black by up to 3; in a grey picture, the channels differ "
        "by up to 9.5."
    )


def test_a_shipped_network_without_its_card_is_named(shipped, fails):
    (shipped / "espcn_x3.json").unlink()
    assert "espcn_x3.json is missing" in fails("models")
