"""`srlib evaluate` on clips: which folders are some, the protocol in words, means over clips, flicker, wrong words."""

import csv
import json

import pytest
import torch

from srlib import checkpoints, images, metrics
from srlib.cli import main
from srlib.commands.evaluate_clips import span
from srlib.data import clip_folders, datasets
from srlib.evaluation.clip_degradations import blurred_down
from srlib.evaluation.clips import ClipProtocol, evaluate_clip
from srlib.models.edvr_small import GrownEDSR
from srlib.models.interpolators import bicubic
from srlib.resample import resize
from srlib.self_ensemble import SelfEnsemble

BI = "BI, Y (BT.601 studio), border 0, 8-bit, all frames, ends new"
FOUR = ("calendar", "city", "foliage", "walk")


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """A set of two clips, of 4 and 6 frames, in $SRLIB_DATA."""
    rng = torch.Generator().manual_seed(0)
    for name, count in (("rain", 4), ("sun", 6)):
        still = resize(torch.rand(1, 3, 8, 11, generator=rng), 6).clamp(0, 1)
        (tmp_path / "data" / "Mine" / name).mkdir(parents=True)
        for k in range(count):
            images.write(tmp_path / "data" / "Mine" / name / f"{k + 8}.png", still[..., k : 41 + k, :52])
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "Mine"


@pytest.fixture
def video(tmp_path):
    torch.manual_seed(0)
    net = GrownEDSR(scale=2, blocks=1, width=8, inner=4, tail="light").eval()
    torch.nn.init.normal_(net.fuse.weight, 0, 0.05)
    return checkpoints.save(net, tmp_path / "edvr_small_x2.safetensors", {"model": "edvr_small", "scale": 2})


def evaluated(tmp_path, *words, status=0):
    """The report as JSON."""
    assert main(["evaluate", *map(str, words), "--json", str(tmp_path / "report.json")]) == status
    return json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))


def frames(folder):
    return clip_folders.frames_of(folder)


def test_a_set_of_clips_has_a_row_per_clip_and_the_mean_over_them(clips, tmp_path, capsys):
    found = evaluated(tmp_path, "bicubic", "--on", "Mine", "--scale", 2)
    out = capsys.readouterr().out.splitlines()
    assert found.keys() == {"model", "set", "scale", "protocol", "psnr", "ssim", "spread", "clips"}
    assert found["set"] == "Mine" and found["protocol"] == BI
    assert [(row["name"], len(row["frames"])) for row in found["clips"]] == [("rain", 4), ("sun", 6)]
    for row in found["clips"]:
        assert row["psnr"] == pytest.approx(evaluate_clip(bicubic(2), frames(clips / row["name"])).psnr, rel=1e-9)
    assert found["psnr"] == pytest.approx(sum(row["psnr"] for row in found["clips"]) / 2)
    assert (
        out[0] == f"bicubic ×2 on Mine: PSNR {found['psnr']:.2f} dB, SSIM {found['ssim']:.4f} ({BI}; mean of 2 clips)"
    )
    assert [line.split()[0] for line in out[1:]] == ["rain", "sun"]
    assert evaluated(tmp_path, "bicubic", "--on", clips, "--scale", 2) == found


@pytest.mark.parametrize(
    ("words", "protocol", "told"),
    [
        (["--border", "3"], {"pictures": metrics.Protocol("y", 3)}, BI.replace("border 0", "border 3")),
        (["--colour", "rgb"], {"pictures": metrics.Protocol("rgb", 0)}, BI.replace("Y (BT.601 studio)", "RGB")),
        (["--frames", "1:3"], {"first": 1, "last": 3}, BI.replace("all frames", "frames 1 to 2")),
        (["--frames", "2:"], {"first": 2}, BI.replace("all frames", "frames 2 to the end")),
        (["--ends", "reflect"], {"padding": "reflect"}, BI.replace("ends new", "ends reflect")),
        (["--ends", "repeat"], {"padding": "repeat"}, BI.replace("ends new", "ends repeat")),
        (["--degradation", "BD"], {"degrade": lambda hr: blurred_down(hr, 2), "name": "BD"}, BI.replace("BI", "BD")),
    ],
)
def test_the_protocol_is_what_the_words_say_and_stands_in_the_report(clips, video, tmp_path, words, protocol, told):
    found = evaluated(tmp_path, video, "--on", "Mine", *words)
    net = checkpoints.load(video)
    protocol = ClipProtocol(**({"pictures": metrics.Protocol("y", 0)} | protocol))
    expected = [evaluate_clip(net, frames(clips / name), protocol).psnr for name in ("rain", "sun")]
    assert [row["psnr"] for row in found["clips"]] == pytest.approx(expected, rel=1e-6) and found["protocol"] == told


