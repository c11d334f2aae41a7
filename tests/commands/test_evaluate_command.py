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
from srlib.models.outputs import Output
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


def strict(path):
    """JSON as browsers, jq and R read it, without NaN and Infinity."""

    def refuse(word):
        raise ValueError(f"{word} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def put(folder, **pictures):
    folder.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        images.write(folder / f"{name}.png", picture)
    return folder


def test_an_identical_picture_is_counted_and_the_mean_is_over_the_others(tmp_path, capsys):
    place, report = put(tmp_path / "set", black=torch.zeros(3, 40, 33), a=torch.rand(3, 29, 50)), tmp_path / "a.json"
    words = ["evaluate", "bicubic", "--on", str(place), "--scale", "2", "--json", str(report)]
    assert main([*words, "--csv", str(tmp_path / "a.csv")]) == 0
    alone = metrics.evaluate(interpolators.bicubic(2), [("a", images.read(place / "a.png"))]).psnr
    printed = capsys.readouterr().out
    assert f"PSNR {alone:.2f} dB" in printed and "mean of 2 pictures; 1 identical, not in the mean PSNR" in printed
    scores = strict(report)
    assert scores["psnr"] == pytest.approx(alone) and scores["identical"] == 1
    assert [row["psnr"] is None for row in scores["images"]] == [False, True]
    header, row = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert header == "model,scale,set,protocol,pictures,identical,psnr,ssim"
    assert row.startswith('bicubic,2,set,"Y (BT.601 studio), border 2, 8-bit",2,1,')
    (place / "a.png").unlink()
    assert main(words) == 0
    assert "PSNR infinite, SSIM 1.0000" in capsys.readouterr().out and strict(report)["psnr"] is None


def test_what_cannot_be_scored_is_named_and_costs_its_own_row(tmp_path, capsys):
    place = put(tmp_path / "set", a=torch.rand(3, 29, 50), icon=torch.rand(3, 16, 16), dot=torch.rand(3, 1, 2))
    (place / "broken.png").write_text("no picture")
    report = tmp_path / "a.json"
    words = ["evaluate", "bicubic", "nearest", "--on", str(place), "--perceptual", "--json", str(report)]
    assert main(words) == 2
    out, error = capsys.readouterr()
    assert [[row["name"] for row in scores["images"]] for scores in strict(report)] == [["a"], ["a"]]
    lines = sorted(error.splitlines())
    assert len(lines) == len(set(lines)) and "bicubic" in out and "nearest" in out
    for said in (
        "icon: 16 x 16 pixels; a border of 4",
        "need 19 x 19; a smaller --border",
        "broken.png",
        "left out: dot",
    ):
        assert said in error
    (place / "a.png").unlink()
    assert main(words[:2] + words[3:5]) == 2
    out, error = capsys.readouterr()
    assert out == "" and "bicubic: evaluate got no pictures" in error


def test_two_pictures_of_one_stem_can_be_told_apart(tmp_path, capsys):
    place = put(tmp_path / "set", x=torch.rand(3, 29, 50))
    images.write(place / "x.jpg", torch.rand(3, 29, 50))
    images.write(place / "y.jpg", torch.rand(3, 29, 50))
    put(place / "more", x=torch.rand(3, 29, 50))
    words = ["evaluate", "bicubic", "--on", str(place), "--json", str(tmp_path / "a.json")]
    assert main(words) == 0
    assert [row["name"] for row in strict(tmp_path / "a.json")["images"]] == ["x.jpg", "x.png", "y"]
    assert "left out: 1 picture in subfolder more" in capsys.readouterr().err
    assert main([*words, "--recursive"]) == 0
    assert [row["name"] for row in strict(tmp_path / "a.json")["images"]] == ["more/x", "x.jpg", "x.png", "y"]
    assert capsys.readouterr().err == ""
    assert main(["evaluate", "bicubic", "--on", str(place / "x.jpg")]) == 0  # one picture is a set, too
    assert "on x.jpg: " in capsys.readouterr().out


def test_a_network_that_gives_no_numbers_is_named_and_the_others_are_scored(tmp_path, folder, capsys):
    net = checkpoints.build("espcn", 3)
    with torch.no_grad():
        list(net.parameters())[-1][0] = float("inf")
    bad = checkpoints.save(net, tmp_path / "bad_x3.safetensors", {"model": "espcn", "scale": 3})
    assert main(["evaluate", str(bad), "--on", str(folder)]) == 2
    out, error = capsys.readouterr()
    assert out == "" and "bad_x3.safetensors: gives NaN or infinity" in error and "(a: sr has" in error
    assert main(["evaluate", "bicubic", str(bad), "--on", str(folder), "--scale", "3"]) == 2
    out, error = capsys.readouterr()
    assert out.startswith("bicubic ×3 on MySet: PSNR ") and "bad_x3.safetensors: gives" in error


def test_several_models_are_one_table(tmp_path, folder, trained, capsys):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    models = ["bicubic", str(trained("espcn", 2, one)), str(trained("espcn", 2, two))]
    words = ["evaluate", *models, "--on", str(folder), "--scale", "2"]
    assert main([*words, "--csv", str(tmp_path / "a.csv"), "--json", str(tmp_path / "a.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["model", "scale", "PSNR", "dB", "SSIM", "pictures"]
    assert [line.split()[0] for line in lines[1:4]] == models  # files of one name are told apart by their folders
    assert lines[4] == "on MySet: Y (BT.601 studio), border 2, 8-bit"
    rows = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    reports = strict(tmp_path / "a.json")
    assert len(rows) == 4 and [report["model"] for report in reports] == models
    scores = metrics.evaluate(interpolators.bicubic(2), datasets.folder(folder))
    assert rows[1].endswith(f",3,0,{scores.psnr:.4f},{scores.ssim:.4f}") and reports[0]["psnr"] == scores.psnr
    assert main([*words, "--csv", "-"]) == 0
    out, error = capsys.readouterr()
    assert out.splitlines() == rows and "PSNR dB" in error


def test_smaller_answers_are_scored_at_their_own_scales(folder, trained, capsys):
    path = trained("lapsrn", 4)
    assert main(["evaluate", str(path), "--on", str(folder), "--outputs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == [path.name, path.name]
    assert "(of ×4)" in lines[1] and "(of ×4)" not in lines[2]
    with torch.no_grad():
        scores = metrics.evaluate(Output(checkpoints.load(path), 2), datasets.folder(folder))
    assert f"{scores.psnr:.2f}" in lines[1]
    assert main(["evaluate", "bicubic", "--on", str(folder), "--outputs"]) == 0
    assert capsys.readouterr().out.startswith("bicubic ×4 on MySet")


@pytest.fixture
def enlarged(tmp_path, folder):
    """Results of nearest ×2 on the folder, as `srlib upscale` writes them, and the options that compare them."""
    small, results = tmp_path / "small", tmp_path / "results"
    small.mkdir()
    for name, hr in datasets.folder(folder):
        hr = hr[..., : hr.shape[-2] // 2 * 2, : hr.shape[-1] // 2 * 2]
        images.write(small / f"{name}.png", interpolators.bicubic(0.5)(hr))
    assert main(["upscale", str(small), str(results), "--model", "nearest", "--scale", "2", "--suffix", "_x2"]) == 0
    return results, ["evaluate", "--results", str(results), "--on", str(folder), "--scale", "2", "--suffix", "_x2"]


def test_a_folder_of_results_is_scored_as_the_model_that_made_it(tmp_path, folder, enlarged, capsys):
    results, words = enlarged
    assert main([*words, "--colour", "rgb", "--json", str(tmp_path / "a.json"), "--perceptual"]) == 0
    assert capsys.readouterr().out.startswith("results ×2 on MySet: PSNR ")

    class Nearest(torch.nn.Module):  # for RGB: sees the rounded picture, as in a file
        scale, channels = 2, 3
        forward = staticmethod(interpolators.nearest(2))

    expected = metrics.evaluate(Nearest(), datasets.folder(folder), metrics.Protocol("rgb"))
    scores = strict(tmp_path / "a.json")
    assert [row["name"] for row in scores["images"]] == ["a", "b", "c"]
    assert (scores["psnr"], scores["ssim"]) == pytest.approx((expected.psnr, expected.ssim), abs=1e-4)
    assert scores["perceptual"]["distance"] > 0
    for original in folder.iterdir():  # an original compared with itself, under another format's name
        original.rename(original.with_suffix(".bmp"))
    assert main(["evaluate", "--results", str(folder), str(results), "--on", str(folder), "--scale", "2"]) == 2


def test_pairs_that_do_not_fit(tmp_path, folder, enlarged, capsys, fails):
    results, words = enlarged
    capsys.readouterr()
    assert f"is called like one in {folder}; a_x2.png would be it with --suffix=_x2" in fails(*words[:-2])
    for place in (folder / "d.png", results / "d_x2.png"):
        images.write(place, torch.rand(3, 30, 26))
    without = words[:5] + words[7:]  # no --scale: sizes must be equal
    assert main(without) == 2
    out, error = capsys.readouterr()
    assert out.startswith("results ×4 on MySet") and "mean of 1 picture)" in out
    assert "a: the result has 32 x 40 pixels, the original 33 x 40; give --scale 2" in error
    images.write(results / "b_x2.png", torch.rand(3, 7, 9))
    (results / "c_x2.png").rename(results / "e_x2.png")
    assert main(words) == 2
    out, error = capsys.readouterr()
    assert "b: the result has 9 x 7 pixels, the original 50 x 29; make both of one size" in error
    assert f"c: no result in {results}" in error and "1 of 4 results belong to no original" in error
    assert "mean of 2 pictures)" in out


@pytest.mark.parametrize(
    "words, message",
    [
        (["bicubic", "--results", "HERE"], "either models or --results"),
        ([], "either models or --results"),
        (["bicubic", "--suffix", "_x2"], "--suffix is for the names of --results"),
        (["--results", "HERE", "--ensemble"], "--ensemble is for models"),
        (["--results", "HERE", "--scale", "1.5"], "whole --scale"),
        (["--results", "nowhere"], "nowhere: no such folder"),
        (["bicubic", "--csv", "nowhere/x.csv"], "existing folder"),
        (["bicubic", "--csv", ""], "an empty name: scores must go to a file"),
        (["bicubic", "--on", "photos/typo"], "photos/typo: no such file or folder"),
        (["bicubic", "--on", "typo.png"], "typo.png: no such file or folder"),
        (["bicubic", "--on", ""], "--on is empty"),
        (["--results", "HERE", "--on", "FILE"], "a.png: is a file, not a folder"),
        (["bicubic", "edrs"], "no model 'edrs'"),
    ],
)
def test_wrong_words(folder, fails, words, message):
    places = {"HERE": folder, "FILE": folder / "a.png"}
    assert message in fails("evaluate", "--on", folder, *[places.get(word, word) for word in words])
