"""`srlib train`: what it prints, leaves out, refuses, and leaves behind."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from srlib import checkpoints, images
from srlib.cli import main
from srlib.commands import train
from srlib.commands.progress import Bar
from srlib.metrics import PAPER


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A folder of pictures, and no benchmark sets on this machine."""
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path / "cache")
    rng = np.random.default_rng(0)
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(rng.integers(0, 256, (120, 107, 3), dtype=np.uint8)).save(folder / "good.png")
    Image.fromarray(rng.integers(0, 256, (130, 100), dtype=np.uint8)).save(folder / "grey.png")
    return folder


def options(pictures, tmp_path, *more):
    return [
        "train",
        "espcn",
        "--scale",
        "4",
        "--steps",
        "4",
        "--data",
        str(pictures),
        "--out",
        str(tmp_path / "run"),
        *more,
    ]


def test_a_run_leaves_a_checkpoint_that_upscales(pictures, tmp_path, capsys):
    assert main(options(pictures, tmp_path)) == 0
    out, err = capsys.readouterr()
    assert "pictures: 2 pictures" in out and "evaluation photographs" in out and "espcn_x4.safetensors" in out
    assert "dB" in out
    card = checkpoints.read_card(tmp_path / "run" / "espcn_x4.safetensors")
    assert card["steps"] == 4 and list(card["scores"]["4"]) == ["evaluation photographs"]
    small = tmp_path / "small.png"
    Image.new("RGB", (9, 7), (200, 100, 50)).save(small)
    assert (
        main(
            [
                "upscale",
                str(small),
                str(tmp_path / "large.png"),
                "--model",
                str(tmp_path / "run" / "espcn_x4.safetensors"),
            ]
        )
        == 0
    )
    with Image.open(tmp_path / "large.png") as large:
        assert large.size == (36, 28)


def test_each_picture_that_cannot_be_used_is_named_and_the_rest_is_used(pictures, tmp_path, capsys, bad_files):
    for file in bad_files:
        if file.is_file() and "bomb" not in file.name:
            (pictures / file.name).write_bytes(file.read_bytes())
    Image.new("RGB", (95, 300)).save(pictures / "tiny.png")
    assert main(options(pictures, tmp_path)) == 0
    out, err = capsys.readouterr()
    assert "2 pictures" in out
    for name in ("empty.png", "text.jpg", "truncated.png", "truncated.jpg", "float.tif"):
        assert f"/{name}" in err.replace("\\", "/"), name
    assert "tiny.png: 95 x 300 pixels, smaller than a patch of 96 x 96" in err
    assert all(line.startswith("left out: ") for line in err.splitlines() if line)


def test_no_usable_picture_is_an_error(pictures, tmp_path, capsys):
    for file in pictures.iterdir():
        file.write_bytes(b"no picture")
    assert main(options(pictures, tmp_path)) == 2
    assert "no usable picture of at least 96 x 96 pixels in" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_and_its_folder_is_safe(pictures, tmp_path, capsys):
    assert main(options(pictures, tmp_path)) == 0
    assert main(options(pictures, tmp_path)) == 2
    assert "holds a run already; give --resume" in capsys.readouterr().err
    assert main(options(pictures, tmp_path, "--resume")) == 0
    longer = [*options(pictures, tmp_path, "--resume")]
    longer[longer.index("4", 4)] = "6"
    assert main(longer) == 0
    assert checkpoints.read_card(tmp_path / "run" / "espcn_x4.safetensors")["steps"] == 6
    assert main(options(pictures, tmp_path, "--resume", "--seed", "1")) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "esrgan"], "no recipe 'esrgan'; there are srcnn, fsrcnn"),
        (["train", "edsr_small", "--scale", "5"], "scale must be one of 2, 3, 4, 8, got 5"),
        (["train", "espcn", "--data", "Set99"], "the set Set99 is not on this machine"),
        (
            ["train", "espcn", "--start", "missing.safetensors", "--data", "packaged"],
            "missing.safetensors: no such file",
        ),
        (["train", "espcn", "--learning-rate", "0"], "'0' is not a number above 0"),
        (["train", "espcn", "--steps", "0"], "'0' is not a positive integer"),
        (["train", "espcn", "--device", "tpu9"], "device 'tpu9' is not available"),
    ],
)
def test_wrong_words_are_one_line_and_status_2(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    try:
        status = main(words)
    except SystemExit as stop:
        status = stop.code
    err = capsys.readouterr().err
    assert status == 2 and message in err
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if not line.startswith(("not on this machine", "left out"))]
    assert len(lines) == 1
    assert not (tmp_path / "runs").exists()


