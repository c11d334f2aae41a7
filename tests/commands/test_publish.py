"""`srlib publish`: a run ships whole or not at all, with scores of its own; what is worse or unclear does not."""

import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import srlib
from srlib import checkpoints, images, onnx_export
from srlib.cli import main
from srlib.commands import publish_scores
from srlib.data import datasets
from srlib.data.sources import with_patches
from srlib.evaluation import benchmark, clips
from srlib.metrics import PAPER, evaluate
from srlib.models.edvr_small import GrownEDSR
from srlib.recipes import ours
from srlib.resample import resize
from srlib.training.fit import fit

DRAWN = ("Set5", "Set14")


def drawn(seed, height=46, width=41):
    rng = torch.Generator().manual_seed(seed)
    return (0.25 + 0.5 * resize(torch.rand(1, 3, 12, 11, generator=rng), 5)[..., :height, :width]).clamp(0, 1)


def trained_in(folder, recipe, steps):
    (phase,) = recipe.with_config(steps=steps, batch=4, precision="fp32", ema_decay=0.0).phases
    recipe = replace(recipe, phases=(replace(phase, stream=with_patches(phase.stream, 8)),))
    return fit(recipe, {"hr": [drawn(0)]}, folder, data={"hr": ["drawn: 1 picture"]})