def test_bd_is_misplaced_and_moved_back_it_is_not(clips, tmp_path):
    naive, back, bi = (
        evaluated(tmp_path, "bicubic", "--on", "Mine", "--degradation", name)["psnr"]
        for name in ("BD", "BD-aligned", "BI")
    )
    assert naive < back - 1 and back < bi


def test_a_folder_of_frames_is_a_clip_for_a_network_of_clips_or_with_a_word_for_clips(clips, video, tmp_path, capsys):
    sun = clips / "sun"
    one = evaluated(tmp_path, video, "--on", sun)
    assert (one["set"], one["protocol"], len(one["clips"])) == ("sun", BI, 1)
    both = evaluated(tmp_path, "bicubic", video, "--on", "sun", "--scale", 2)
    assert [report["protocol"] for report in both] == [BI, BI] and both[1]["psnr"] == one["psnr"]
    assert "images" in evaluated(tmp_path, "bicubic", "--on", sun)
    assert "clips" in evaluated(tmp_path, "bicubic", "--on", sun, "--frames", "0:")
    capsys.readouterr()
    assert "images" in evaluated(tmp_path, "bicubic", "--on", clips, "--recursive")


def test_several_upscalers_are_one_table_and_the_ensemble_takes_clips(clips, video, trained, tmp_path, capsys):
    models = ["bicubic", video, trained("espcn", 2)]
    assert main(["evaluate", *map(str, models), "--on", "Mine", "--scale", "2", "--ensemble", "--csv", "-"]) == 0
    out, table = capsys.readouterr()
    assert table.splitlines()[0].split() == ["model", "scale", "PSNR", "dB", "SSIM", "clips"]
    rows = list(csv.DictReader(out.splitlines()))
    assert [row["model"] for row in rows] == ["bicubic+", "edvr_small_x2.safetensors+", "espcn_x2.safetensors+"]
    net = SelfEnsemble(checkpoints.load(video))
    expected = sum(evaluate_clip(net, frames(clips / name)).psnr for name in ("rain", "sun")) / 2
    assert float(rows[1]["psnr"]) == pytest.approx(expected, abs=1e-4) and rows[1]["clips"] == "2"


def test_flicker_stands_beside_that_of_hr(clips, video, tmp_path, capsys):
    found = evaluated(tmp_path, "nearest", video, "--on", "Mine", "--scale", 2, "--flicker")
    assert "warping error of hr itself: " in capsys.readouterr().out
    seen = [report["flicker"] for report in found]
    assert seen[0]["measure"] == "warping error" and [row["name"] for row in seen[0]["clips"]] == ["rain", "sun"]
    assert seen[0]["warping_error"] > seen[0]["hr"] > 0 and seen[0]["hr"] == pytest.approx(seen[1]["hr"], abs=0.05)
    still = tmp_path / "data" / "Still" / "a"
    still.mkdir(parents=True)
    for k in range(3):
        images.write(still / f"{k}.png", frames(clips / "sun")[0])
    alone = evaluated(tmp_path, "bicubic", "--on", "Still", "--scale", 2, "--flicker")["flicker"]
    assert alone["warping_error"] == alone["hr"] == 0


def test_what_cannot_be_scored_is_named_and_costs_its_own_row(clips, video, tmp_path, capsys):
    images.write(clips / "sun" / "99.png", torch.rand(3, 20, 30))
    found = evaluated(tmp_path, "bicubic", video, "--on", "Mine", "--scale", 2, status=2)
    error = capsys.readouterr().err
    assert [[row["name"] for row in report["clips"]] for report in found] == [["rain"]] * 2
    assert error.count("\n") == 1 and "8.png is 52 x 41 pixels, in colour and 99.png 30 x 20" in error
    (clips / "sun" / "99.png").unlink()
    found = evaluated(tmp_path, "bicubic", "--on", "Mine", "--scale", 2, "--frames", "4:", status=2)
    assert "bicubic: rain: frames 4 to the end are none of a clip of 4" in capsys.readouterr().err
    assert [row["name"] for row in found["clips"]] == ["sun"]