def test_a_damaged_start_is_one_line_before_anything_is_read(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path))
    content = bytearray(checkpoints.locate("espcn", 4).read_bytes())
    content[-100] ^= 1
    (tmp_path / "flipped.safetensors").write_bytes(content)
    shutil.copy(checkpoints.locate("espcn", 4).with_suffix(".json"), tmp_path / "flipped.json")
    words = ["train", "espcn", "--start", str(tmp_path / "flipped.safetensors"), "--out", str(tmp_path / "run")]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.endswith("damaged, or not the file its card describes (sha256 differs)\n") and err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_run_out_of_time_leaves_a_checkpoint_and_goes_on(pictures, tmp_path, capsys):
    words = [*options(pictures, tmp_path, "--batch", "2"), "--minutes"]
    for done in (1, 2):  # a millisecond is over after a step
        assert main([*words, "0.00002", "--resume"]) == 0
        assert "stopped after 2e-05 minutes; to go on, give the same words and --resume" in capsys.readouterr().out
        assert checkpoints.read_card(tmp_path / "run" / "espcn_x4.safetensors")["steps"] == done
    assert main([*words, "9", "--resume"]) == 0
    assert "stopped" not in capsys.readouterr().out
    card = checkpoints.read_card(tmp_path / "run" / "espcn_x4.safetensors")
    assert card["steps"] == 4 and card["recipe"]["phases"][0]["config"]["batch"] == 2


