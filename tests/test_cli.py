"""The command line as a user types it, rightly and wrongly: results, one-line errors, status 2, nothing damaged."""

import json
import subprocess
import sys

import pytest
import torch

from srlib import images
from srlib.cli import main
from srlib.models.interpolation import bicubic, nearest


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "in.png"
    images.write(path, torch.rand(3, 13, 22, generator=torch.Generator().manual_seed(0)))
    return path


def fails(capsys, *arguments):
    """Run, expect status 2 and one line on stderr; the line."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        status = stop.code
    out, error = capsys.readouterr()
    assert status == 2 and out == "" and error.count("\n") == 1 and error.startswith("srlib"), (status, out, error)
    return error


@pytest.mark.parametrize("scale", [2, 3, 4, 1.5])
def test_upscale_equals_the_library(picture, scale):
    target = picture.with_name("out.png")
    assert main(["upscale", str(picture), str(target), "--model", "bicubic", "--scale", str(scale)]) == 0
    expected = images.to_uint8(bicubic(scale)(images.read(picture)))
    assert torch.equal(images.to_uint8(images.read(target)), expected)


def test_upscale_in_tiles_with_ensemble_changes_nothing_for_bicubic(picture):
    plain, other = picture.with_name("plain.png"), picture.with_name("other.png")
    assert main(["upscale", str(picture), str(plain), "--scale", "3"]) == 0
    assert main(["upscale", str(picture), str(other), "--scale", "3", "--tile", "8", "--ensemble"]) == 0
    assert (images.read(plain) - images.read(other)).abs().max() <= 1.01 / 255


def test_upscale_keeps_depth_alpha_and_profile(tmp_path):
    pixels, alpha = torch.rand(1, 3, 9, 11), torch.rand(1, 1, 9, 11)
    images.save(tmp_path / "deep.png", images.Photo(pixels, alpha, bits=16, icc=b"profile"))
    target = tmp_path / "out.png"
    assert main(["upscale", str(tmp_path / "deep.png"), str(target), "--model", "nearest", "--scale", "2"]) == 0
    result = images.load(target)
    assert result.bits == 16 and result.icc == b"profile"
    torch.testing.assert_close(result.pixels, nearest(2)(pixels), atol=1e-4, rtol=0)
    assert result.alpha.shape == (1, 1, 18, 22)


def test_upscale_one_pixel_and_a_thread(tmp_path):
    for size in [(1, 1), (3, 100_000)]:
        images.write(tmp_path / "thin.png", torch.full((3, *size), 0.2))
        assert main(["upscale", str(tmp_path / "thin.png"), str(tmp_path / "out.png"), "--scale", "2"]) == 0
        result = images.read(tmp_path / "out.png")
        assert result.shape == (1, 3, 2 * size[0], 2 * size[1]) and (result == 0.2).all()


def test_a_folder_goes_on_after_a_bad_file(tmp_path, capsys):
    source = tmp_path / "in"
    source.mkdir()
    images.write(source / "a.png", torch.rand(3, 5, 7))
    (source / "b.png").write_text("no picture")
    images.write(source / "c.bmp", torch.rand(3, 6, 4))
    assert main(["upscale", str(source), str(tmp_path / "out"), "--scale", "2"]) == 2
    assert "b.png" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.bmp"]


def test_bad_input_is_one_line_with_the_name_and_leaves_the_output(tmp_path, bad_files, capsys):
    target = tmp_path / "out.png"
    target.write_bytes(b"an older result")
    for path in bad_files:
        if not path.is_dir():
            assert path.name in fails(capsys, "upscale", path, target)
            assert target.read_bytes() == b"an older result"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "out.png"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["upscale"], "required"),
        (["upscale", "IN", "OUT", "--scale", "0"], "'0' is not a scale"),
        (["upscale", "IN", "OUT", "--scale", "nan"], "'nan' is not a scale"),
        (["upscale", "IN", "OUT", "--scale", "two"], "'two' is not a scale"),
        (["upscale", "IN", "OUT", "--scale", "99"], "between 0 and 16"),
        (["upscale", "IN", "OUT", "--tile", "-5"], "'-5' is not a positive integer"),
        (["upscale", "IN", "OUT", "--model", "edrs"], "no model 'edrs'; there are nearest"),
        (["upscale", "IN", "OUT", "--device", "tpu9"], "try --device cpu"),
        (["upscale", "IN", "OUT.xyz"], "cannot write .xyz"),
        (["upscale", "IN", "nowhere/OUT.png"], "no folder"),
        (["upscale", "IN", "IN"], "is the input itself"),
        (["enlarge"], "invalid choice: 'enlarge'"),
        (["evaluate", "bicubic"], "--on"),
        (["evaluate", "bicubic", "--on", "Set99"], "the set Set99 is not on this machine"),
        (["evaluate", "bicubic", "--on", "Set5"], "srlib fetch Set5"),
        (["evaluate", "bicubic", "--on", "EMPTY"], "no pictures"),
        (["evaluate", "edrs", "--on", "Set5"], "no model 'edrs'"),
        (["evaluate", "bicubic", "--on", "Set5", "--json", "nowhere/x.json"], "--json"),
        (["fetch", "Set99"], "no data set Set99; there are"),
    ],
)
def test_wrong_words_are_named(picture, capsys, monkeypatch, words, message):
    monkeypatch.chdir(picture.parent)
    monkeypatch.setenv("SRLIB_DATA", str(picture.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(picture.parent))
    (picture.parent / "empty").mkdir()
    places = {"IN": str(picture), "OUT": "out.png", "EMPTY": "empty"}
    before = picture.read_bytes()
    assert message in fails(capsys, *[places.get(word, word) for word in words])
    assert picture.read_bytes() == before and not picture.with_name("out.png").exists()


def test_sixteen_bits_or_alpha_into_jpeg_is_refused_before_the_work(tmp_path, capsys):
    images.save(tmp_path / "deep.png", images.Photo(torch.rand(1, 3, 5, 5), bits=16))
    assert "8 bits" in fails(capsys, "upscale", tmp_path / "deep.png", tmp_path / "out.jpg")
    images.save(tmp_path / "alpha.png", images.Photo(torch.rand(1, 3, 5, 5), alpha=torch.rand(1, 1, 5, 5)))
    assert "transparency" in fails(capsys, "upscale", tmp_path / "alpha.png", tmp_path / "out.jpg")


def test_folders_that_cannot_work(tmp_path, capsys):
    source = tmp_path / "in"
    source.mkdir()
    assert "no pictures" in fails(capsys, "upscale", source, tmp_path / "out")
    images.write(source / "a.png", torch.rand(3, 5, 7))
    assert "choose another folder" in fails(capsys, "upscale", source, source)
    (tmp_path / "file").write_text("")
    assert "must be one" in fails(capsys, "upscale", source, tmp_path / "file")


def test_evaluate_prints_and_writes_the_scores(tmp_path, capsys):
    folder = tmp_path / "MySet" / "HR"
    folder.mkdir(parents=True)
    for place, size in (("a", (40, 33)), ("b", (29, 50))):
        images.write(folder / f"{place}.png", torch.rand(3, *size))
    report = tmp_path / "scores.json"
    assert main(["evaluate", "bicubic", "--on", str(folder), "--scale", "2", "--json", str(report)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("bicubic ×2 on MySet: ")
    scores = json.loads(report.read_text())
    assert set(scores) == {"model", "set", "scale", "protocol", "psnr", "ssim", "images"}
    assert [row["name"] for row in scores["images"]] == ["a", "b"]
    assert scores["psnr"] == pytest.approx(sum(row["psnr"] for row in scores["images"]) / 2)
    assert f"{scores['psnr']:.2f} dB" in printed and scores["protocol"] in printed
    assert main(["evaluate", "bicubic", "--on", str(folder), "--scale", "2", "--colour", "rgb", "--border", "0"]) == 0
    assert "RGB, border 0, 8-bit" in capsys.readouterr().out


def test_models_lists_what_there_is(capsys):
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("nearest", "bilinear", "bicubic", "lanczos", "Set5", "28.42"))


def test_as_a_module_in_another_process(picture):
    def run(*arguments):
        return subprocess.run([sys.executable, "-m", "srlib", *arguments], capture_output=True, text=True)

    done = run("upscale", picture, picture.with_name("out.png"), "--scale", "2")
    assert (done.returncode, done.stdout) == (0, "") and images.read(picture.with_name("out.png")).shape[-1] == 44
    done = run("upscale", "missing.png", "x.png")
    assert done.returncode == 2 and done.stderr == "srlib: missing.png: no such file\n"
