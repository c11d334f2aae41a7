"""`srlib upscale`: interpolators and networks on one file and on folders; what goes wrong damages nothing."""

import itertools
import shutil
import signal
import subprocess
import sys

import pytest
import torch

from srlib import checkpoints, images
from srlib.cli import main
from srlib.inference import upscale
from srlib.models.interpolators import bicubic, nearest
from tests.conftest import PATIENCE
from tests.io.kinds import SRGB

BICUBIC = ("--model", "bicubic")


@pytest.mark.parametrize("scale", [2, 3, 4, 1.5])
def test_upscale_equals_the_library(picture, scale):
    target = picture.with_name("out.png")
    assert main(["upscale", str(picture), str(target), "--model", "bicubic", "--scale", str(scale)]) == 0
    expected = images.to_uint8(bicubic(scale)(images.read(picture)))
    assert torch.equal(images.to_uint8(images.read(target)), expected)


def test_upscale_in_tiles_with_ensemble_changes_nothing_for_bicubic(picture):
    plain, other = picture.with_name("plain.png"), picture.with_name("other.png")
    assert main(["upscale", str(picture), str(plain), "--scale", "3", *BICUBIC]) == 0
    assert main(["upscale", str(picture), str(other), "--scale", "3", *BICUBIC, "--tile", "8", "--ensemble"]) == 0
    assert (images.read(plain) - images.read(other)).abs().max() <= 1.01 / 255


@pytest.mark.parametrize("model", ["edsr_small", "espcn"])  # RGB and luma
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", [[], ["--tile", "9"], ["--ensemble"]])
def test_a_network_from_a_file(tmp_path, trained, model, channels, options):
    path, source, target = trained(model, 2), tmp_path / "in.png", tmp_path / "out.png"
    images.write(source, torch.rand(channels, 17, 11))
    assert main(["upscale", str(source), str(target), "--model", str(path), *options]) == 0
    sr = upscale(checkpoints.load(path), images.read(source), ensemble="--ensemble" in options).clamp(0, 1)
    result = images.read(target)
    assert result.shape == (1, channels, 34, 22)
    torch.testing.assert_close(result, sr, atol=0.51 / 255, rtol=0)


def test_the_default_is_a_network_at_4(picture, shipped):
    target = picture.with_name("out.png")
    assert main(["upscale", str(picture), str(target)]) == 0
    expected = upscale(checkpoints.load(shipped / "edsr_small_x4.safetensors"), images.read(picture)).clamp(0, 1)
    torch.testing.assert_close(images.read(target), expected, atol=0.51 / 255, rtol=0)


@pytest.mark.parametrize("model", ["mdsr", "FILE"])
@pytest.mark.parametrize("scale", [2, 3])
def test_a_network_for_several_scales(picture, shipped, model, scale):
    target, file = picture.with_name("out.png"), shipped / "mdsr_x234.safetensors"
    model = str(file) if model == "FILE" else model
    assert main(["upscale", str(picture), str(target), "--model", model, "--scale", str(scale)]) == 0
    expected = upscale(checkpoints.load(file, scale), images.read(picture)).clamp(0, 1)
    torch.testing.assert_close(images.read(target), expected, atol=0.51 / 255, rtol=0)


def test_interpolators_enlarge_by_4_when_nothing_is_said(picture):
    target = picture.with_name("out.png")
    assert main(["upscale", str(picture), str(target), *BICUBIC]) == 0
    assert images.read(target).shape == (1, 3, 52, 88)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--scale", "3"], "edsr_small is shipped for ×2, ×4; give one of these scales"),
        (["--scale", "1.5"], "edsr_small needs a whole --scale, got 1.5; interpolators such as bicubic take any"),
        (["--model", "espcn"], "espcn is shipped for ×3"),
        (
            ["--model", "edrs"],
            "no model 'edrs'; there are nearest, bilinear, bicubic, lanczos, edsr_small, espcn, mdsr",
        ),
        (["--model", "X4", "--scale", "2"], "×4"),
        (["--model", "nowhere.safetensors"], "nowhere.safetensors: no such file"),
        (["--model", "weights.pth"], "only .safetensors is read"),
    ],
)
def test_networks_that_are_not_there(picture, shipped, fails, words, message):
    words = [str(shipped / "edsr_small_x4.safetensors") if word == "X4" else word for word in words]
    assert message in fails("upscale", picture, picture.with_name("out.png"), *words)
    assert not picture.with_name("out.png").exists()