def test_training_needs_neither_pooch_nor_tqdm(pictures, tmp_path):
    """A machine lent for an hour has what torch needs, and seldom more."""
    code = "import sys\nfor name in ('pooch', 'requests', 'tqdm'): sys.modules[name] = None\n"
    code += "from srlib.cli import main\nsys.exit(main(sys.argv[1:]))"
    words = options(pictures, tmp_path, "--steps", "2", "--device", "cpu")
    environment = os.environ | {"SRLIB_DATA": "", "HOME": str(tmp_path), "XDG_CACHE_HOME": ""}
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "step       2" in done.stdout
    assert checkpoints.read_card(tmp_path / "run" / "espcn_x4.safetensors")["steps"] == 2
    fetch = [sys.executable, "-c", code, "fetch", "Set5"]
    done = subprocess.run(fetch, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and "two more packages are needed: pip install pooch requests" in done.stderr


def test_the_run_note_is_readable(pictures, tmp_path):
    main(options(pictures, tmp_path, "--precision", "fp32"))
    note = json.loads((tmp_path / "run" / "run.json").read_text())
    assert note["recipe"]["phases"][0]["config"]["precision"] == "fp32" and note["data"]["hr"][0].endswith("2 pictures")


def test_the_bar_goes_on_where_the_next_phase_begins():
    bar = Bar(total=12, disable=True)
    seen = []
    bar.update = lambda count: seen.append(count) or setattr(bar, "n", bar.n + count)
    log = train._follow(bar, "Set5")
    for step in (3, 6, 2, 6):
        log({"step": step, "loss": 0.1})
    assert seen == [3, 3, 2, 4] and bar.n == 12


def test_smaller_patches_take_smaller_pictures(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path / "cache")
    (tmp_path / "small").mkdir()
    Image.new("RGB", (50, 41)).save(tmp_path / "small" / "a.png")
    Image.new("RGB", (70, 30)).save(tmp_path / "small" / "b.png")
    words = options(tmp_path / "small", tmp_path, "--batch", "2")
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "no usable picture of at least 96 x 96 pixels in" in err
    assert err.endswith("; with --patch 10, in lr pixels, 40 x 40 are enough\n") and not (tmp_path / "run").exists()
    assert main([*words, "--patch", "10"]) == 0
    assert "small: 1 pictures" in capsys.readouterr().out
    card = checkpoints.read_card(tmp_path / "run" / "espcn_x4.safetensors")
    assert card["recipe"]["phases"][0]["stream"] == "Pairs(scales=(4,), lr_size=10, channels=1)"


def test_a_patch_too_small_for_a_loss_is_said_before_the_run(pictures, tmp_path, capsys):
    words = options(pictures, tmp_path, "--patch", "3")
    words[1] = "johnson"
    assert main(words) == 2
    assert "--patch 3 does not suit johnson_x4: pictures must have at least 16 x 16" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_own_pictures_are_scored_on_the_way(pictures, tmp_path, capsys):
    (tmp_path / "own").mkdir()
    Image.new("RGB", (40, 24), (9, 90, 200)).save(tmp_path / "own" / "sky.png")
    words = options(pictures, tmp_path, "--batch", "2", "--validate", str(tmp_path / "own"))
    assert main(words) == 0
    out = capsys.readouterr().out
    assert f"scored on {tmp_path / 'own'}, in" in out and f"{tmp_path / 'own'} " in out.split("step       4")[1]
    scores = checkpoints.read_card(tmp_path / "run" / "espcn_x4.safetensors")["scores"]["4"]
    assert list(scores) == [str(tmp_path / "own"), "evaluation photographs"]
    Image.new("RGB", (40, 19)).save(tmp_path / "own" / "tiny.png")
    assert main([*words, "--resume"]) == 2
    assert "tiny has 40 x 19 pixels; at ×4 a score needs 20 x 20" in capsys.readouterr().err


def test_own_pairs(pictures, tmp_path, capsys):
    (tmp_path / "lr").mkdir()
    for name in ("good.png", "grey.png"):
        with Image.open(pictures / name) as hr:
            hr = hr.crop((0, 0, 100, 120))
            hr.save(pictures / name)
            hr.resize((25, 30)).save(tmp_path / "lr" / name)
    given = ["--lr", str(tmp_path / "lr"), "--validate", str(pictures), str(tmp_path / "lr")]
    words = options(pictures, tmp_path, "--batch", "2", *given)
    assert main(words) == 0
    assert f"{tmp_path / 'lr'}: 2 pictures" in capsys.readouterr().out
    card = checkpoints.read_card(tmp_path / "run" / "espcn_x4.safetensors")
    assert card["recipe"]["phases"][0]["stream"].startswith("GivenPairs(scale=4, lr_size=24, channels=1")
    assert list(card["data"]) == ["hr", "lr"]
    net = checkpoints.load(tmp_path / "run" / "espcn_x4.safetensors")
    scores = []
    for name in ("good.png", "grey.png"):
        hr, lr = (PAPER.convert(images.read(place / name)) for place in (pictures, tmp_path / "lr"))
        with torch.no_grad():
            scores.append(PAPER.psnr(net(lr), hr, 4).item())
    assert card["scores"]["4"][str(pictures)]["psnr"] == pytest.approx(sum(scores) / 2, abs=1e-3)
    Image.new("RGB", (25, 30)).save(tmp_path / "lr" / "good.png")
    assert main([*words, "--resume"]) == 2
    assert "the pictures (lr) are not those that this run began with" in capsys.readouterr().err
    words[words.index("--out") + 1] = str(tmp_path / "other")
    Image.new("RGB", (25, 31)).save(tmp_path / "lr" / "good.png")
    assert main(words) == 2
    assert "good.png: 100 x 120 pixels; at ×4 the hr of good.png, 25 x 31, has 100 x 124" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--lr", "lr"], "--lr holds the lr pictures of given pairs; name the folder of their hr with --data"),
        (["--lr", "1e-4", "--data", "x"], "--lr 1e-4: no such folder of lr pictures; did you mean --learning-rate?"),
        (["--data", "no/such"], "--data no/such: no such folder or picture"),
        (["--data", "hr=no/such"], "--data no/such: no such folder or picture"),
        (["--data", "like=photos"], "--data like=photos: no role 'like'; espcn_x4 has hr"),
        (["--patch", "0"], "'0' is not a positive integer"),
        (["--validate", "a", "b", "c"], "--validate takes a folder of hr, or that and the folder of its lr"),
        (["--validate", "Set99"], "the set Set99 is not on this machine"),
        (["--start", "srcnn"], "nothing in it fits ESPCN"),
        (["--start", "edsr_large"], "no trained network 'edsr_large'; shipped: "),
        (["--out", "file"], "file: is a file; give another folder with --out"),
    ],
)
def test_new_words_are_checked_before_any_work(words, message, tmp_path, fails, monkeypatch):
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert message in fails("train", "espcn", *words)
    assert not (tmp_path / "runs").exists()


