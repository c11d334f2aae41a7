"""`make gpu` without a card: pictures are packed and found again, everything runs at smoke size, and goes on."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import gpu
from srlib import checkpoints, images, metrics
from srlib.data import datasets
from srlib.training.logs import read_log

ROOT = Path(__file__).parents[2]
is_checkout = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not a git checkout: nothing to weigh"
)


def draw(folder, count=3):
    """Smooth pictures of odd sizes, one of them grey, and one so plain that PNG is smaller than JPEG."""
    folder.mkdir(parents=True)
    for k in range(count):
        height, width = 121 + 2 * k, 150 - k
        y, x = np.mgrid[:height, :width] / 40
        colours = [np.sin(x * (1 + c) + k) + np.cos(y * (2 + k)) + 0.2 * np.sin(40 * x * y) for c in range(3)]
        array = np.uint8(np.stack(colours, -1) * 50 + 128)
        Image.fromarray(array[..., 0] if k == 1 else array).save(folder / f"picture{k}.png")
    Image.new("RGB", (130, 110), (200, 30, 60)).save(folder / "plain.bmp")
    return folder


@is_checkout
def test_a_pack_is_found_as_srlib_data_and_reads_almost_as_before(tmp_path, monkeypatch, capsys):
    draw(tmp_path / "Toy" / "HR")
    draw(tmp_path / "Other", 1)
    out = tmp_path / "pack"
    for _ in range(2):  # the second takes the first one's place
        assert gpu.main(["pack", str(tmp_path / "Toy"), str(tmp_path / "Other" / ""), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "3 of 4 made JPEG 95, PSNR at least " in said and "with the repository" in said
    assert sorted(path.name for path in (out / "Toy" / "HR").iterdir()) == [
        "picture0.jpg", "picture1.jpg", "picture2.jpg", "plain.png",
    ]  # fmt: skip
    with Image.open(out / "Toy" / "HR" / "picture0.jpg") as jpeg:
        assert jpeg.layer[0][1:3] == jpeg.layer[1][1:3] == (1, 1)  # full colour
    monkeypatch.setenv("SRLIB_DATA", str(out))
    packed, lines = datasets.load_training_images(["Toy", "Other"], 64, pytest.fail)
    assert lines == ["Toy: 4 pictures", "Other: 2 pictures"]
    before = [images.read(file) for file in sorted((tmp_path / "Toy" / "HR").iterdir())]
    note = json.loads((out / "pack.json").read_text())["sets"]["Toy"]
    scores = [metrics.psnr(images.from_uint8(new), old).item() for new, old in zip(packed, before, strict=False)]
    assert [image.shape[1] for image in packed[:4]] == [3, 1, 3, 3]
    assert scores[3] == float("inf") and min(scores) == pytest.approx(note["psnr_min"], abs=0.006) and min(scores) > 35
    assert note["bytes"] == sum(path.stat().st_size for path in (out / "Toy" / "HR").iterdir()) < note["bytes_before"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ["pack", "Toy", "--limit", "1"],
            r"repository \d+\.\d MB \+ pack 0\.0 MB are more than 1 MB; pack fewer sets, or give a lower --quality",
            marks=is_checkout,
        ),
        (["pack", "Toy", "Toy"], "a second set called Toy; rename one of the folders"),
        (["pack", "nowhere"], r"nowhere: no folder with pictures \(.png, .jpg"),
        (["pack", "Toy", "--out", "Toy"], "Toy: holds other files than a pack; give another --out"),
        (["run", "--out", "old", "--smoke", "--device", "cpu"], "old: holds a run already; give --resume to go on"),
        (["run", "--out", "new", "--resume", "gone"], "gone: no such folder to go on from"),
        (["run", "--out", "new", "--device", "cpu", "--recipe", "x"], "no recipe 'x'; there are srcnn, fsrcnn"),
        (["run", "--out", "new", "--device", "cuda:99"], "device 'cuda:99' cannot be used here; to rehearse: --smoke"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line_before_anything_is_written(
    words, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "Toy", 1)
    (tmp_path / "old" / "run").mkdir(parents=True)
    words = [*words, "--out", "pack"] if words[0] == "pack" and "--out" not in words else words
    assert gpu.main(words) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.startswith("gpu.py: ")
    assert re.search(message, err), err
    assert not (tmp_path / "pack").exists() and not (tmp_path / "new").exists()


def call(folder, pack, *words):
    """`gpu.py run` as somebody would who has the clone, and neither pooch nor tqdm."""
    hidden = folder.parent / "hidden"
    hidden.mkdir(exist_ok=True)
    for name in ("pooch", "tqdm"):
        (hidden / f"{name}.py").write_text("raise ImportError('not here')")
    environment = os.environ | {"PYTHONPATH": str(hidden), "SRLIB_DATA": "", "XDG_CACHE_HOME": str(hidden)}
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "run", "--smoke", "--device", "cpu"]
    command += ["--pack", str(pack), "--out", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder.parent, timeout=3600)
    return done, json.loads((folder / "report.json").read_text())


@pytest.mark.slow
def test_a_rehearsal_leaves_everything_in_one_folder_and_the_next_call_goes_on(tmp_path):
    pack = tmp_path / "pack"
    for name in ("T91", "General100", "BSDS", "Set5"):
        draw(pack / name / "HR", 1)
    done, report = call(tmp_path / "first", pack)
    assert done.returncode == 0, done.stderr + done.stdout + str(report)
    parts = report["parts"]
    assert list(parts) == ["tests", "throughput", "training"] and all(part["ok"] for part in parts.values())
    assert "passed" in parts["tests"]["said"] and report["torch"] == torch.__version__ and report["seconds"] > 0
    numbers = json.loads((tmp_path / "first" / "throughput.json").read_text())
    assert numbers["recipe"] == "espcn_x2" and numbers["images_per_second"] > 0 and numbers["share_of_peak"] is None
    assert set(numbers["milliseconds"]) == {"fp32, contiguous", "fp32, channels_last", "bf16, channels_last"}
    steps = parts["training"]["steps"]
    assert parts["training"]["said"].startswith(f"step {steps} of 80000; stopped after 0.05 minutes")
    card = checkpoints.read_card(tmp_path / "first" / "run" / "espcn_x2.safetensors")
    assert card["steps"] == steps == read_log(tmp_path / "first" / "run")[-1]["step"]
    assert card["data"]["hr"] == ["T91: 2 pictures", "General100: 2 pictures", "BSDS: 2 pictures"]
    assert set(card["scores"]["2"]) == {"Set5"}

    done, report = call(tmp_path / "second", pack, "--resume", str(tmp_path / "first"))
    assert done.returncode == 0, done.stderr + done.stdout + str(report)
    assert report["parts"]["tests"] == parts["tests"] and report["parts"]["throughput"] == parts["throughput"]
    assert report["parts"]["training"]["steps"] > steps
    rows = [row["step"] for row in read_log(tmp_path / "second" / "run")]
    assert steps in rows and rows == sorted(rows) and rows[-1] == report["parts"]["training"]["steps"]


DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "


@pytest.mark.slow
def test_a_part_that_fails_or_hangs_costs_the_others_nothing(tmp_path, monkeypatch, capsys):
    from benchmarks import gpu_parts

    monkeypatch.setattr(gpu_parts, "GRACE", 1)
    programs = {
        "tests": (f"{DEAF}print('so far', flush=True); time.sleep(3600)", 15.0),
        "throughput": ("raise ValueError('a card\\nthat fell off the bus')", 3600.0),
        "training": ("print('step 7')", 3600.0),
    }
    for part, (code, limit) in programs.items():
        monkeypatch.setattr(gpu_parts, part, lambda *_, c=code, s=limit: ([sys.executable, "-c", c], s))
    words = ["run", "--out", str(tmp_path), "--device", "cpu", "--recipe", "espcn", "--minutes", "1000"]
    assert gpu.main(words) == 1
    parts = json.loads((tmp_path / "report.json").read_text())["parts"]
    assert parts["tests"]["said"] == "its time was over; the last it printed: so far"
    assert parts["throughput"]["said"] == "that fell off the bus"
    assert parts["training"] == {"ok": True, "said": "step 7"} | {"seconds": parts["training"]["seconds"]}
    assert "training   done after" in capsys.readouterr().out