def test_upscale_keeps_depth_alpha_and_profile(tmp_path):
    pixels, alpha = torch.rand(1, 3, 9, 11), torch.rand(1, 1, 9, 11)
    images.save(tmp_path / "deep.png", images.Photo(pixels, alpha, bits=16, icc=SRGB))
    target = tmp_path / "out.png"
    assert main(["upscale", str(tmp_path / "deep.png"), str(target), "--model", "nearest", "--scale", "2"]) == 0
    result = images.load(target)
    assert result.bits == 16 and result.icc == SRGB
    torch.testing.assert_close(result.pixels, nearest(2)(pixels), atol=1e-4, rtol=0)
    assert result.alpha.shape == (1, 1, 18, 22)


@pytest.mark.parametrize("channels", [1, 3])
def test_networks_keep_depth_and_alpha(tmp_path, trained, channels):
    pixels, alpha = torch.rand(1, channels, 9, 11), torch.rand(1, 1, 9, 11)
    images.save(tmp_path / "deep.png", images.Photo(pixels, alpha, bits=16))
    path, target = trained("espcn", 2), tmp_path / "out.png"
    assert main(["upscale", str(tmp_path / "deep.png"), str(target), "--model", str(path)]) == 0
    result = images.load(target)
    assert result.bits == 16
    torch.testing.assert_close(result.pixels, upscale(checkpoints.load(path), pixels).clamp(0, 1), atol=1e-4, rtol=0)
    torch.testing.assert_close(result.alpha, bicubic(2)(alpha).clamp(0, 1), atol=1e-4, rtol=0)


def test_upscale_one_pixel_and_a_thread(tmp_path):
    for size in [(1, 1), (3, 100_000)]:
        images.write(tmp_path / "thin.png", torch.full((3, *size), 0.2))
        assert main(["upscale", str(tmp_path / "thin.png"), str(tmp_path / "out.png"), "--scale", "2", *BICUBIC]) == 0
        result = images.read(tmp_path / "out.png")
        assert result.shape == (1, 3, 2 * size[0], 2 * size[1]) and (result == 0.2).all()


@pytest.mark.parametrize("model", ["edsr_small", "espcn"])
def test_one_pixel_through_a_network(tmp_path, trained, model):
    images.write(tmp_path / "dot.png", torch.full((3, 1, 1), 0.2))
    assert (
        main(["upscale", str(tmp_path / "dot.png"), str(tmp_path / "out.png"), "--model", str(trained(model, 3))]) == 0
    )
    assert images.read(tmp_path / "out.png").shape == (1, 3, 3, 3)


def test_a_folder_goes_on_after_a_bad_file(tmp_path, capsys):
    source = tmp_path / "in"
    source.mkdir()
    images.write(source / "a.png", torch.rand(3, 5, 7))
    (source / "b.png").write_text("no picture")
    images.write(source / "c.bmp", torch.rand(3, 6, 4))
    assert main(["upscale", str(source), str(tmp_path / "out"), "--scale", "2", *BICUBIC]) == 2
    assert "b.png" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.bmp"]


def test_a_folder_of_grey_and_colour_through_a_network(tmp_path, trained):
    source = tmp_path / "in"
    source.mkdir()
    images.write(source / "colour.png", torch.rand(3, 5, 7))
    images.write(source / "grey.png", torch.rand(1, 6, 4))
    assert main(["upscale", str(source), str(tmp_path / "out"), "--model", str(trained("edsr_small", 2))]) == 0
    assert images.read(tmp_path / "out" / "colour.png").shape == (1, 3, 10, 14)
    assert images.read(tmp_path / "out" / "grey.png").shape == (1, 1, 12, 8)


def test_bad_input_is_one_line_with_the_name_and_leaves_the_output(tmp_path, bad_files, fails):
    target = tmp_path / "out.png"
    target.write_bytes(b"an older result")
    for path in bad_files:
        if not path.is_dir():
            assert path.name in fails("upscale", path, target, *BICUBIC)
            assert target.read_bytes() == b"an older result"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "out.png"]


def test_sixteen_bits_or_alpha_into_jpeg_is_refused_before_the_work(tmp_path, fails):
    images.save(tmp_path / "deep.png", images.Photo(torch.rand(1, 3, 5, 5), bits=16))
    assert "8 bits" in fails("upscale", tmp_path / "deep.png", tmp_path / "out.jpg", *BICUBIC)
    images.save(tmp_path / "alpha.png", images.Photo(torch.rand(1, 3, 5, 5), alpha=torch.rand(1, 1, 5, 5)))
    assert "transparency" in fails("upscale", tmp_path / "alpha.png", tmp_path / "out.jpg", *BICUBIC)


