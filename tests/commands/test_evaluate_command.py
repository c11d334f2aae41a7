"""`srlib evaluate`: the table it prints and the file it writes are those of `metrics.evaluate`."""

import json
import statistics

import pytest
import torch

from srlib import checkpoints, images, metrics
from srlib.cli import main
from srlib.data import datasets
from srlib.evaluation.perceptual import evaluate_perceptual
from srlib.models import interpolators
from srlib.self_ensemble import SelfEnsemble


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "MySet" / "HR"
    path.mkdir(parents=True)
    images.write(path / "a.png", torch.rand(3, 40, 33))
    images.write(path / "b.png", torch.rand(3, 29, 50))
    images.write(path / "c.png", torch.rand(1, 31, 29))
    return path


def test_evaluate_prints_and_writes_the_scores(tmp_path, folder, capsys):
    report = tmp_path / "scores.json"
    assert main(["evaluate", "bicubic", "--on", str(folder), "--scale", "2", "--json", str(report)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("bicubic ×2 on MySet: ")
    scores = json.loads(report.read_text())
    assert set(scores) == {"model", "set", "scale", "protocol", "psnr", "ssim", "spread", "images"}
    assert [row["name"] for row in scores["images"]] == ["a", "b", "c"]
    assert scores["psnr"] == pytest.approx(sum(row["psnr"] for row in scores["images"]) / 3)
    assert scores["spread"]["psnr"] == pytest.approx(statistics.stdev(row["psnr"] for row in scores["images"]))
    assert f"{scores['psnr']:.2f} dB" in printed and scores["protocol"] in printed
    (folder / "c.png").unlink()
    assert main(["evaluate", "bicubic", "--on", str(folder), "--scale", "2", "--colour", "rgb", "--border", "0"]) == 0
    assert "RGB, border 0, 8-bit" in capsys.readouterr().out


@pytest.mark.parametrize("model", ["edsr_small", "espcn"])
@pytest.mark.parametrize("ensemble", [False, True])
def test_a_network_from_a_file_has_the_scores_of_the_library(tmp_path, folder, trained, capsys, model, ensemble):
    path, report = trained(model, 2), tmp_path / "scores.json"
    words = ["evaluate", str(path), "--on", str(folder), "--json", str(report), *["--ensemble"] * ensemble]
    assert main(words) == 0
    assert capsys.readouterr().out.startswith(f"{model}_x2.safetensors{'+' * ensemble} ×2 on MySet: ")
    net = checkpoints.load(path)
    scores = metrics.evaluate(SelfEnsemble(net) if ensemble else net, datasets.folder(folder))
    written = json.loads(report.read_text())
    assert written["scale"] == 2
    assert (written["psnr"], written["ssim"]) == pytest.approx((scores.psnr, scores.ssim), rel=1e-6)


def test_a_shipped_network_is_evaluated_at_4_or_at_the_given_scale(folder, shipped, capsys):
    assert main(["evaluate", "edsr_small", "--on", str(folder)]) == 0
    assert main(["evaluate", "mdsr", "--on", str(folder), "--scale", "3"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("edsr_small ×4 on MySet: ") and second.startswith("mdsr ×3 on MySet: ")


def test_a_luma_network_has_no_rgb_scores(folder, trained, fails):
    assert "predicts luma only; use --colour y" in fails(
        "evaluate", trained("espcn", 2), "--on", folder, "--colour", "rgb"
    )


def test_perceptual_adds_the_distance_with_its_name(tmp_path, folder, capsys):
    report = tmp_path / "scores.json"
    words = ["evaluate", "bicubic", "--on", str(folder), "--scale", "2", "--perceptual", "--json", str(report)]
    assert main(words) == 0
    first, second = capsys.readouterr().out.splitlines()
    look = evaluate_perceptual(interpolators.bicubic(2), datasets.folder(folder))
    assert first.startswith("bicubic ×2 on MySet: PSNR ")
    assert second == (
        f"perceptual distance {look.distance:.3f} (srlib features v1), colour shift {look.colour_shift:.2f}/255"
    )
    written = json.loads(report.read_text())["perceptual"]
    assert written["distance"] == pytest.approx(look.distance) and written["protocol"] == "RGB, border 0, 8-bit"
    assert [row["name"] for row in written["images"]] == ["a", "b", "c"]