def test_no_smaller_patch_is_advised_where_it_would_not_help(tmp_path, capsys, monkeypatch):
    """What an estimate of a blur needs has nothing to do with patches."""
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (60, 50)).save(tmp_path / "a.png")
    assert main(["train", "edsr_small_like", "--data", "like=a.png"]) == 2
    assert capsys.readouterr().err.endswith("srlib: no usable picture of at least 64 x 64 pixels in a.png\n")


@pytest.mark.parametrize("scale", [2, 4])
def test_a_shipped_network_by_its_name_begins_at_the_recipes_scale(scale, pictures, tmp_path):
    words = options(pictures, tmp_path, "--start", "espcn", "--batch", "2", "--learning-rate", "1e-9", "--patch", "8")
    words[3] = str(scale)
    assert main(words) == 0
    path = tmp_path / "run" / f"espcn_x{scale}.safetensors"
    start = checkpoints.read_card(path)["start"]["g"]
    assert start["scale"] == scale and start["fresh"] == []
    shipped = checkpoints.load("espcn", scale).state_dict()
    for name, value in checkpoints.load(path).state_dict().items():
        torch.testing.assert_close(value, shipped[name], atol=1e-6, rtol=0)


def test_a_swapped_picture_is_noticed(pictures, tmp_path, capsys):
    assert main(options(pictures, tmp_path, "--batch", "2")) == 0
    pictures = pictures.rename(tmp_path / "moved")
    assert main(options(pictures, tmp_path, "--batch", "2", "--resume")) == 0
    Image.new("RGB", (107, 120)).save(pictures / "good.png")
    capsys.readouterr()
    assert main(options(pictures, tmp_path, "--batch", "2", "--resume")) == 2
    err = capsys.readouterr().err
    assert "the pictures (hr) are not those that this run began with; put them back" in err and err.count("\n") == 1


def test_fewer_steps_than_are_done_says_what_to_do(pictures, tmp_path, capsys):
    assert main(options(pictures, tmp_path, "--batch", "2")) == 0
    fewer = [*options(pictures, tmp_path, "--batch", "2", "--resume"), "--steps", "3"]
    assert main(fewer) == 2
    assert "is at step 4, beyond steps=3; give --steps 4 or more, or begin another run" in capsys.readouterr().err


def test_subfolders_are_named_and_taken_when_asked_for(pictures, tmp_path, capsys):
    (pictures / "deeper" / "still").mkdir(parents=True)
    (pictures / "grey.png").rename(pictures / "deeper" / "still" / "grey.png")
    assert main(options(pictures, tmp_path, "--batch", "2")) == 0
    out, err = capsys.readouterr()
    assert "pictures: 1 pictures" in out and "left out: " in err and "1 picture in subfolder deeper" in err
    again = options(pictures, tmp_path, "--batch", "2", "--recursive")
    again[again.index("--out") + 1] = str(tmp_path / "all")
    assert main(again) == 0
    assert "pictures: 2 pictures" in capsys.readouterr().out
