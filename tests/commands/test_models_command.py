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


def test_a_video_network_has_a_table_of_its_own_with_frames_and_copies(shipped, trained, capsys):
    row = {"psnr": 27.911, "ssim": 0.8}
    scores = {"4": {"Set14 in motion": row, "Vid4, BI, all frames": row | {"psnr": 25.7}}}
    copies = {"4": {"Set14 in motion": row | {"psnr": 27.35}}}
    trained("edvr_small", 4, shipped, steps=4000, seconds=1000, scores=scores, copies=copies)
    assert main(["models"]) == 0
    pictures, _, clips = capsys.readouterr().out.partition("PSNR under")
    assert "edvr" not in pictures
    lines = [" ".join(line.split()) for line in clips.splitlines()]
    assert lines[2:4] == ["video network scale frames parameters steps hours", "edvr_small ×4 5 237,456 4,000 0.3"]
    assert lines[4:7] == [
        "PSNR of clips dB copies dB",
        "edvr_small ×4: Set14 in motion 27.91 27.35",
        "edvr_small ×4: Vid4, BI, all frames 25.70 –",
    ]


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