@pytest.fixture(scope="module")
def espcn(tmp_path_factory):
    """The checkpoint of a short run, in its folder; tests work on copies."""
    return trained_in(tmp_path_factory.mktemp("run") / "espcn_x2", ours.espcn(2), 30)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder that ships espcn ×4 and has no rows of ×2; Set5 and Set14 are drawn, BSD100 is not there."""
    folder, shipped = tmp_path / "data", datasets.data_folder()
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "results").mkdir()
    for name in ("checkpoints/espcn_x4.safetensors", "checkpoints/espcn_x4.json", benchmark.FILE):
        shutil.copy(shipped / name, folder / name)
    (folder / benchmark.FILE).write_text(without(folder / benchmark.FILE, "espcn,2,"), newline="")
    for seed, name in enumerate(DRAWN, 1):
        (tmp_path / "sets" / name / "HR").mkdir(parents=True)
        for k in range(2):
            images.write(tmp_path / "sets" / name / "HR" / f"{k}.png", drawn(10 * seed + k))
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path / "sets"))
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path / "cache")
    monkeypatch.setattr(checkpoints, "data_folder", lambda: folder)
    monkeypatch.setattr(datasets, "data_folder", lambda: folder)
    monkeypatch.setattr(onnx_export, "is_available", lambda: False)  # one test exports; it takes seconds
    return folder


@pytest.fixture
def changed(espcn, tmp_path):
    """Write the run with other weights or another card, in a folder of its own; its file."""

    def write(change=None, model="espcn", **card):
        net = checkpoints.load(espcn)
        with torch.no_grad():
            change(net) if change else None
        path = tmp_path / "changed" / f"{model}_x2.safetensors"
        return checkpoints.save(net, path, checkpoints.read_card(espcn) | card)

    return write


def without(table, start):
    """The lines of a table but for those that begin so."""
    return "".join(line for line in lines(table) if not line.startswith(start))


def lines(table):
    return table.read_bytes().decode().splitlines(keepends=True)


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def worse(net):
    net.tail.bias += 0.3


def published(source, *words):
    return main(["publish", str(source), *words])


def test_what_ships_is_the_network_in_16_bits_with_its_own_scores(data, espcn, capsys):
    before = lines(data / benchmark.FILE)
    assert published(espcn.parent) == 0
    out = capsys.readouterr().out
    path, run = data / "checkpoints" / "espcn_x2.safetensors", checkpoints.read_card(espcn)
    card, net = checkpoints.read_card(path), checkpoints.load("espcn", 2)
    for name, value in checkpoints.load(espcn).state_dict().items():
        assert torch.equal(net.state_dict()[name], value.half().float())
    scores = {name: evaluate(net, datasets.images_of(name), PAPER) for name in DRAWN}
    told = {name: {"psnr": round(found.psnr, 4), "ssim": round(found.ssim, 5)} for name, found in scores.items()}
    assert card == run | {"scores": {"2": told}, "precision": "float16", "sha256": card["sha256"]}
    assert card["protocol"] == str(PAPER) and list(card) == list(run)
    rows = [benchmark.row("espcn", 2, name, found.psnr, found.ssim) for name, found in scores.items()]
    after = lines(data / benchmark.FILE)
    first = next(k for k, line in enumerate(before) if line.startswith("espcn,3,"))
    assert after[:first] + after[first + 2 :] == before
    assert list(csv.DictReader([before[0], *after[first : first + 2]])) == rows
    whole = evaluate(checkpoints.load(espcn), datasets.images_of("Set5")).psnr
    assert out.splitlines() == [
        f"espcn_x2: 21,284 parameters, {path.stat().st_size:,} bytes",
        f"Set5 ×2: {whole:.4f} dB with 32 bits a number, {scores['Set5'].psnr:.4f} dB with 16",
        *(f"  ×2  {k:<22}  {v['psnr']:.2f} dB  SSIM {v['ssim']:.4f}" for k, v in told.items()),
        "export ×2: not compared, onnx and onnxscript are not installed",
        *(f"written: {data / name}" for name in ("checkpoints/espcn_x2.safetensors", "checkpoints/espcn_x2.json")),
        f"written: {data / benchmark.FILE}",
    ]


def test_publishing_twice_changes_nothing(data, espcn, capsys):
    assert published(espcn.parent) == 0
    before = content(data)
    times = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    capsys.readouterr()
    assert published(espcn) == 0
    assert capsys.readouterr().out.endswith("\nalready published, nothing changed\n")
    assert content(data) == before and {path: path.stat().st_mtime_ns for path in data.rglob("*")} == times
    assert published(data / "checkpoints" / "espcn_x2.safetensors") == 0  # the shipped file is its own run
    assert content(data) == before


def test_a_set_that_is_no_longer_there_takes_nothing_from_the_same_network(data, espcn, tmp_path, capsys):
    assert published(espcn) == 0
    before = content(data)
    for name in reversed(DRAWN):
        shutil.rmtree(tmp_path / "sets" / name)
        capsys.readouterr()
        assert published(espcn) == 0
        assert "nothing changed" in capsys.readouterr().out and content(data) == before


def test_without_a_set_the_photographs_are_scored_and_no_row_is_written(data, espcn, tmp_path, monkeypatch, capsys):
    shutil.rmtree(tmp_path / "sets")
    monkeypatch.setattr(datasets, "EVAL_PHOTOS", ("chelsea",))
    before = (data / benchmark.FILE).read_bytes()
    assert published(espcn) == 0
    out = capsys.readouterr().out
    assert "no row in results/benchmark.csv: Set5, Set14, BSD100 are not on this machine" in out
    scores = checkpoints.read_card(data / "checkpoints" / "espcn_x2.safetensors")["scores"]
    assert list(scores["2"]) == ["evaluation photographs"]
    assert (data / benchmark.FILE).read_bytes() == before and "benchmark.csv\n" not in out.partition("written")[2]


def test_a_worse_network_needs_force_and_a_better_one_does_not(data, espcn, changed, fails, capsys):
    other = changed(worse)
    assert published(other) == 0
    bad = checkpoints.read_card(data / "checkpoints" / "espcn_x2.safetensors")["scores"]["2"]
    capsys.readouterr()
    assert published(espcn) == 0
    good = checkpoints.read_card(data / "checkpoints" / "espcn_x2.safetensors")["scores"]["2"]
    capsys.readouterr()
    before, (low, high) = content(data), (sum(row["psnr"] for row in of.values()) / 2 for of in (bad, good))
    assert fails("publish", other) == (
        f"srlib: espcn_x2: {low:.4f} dB at ×2 over Set5, Set14, worse than the {high:.4f} dB of the one that ships; "
        "--force replaces it\n"
    )
    assert content(data) == before
    assert published(other, "--force") == 0
    assert checkpoints.read_card(data / "checkpoints" / "espcn_x2.safetensors")["scores"]["2"] == bad


def test_rows_of_other_weights_do_not_stay(data, espcn, changed, tmp_path, fails, capsys):
    assert published(espcn) == 0
    assert not [line for line in lines(data / benchmark.FILE) if line.startswith("espcn,2,BSD100")]
    shutil.rmtree(tmp_path / "sets" / "Set14")
    capsys.readouterr()
    assert published(changed(worse), "--force") == 0
    assert "taken out of results/benchmark.csv: espcn ×2 on Set14, of other weights" in capsys.readouterr().out
    rows = [line.split(",")[2] for line in lines(data / benchmark.FILE) if line.startswith("espcn,2,")]
    assert rows == ["Set5"]
    shutil.move(tmp_path / "sets" / "Set5", tmp_path / "sets" / "BSD100")
    assert "espcn_x2 ships with scores on Set5, none of which is on this machine" in fails("publish", espcn)


@pytest.mark.slow
def test_no_failure_and_no_interrupt_leaves_anything_half_done(data, espcn, changed, monkeypatch, capsys):
    assert published(changed(worse)) == 0
    before = content(data)
    for name, real in (("replace", os.replace), ("fsync", os.fsync)):
        for error, status in ((OSError(28, "No space left on device"), 2), (KeyboardInterrupt(), 130)):
            for place in range(1, 100):
                calls = 0

                def stop(*arguments, call=real, place=place, error=error):
                    nonlocal calls
                    calls += 1
                    if calls == place:
                        raise error
                    return call(*arguments)

                with monkeypatch.context() as patch:
                    patch.setattr(os, name, stop)
                    found = published(espcn)
                if found == 0:
                    break
                assert found == status and content(data) == before
            assert place > 6 and content(data) != before  # two of them, at least, were the last renamings
            assert published(changed(worse), "--force") == 0 and content(data) == before


def test_rounding_that_costs_decibels_is_refused_with_both_numbers(data, changed, fails):
    def fragile(net):  # a constant and a bias, so large that they cancel in 32 bits only
        net.body.weight[1], net.body.bias[1] = 0, 0.5
        net.tail.weight[:, 1] = 0
        net.tail.weight[:, 1, 1, 1] = 996
        net.tail.bias -= 996 * torch.tensor(0.5).tanh()  # 460.27, for which 16 bits take 460.25: brighter still

    before = content(data)
    error = fails("publish", changed(fragile))
    assert "espcn_x2 would lose more than 0.01 dB by rounding: Set5 ×2: " in error
    whole, half = (float(words.split()[-1]) for words in error.split(" dB with ")[:2])
    assert whole > half + publish_scores.MAX_LOSS and content(data) == before


def test_weights_that_16_bits_cannot_hold_are_refused(data, changed, fails):
    def huge(net):
        net.head.weight *= 1e9
        net.head.bias.zero_()

    assert "nan dB with 16" in fails("publish", changed(huge))


@pytest.mark.slow
def test_the_export_is_compared_and_a_bad_one_stops_all(data, espcn, monkeypatch, fails, capsys):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnx_export, "is_available", lambda: True)
    before = content(data)
    with monkeypatch.context() as patch:
        patch.setattr(onnx_export, "TOLERANCE", -1.0)
        assert "espcn: onnxruntime's result is" in fails("publish", espcn)
    assert content(data) == before
    assert published(espcn) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("export")]
    assert line.startswith("export ×2: at most ") and float(line.split()[4]) <= onnx_export.TOLERANCE


def test_a_network_for_several_scales_has_rows_for_each(data, tmp_path, capsys, fails):
    path = trained_in(tmp_path / "mdsr_x234", ours.mdsr(), 2)
    assert published(path.parent) == 0
    card = checkpoints.read_card(data / "checkpoints" / "mdsr_x234.safetensors")
    assert {scale: list(sets) for scale, sets in card["scores"].items()} == {s: list(DRAWN) for s in "234"}
    rows = [row for row in benchmark.read() if row["model"] == "mdsr"]
    assert [(row["scale"], row["set"]) for row in rows] == [(s, name) for s in "234" for name in DRAWN]
    for row in rows:
        assert float(row["psnr"]) == card["scores"][row["scale"]][row["set"]]["psnr"]
    capsys.readouterr()
    two = checkpoints.save(checkpoints.load(path), tmp_path / "two.safetensors", card | {"scale": 2, "scales": [2]})
    assert "mdsr_x2: mdsr ×2 ships already, in mdsr_x234.safetensors" in fails("publish", two)


def test_a_network_that_lost_its_card_is_published_anew(data, espcn):
    assert published(espcn) == 0
    before = content(data)
    (data / "checkpoints" / "espcn_x2.json").unlink()
    assert published(espcn) == 0 and content(data) == before


def empty(folder):
    (folder / "run.json").write_text("{}")
    for path in folder.glob("espcn*"):
        path.unlink()


def two(folder):
    shutil.copy(folder / "espcn_x2.safetensors", folder / "espcn_x3.safetensors")


def flipped(folder):
    content = bytearray((folder / "espcn_x2.safetensors").read_bytes())
    content[-100] ^= 1
    (folder / "espcn_x2.safetensors").write_bytes(content)


def rewritten(**card):
    def change(folder):
        path = folder / "espcn_x2.json"
        known = json.loads(path.read_text(encoding="utf-8")) | card
        path.write_text(json.dumps({key: value for key, value in known.items() if value is not None}))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (empty, "espcn_x2: no checkpoint in it, the run has not finished; go on with it as it was begun and --resume"),
        (shutil.rmtree, "espcn_x2: neither the folder of a run nor a .safetensors file"),
        (two, "holds espcn_x2.safetensors, espcn_x3.safetensors; name one of these files"),
        (flipped, "espcn_x2.safetensors: damaged, or not the file its card describes"),
        (rewritten(model="espnc"), "no network 'espnc'; there are srcnn, fsrcnn"),
        (rewritten(model="fsrcnn"), "does not hold the weights of fsrcnn ×2"),
        (rewritten(recipe=None, steps=None), "its card lacks recipe, steps; publish what `srlib train` has made"),
        (
            lambda folder: (folder / "espcn_x2.json").unlink(),
            "its card espcn_x2.json is missing; keep both files in one folder",
        ),
    ],
    ids=["unfinished", "nowhere", "two", "damaged", "unknown", "another", "untold", "no card"],
)
def test_what_is_no_finished_run_is_one_line(data, espcn, tmp_path, fails, change, message):
    folder = tmp_path / "espcn_x2"
    shutil.copytree(espcn.parent, folder)
    change(folder)
    before = content(data)
    assert message in fails("publish", folder)
    assert content(data) == before


def test_an_installed_package_is_no_place_to_publish(espcn, monkeypatch, fails):
    monkeypatch.setattr(datasets, "data_folder", lambda: Path(srlib.__file__).parent / "_data")
    assert "publishing needs a clone of the repository" in fails("publish", espcn)


VID4 = "Vid4, BI, Y (BT.601 studio), border {}, 8-bit, {}, ends new"
SHORT, WHOLE = VID4.format(4, "frames 3 to 8"), VID4.format(0, "all frames")


@pytest.fixture
def video(data, tmp_path, monkeypatch):
    """Write a small video network as a finished run; Vid4 is drawn, and stills of Set5 and Set14 are too small."""
    monkeypatch.setattr(clips, "MADE", 2)
    monkeypatch.setattr(datasets, "EVAL_PHOTOS", ("chelsea",))
    for name in "ab":
        (tmp_path / "sets" / "Vid4" / name).mkdir(parents=True)
        still = drawn(ord(name), 46, 55)
        for k in range(9):
            images.write(tmp_path / "sets" / "Vid4" / name / f"{k}.png", still[..., :, k : 46 + k])

    def write(change=None, **card):
        torch.manual_seed(0)
        net = GrownEDSR(scale=4, blocks=1, width=8, inner=4, tail="light").eval()
        with torch.no_grad():
            net.fuse.weight.normal_(0, 0.05)
            change(net) if change else None
        told = {"model": "edvr_small", "scale": 4, "recipe": {}, "data": {}, "steps": 1, "seconds": 1} | card
        return checkpoints.save(net, tmp_path / "run" / "edvr_small_x4.safetensors", told)

    return write


def test_a_video_network_ships_with_scores_of_clips_and_of_copies_of_the_centre(data, video, tmp_path, capsys):
    before = (data / benchmark.FILE).read_bytes()
    assert published(video()) == 0
    out = capsys.readouterr().out
    card, net = (
        checkpoints.read_card(data / "checkpoints" / "edvr_small_x4.safetensors"),
        checkpoints.load("edvr_small", 4),
    )
    still = "evaluation photographs in motion"
    assert list(card["scores"]["4"]) == list(card["copies"]["4"]) == [still, SHORT, WHOLE]
    frames = [[images.read(tmp_path / "sets" / "Vid4" / name / f"{k}.png") for k in range(9)] for name in "ab"]
    for key, shown in (("scores", net), ("copies", clips.CentreCopies(net))):
        found = [clips.evaluate_clip(shown, hr).psnr for hr in frames]
        assert card[key]["4"][WHOLE]["psnr"] == pytest.approx(sum(found) / 2, abs=1e-4)
        pictures = {"evaluation photographs": [("chelsea", datasets.photo("chelsea"))]}
        made = clips.made_scores(shown, pictures, [4])["4"][still]["psnr"]
        assert card[key]["4"][still]["psnr"] == pytest.approx(made, abs=1e-4)
        assert f"{made:.2f} dB" in out
    assert card["scores"] != card["copies"] and card["precision"] == "float16" and card["protocol"].startswith("BI, Y")
    assert "export" not in out and "no ONNX file and no place in the playground" in out
    assert (data / benchmark.FILE).read_bytes() == before
    assert not list(data.rglob("*.onnx")) and not list(data.rglob(".*"))


def test_publishing_a_video_network_twice_or_without_vid4_changes_nothing(data, video, tmp_path, capsys):
    source = video()
    assert published(source) == 0
    before = content(data)
    for _ in range(2):
        assert published(source) == 0
        assert "nothing changed" in capsys.readouterr().out and content(data) == before
        shutil.rmtree(tmp_path / "sets" / "Vid4", ignore_errors=True)


def test_a_worse_or_damaged_video_network_leaves_what_ships(data, video, fails, capsys):
    assert published(video()) == 0
    capsys.readouterr()
    before = content(data)

    def dimmed(net):
        net.tail[0].bias += 0.3

    error = fails("publish", video(dimmed))
    assert "edvr_small_x4: " in error and "worse than the" in error and SHORT in error
    path = video()
    path.write_bytes(path.read_bytes()[:-9])
    assert "damaged" in fails("publish", path)
    path = video(lambda net: net.fuse.weight.mul_(1e9))
    assert "nan dB with 16" in fails("publish", path, "--force")
    assert content(data) == before