def test_a_network_that_gives_no_numbers_is_named(clips, video, tmp_path, capsys):
    net = checkpoints.load(video)
    with torch.no_grad():
        net.fuse.bias[0] = float("inf")
    bad = checkpoints.save(net, tmp_path / "bad_x2.safetensors", {"model": "edvr_small", "scale": 2})
    assert main(["evaluate", "bicubic", str(bad), "--on", str(clips), "--scale", "2"]) == 2
    out, error = capsys.readouterr()
    assert out.startswith("bicubic ×2 on Mine: PSNR ") and "bad_x2.safetensors: sun: gives NaN or infinity" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bicubic", "--on", "Mine", "--frames", "3"], "'3' is no range of frames such as 3:9"),
        (["bicubic", "--on", "Mine", "--frames", "5:5"], "'5:5' is no range of frames such as 3:9"),
        (["bicubic", "--on", "Mine", "--frames", "a:b"], "is no range of frames"),
        (["bicubic", "--on", "Mine", "--degradation", "DB"], "invalid choice: 'DB'"),
        (["bicubic", "--on", "Mine", "--ends", "circle"], "invalid choice: 'circle'"),
        (["bicubic", "--on", "Mine", "--perceptual"], "--perceptual is for pictures; on clips there is --flicker"),
        (
            ["bicubic", "--on", "Mine", "--recursive", "--ends", "new"],
            "--recursive is for pictures, and --ends is for clips",
        ),
        (["bicubic", "--on", "Mine", "--degradation", "BD", "--scale", "1.5"], "BD needs a whole --scale, got 1.5"),
        (["bicubic", "--on", "Mine", "--flicker", "--frames", "1:2"], "--frames names a single one"),
        (["bicubic", "--on", "FILE", "--flicker"], "--flicker is for clips, and here are pictures: "),
        (["bicubic", "--on", "sun", "--frames", "40:"], "sun: frames 40 to the end are none of a clip of 6"),
        (["bicubic", "--on", "nowhere"], "the set nowhere is not on this machine"),
        (["bicubic", "--on", "empty"], "the set empty is not on this machine"),
        (["VIDEO", "--on", "nowhere"], "the set nowhere is not on this machine"),
        (["VIDEO", "--on", "FILE"], "edvr_small_x2.safetensors takes clips of 5 frames, and here are pictures: "),
        (["VIDEO", "--on", "Mine", "--scale", "4"], "was trained for ×2, not ×4"),
        (["--results", "HERE", "--on", "Mine", "--frames", "1:3"], "--frames is for models, not for --results"),
        (["--results", "HERE", "--on", "Mine"], "no pictures in this folder, but 10 pictures in subfolders rain, sun"),
    ],
)
def test_wrong_words(clips, video, fails, words, message):
    (clips.parent / "empty").mkdir()
    places = {"HERE": clips, "FILE": clips / "sun" / "8.png", "VIDEO": video}
    assert message in fails("evaluate", *[places.get(word, word) for word in words])


@pytest.mark.parametrize("text, found", [("3:9", (3, 9)), ("3:", (3, None)), (":9", (0, 9)), (":", (0, None))])
def test_a_range_of_frames(text, found):
    assert span(text) == found


@pytest.fixture(scope="module")
def vid4():
    place = clip_folders.find_in(datasets.search_path(), "Vid4")
    if place is None or tuple(clip_folders.clips_in(place)) != FOUR:
        pytest.skip("Vid4 is not in $SRLIB_DATA")


@pytest.mark.parametrize(
    ("words", "mean", "each"),
    [
        ([], 23.784, (20.241, 25.307, 23.498, 26.088)),
        (["--degradation", "BD", "--frames", "4:8"], 21.81, None),
        (["--degradation", "BD-aligned", "--frames", "4:8"], 23.375, None),
    ],
    ids=["BI", "BD", "BD-aligned"],
)
def test_bicubic_on_vid4_is_what_others_measured(vid4, tmp_path, words, mean, each):
    found = evaluated(tmp_path, "bicubic", "--on", "Vid4", *words)
    assert found["psnr"] == pytest.approx(mean, abs=0.02)
    if each:
        assert [row["psnr"] for row in found["clips"]] == pytest.approx(each, abs=0.01)