def test_folders_that_cannot_work(tmp_path, fails):
    source = tmp_path / "in"
    source.mkdir()
    assert "no pictures" in fails("upscale", source, tmp_path / "out", *BICUBIC)
    images.write(source / "a.png", torch.rand(3, 5, 7))
    assert "choose another folder" in fails("upscale", source, source, *BICUBIC)
    (tmp_path / "file").write_text("")
    assert "must be a folder too" in fails("upscale", source, tmp_path / "file", *BICUBIC)


# `srlib upscale` in another process that says when it is in the middle of something, and stays there.
STOPS = {
    "tiles": "import srlib.commands.enlarge as e; e.upscale = lambda *_, progress, **__: progress(1, 2) or stop()",
    "writing": "import os; os.replace = lambda *paths: stop()",
}
PROGRAM = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background have it ignored
def stop():
    print("here", flush=True)
    time.sleep(3600)
{stop}
from srlib.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupted_run_leaves_no_broken_file(tmp_path, trained, picture):
    model = trained("edsr_small", 2)
    runs = []
    for where, number in itertools.product(STOPS, (signal.SIGINT, signal.SIGKILL)):
        older = (where == "writing") == (number == signal.SIGINT)  # each place and each signal with one and without
        folder = tmp_path / f"{where}{number}"
        folder.mkdir()
        shutil.copy(picture, folder / "in.png")
        if older:
            (folder / "out.png").write_bytes(b"an older result")
        words = ["upscale", folder / "in.png", folder / "out.png", "--model", model, "--tile", "8"]
        command = [sys.executable, "-c", PROGRAM.format(stop=STOPS[where]), *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        runs.append((folder, number, older, subprocess.Popen(command, **pipes)))
    for folder, number, older, process in runs:
        with process:
            assert process.stdout.readline() == "here\n"
            process.send_signal(number)
            error = process.stderr.read()
            process.wait(PATIENCE / 1000)
        names = sorted(path.name for path in folder.iterdir())
        if number == signal.SIGINT:
            assert (process.returncode, error) == (130, "srlib: interrupted\n")
            assert names == ["in.png"] + ["out.png"] * older
        else:
            assert [name for name in names if not name.startswith(".")] == ["in.png"] + ["out.png"] * older
        if older:
            assert (folder / "out.png").read_bytes() == b"an older result"


def folder_of(path, **pictures):
    path.mkdir()
    for name, picture in pictures.items():
        images.write(path / f"{name}.png", picture)
    return path


def test_a_network_that_gives_no_numbers_ends_with_one_line(tmp_path, trained, fails):
    net = checkpoints.build("espcn", 3)
    with torch.no_grad():
        list(net.parameters())[-1][0] = float("nan")
    checkpoints.save(net, tmp_path / "bad_x3.safetensors", {"model": "espcn", "scale": 3})
    source = folder_of(tmp_path / "in", a=torch.rand(3, 5, 7), b=torch.rand(3, 5, 7))
    words = ["--model", tmp_path / "bad_x3.safetensors"]
    assert "bad_x3.safetensors gives NaN or infinity for a.png" in fails("upscale", source, tmp_path / "out", *words)
    assert "bad_x3.safetensors gives" in fails("upscale", source / "a.png", tmp_path / "a.png", *words)
    assert not [*tmp_path.glob("out/*")] and not (tmp_path / "a.png").exists()


def test_after_a_break_only_what_is_missing_is_done(tmp_path, capsys):
    source = folder_of(tmp_path / "in", a=torch.rand(3, 5, 7), b=torch.rand(3, 6, 4), c=torch.rand(1, 3, 3))
    words = ["upscale", str(source), str(tmp_path / "out"), *BICUBIC, "--skip-existing"]
    assert main(words) == 0 and capsys.readouterr().err == ""
    (tmp_path / "out" / "b.png").unlink()
    (tmp_path / "out" / "a.png").write_bytes(b"kept as it is")
    assert main(words) == 0
    assert capsys.readouterr().err == "srlib: skipped: 2 of 3 pictures, whose results are there\n"
    assert (tmp_path / "out" / "a.png").read_bytes() == b"kept as it is"
    assert images.read(tmp_path / "out" / "b.png").shape == (1, 3, 24, 16)


def test_formats_and_qualities(tmp_path, fails):
    smooth = bicubic(8)(torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    source = folder_of(tmp_path / "in", a=smooth)
    sizes = {}
    for quality in (20, 90):
        words = ["--format", "jpg", "--quality", str(quality), *BICUBIC]
        assert main(["upscale", str(source), str(tmp_path / str(quality)), *words]) == 0
        sizes[quality] = (tmp_path / str(quality) / "a.jpg").stat().st_size
    assert sizes[20] < sizes[90] / 2
    assert main(["upscale", str(source / "a.png"), str(tmp_path / "b.webp"), "--quality", "20", *BICUBIC]) == 0
    assert "--quality is for JPEG and WebP; the results are PNG" in fails(
        "upscale", source, tmp_path / "out", "--quality", 90, *BICUBIC
    )


def test_pictures_under_another_formats_name_all_come_out(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    alpha = images.Photo(torch.rand(1, 3, 5, 7), alpha=torch.rand(1, 1, 5, 7))
    for name, photo in (("clear.jpg", alpha), ("deep.jpg", images.Photo(torch.rand(1, 1, 5, 7), bits=16))):
        images.save(source / "fresh.png", photo)
        (source / "fresh.png").rename(source / name)
    images.write(source / "fresh.jpg", torch.rand(3, 5, 7))
    (source / "fresh.jpg").rename(source / "jpeg.png")
    assert main(["upscale", str(source), str(tmp_path / "out"), *BICUBIC]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clear.png", "deep.png", "jpeg.png"]
    assert images.load(tmp_path / "out" / "clear.png").alpha is not None
    assert images.load(tmp_path / "out" / "deep.png").bits == 16


def test_more_pixels_than_can_be_read_again_are_refused_before_the_work(picture, fails, monkeypatch):
    target = picture.with_name("out.png")
    monkeypatch.setattr("srlib.io.codecs.MAX_PIXELS", 16 * 13 * 22 - 1)
    message = fails("upscale", picture, target, "--scale", 4, *BICUBIC)
    assert "88 x 52 pixels" in message and "use a smaller --scale" in message and not target.exists()
    monkeypatch.setattr("srlib.io.codecs.MAX_PIXELS", 16 * 13 * 22)
    assert main(["upscale", str(picture), str(target), "--scale", "4", *BICUBIC]) == 0
    assert images.read(target).shape[-2:] == (52, 88)  # what was written can be read


def test_shards_together_do_the_whole_folder(tmp_path):
    source = folder_of(tmp_path / "in", **{f"p{i}": torch.rand(3, 5, 4 + i) for i in range(5)})
    for i in (2, 3, 1):
        assert main(["upscale", str(source), str(tmp_path / "out"), "--shard", f"{i}/3", *BICUBIC]) == 0
    assert [images.read(tmp_path / "out" / f"p{i}.png").shape[-1] for i in range(5)] == [16, 20, 24, 28, 32]
    assert main(["upscale", str(source), str(tmp_path / "none"), "--shard", "6/6", *BICUBIC]) == 0


def test_the_bar_counts_the_pixels_of_the_whole_folder(tmp_path, monkeypatch):
    source = folder_of(tmp_path / "in", a=torch.rand(3, 5, 7), b=torch.rand(3, 40, 30))
    (source / "c.png").write_bytes(b"no picture")
    seen = []

    class Bar:
        def __init__(self, *, total, **_):
            self.total, self.n = total, 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            seen.append((self.n, self.total))

        def update(self, count):
            assert count >= 0
            self.n += count

        def set_description_str(self, text, **_):
            seen.append(text)

        def clear(self):
            seen.append("clear")

    monkeypatch.setattr("srlib.commands.upscale.Bar", Bar)
    monkeypatch.setattr("srlib.commands.upscale.quiet", lambda: False)
    assert main(["upscale", str(source), str(tmp_path / "out"), "--tile", "16", *BICUBIC]) == 2
    assert seen == ["1/3 a.png", "2/3 b.png", "3/3 c.png", "clear", (1235, 1235)]


def test_a_full_disk_stops_a_folder_and_one_large_picture_does_not(tmp_path, monkeypatch, capsys):
    source = folder_of(tmp_path / "in", a=torch.rand(3, 5, 7), b=torch.rand(3, 9, 9), c=torch.rand(3, 5, 7))

    def full(path, content):
        raise OSError(28, "No space left on device")

    def large(net, lr, **options):
        if lr.shape[-1] == 9:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")
        return upscale(net, lr, **options)

    with monkeypatch.context() as patch:
        patch.setattr("srlib.io.atomic.write", full)
        assert main(["upscale", str(source), str(tmp_path / "out"), *BICUBIC]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "a.png" in error and "No space left" in error
    monkeypatch.setattr("srlib.commands.enlarge.upscale", large)
    assert main(["upscale", str(source), str(tmp_path / "out"), *BICUBIC]) == 2
    assert capsys.readouterr().err == "srlib: b.png: not enough memory; try a smaller --tile or picture\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]
