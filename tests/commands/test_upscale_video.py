"""`srlib upscale` on videos and on folders of frames: networks, cuts, memory, a sudden end."""

import signal
import subprocess
import sys
from fractions import Fraction

import pytest

pytest.importorskip("av")
import torch  # noqa: E402
from torch import nn  # noqa: E402

from srlib import checkpoints, images  # noqa: E402
from srlib.cli import main  # noqa: E402
from srlib.inference import upscale  # noqa: E402
from srlib.io.video import Reader  # noqa: E402
from srlib.models.edvr_small import GrownEDSR, edvr_small  # noqa: E402
from srlib.models.interpolators import bicubic  # noqa: E402
from srlib.video.clips import window  # noqa: E402
from tests.conftest import PATIENCE  # noqa: E402
from tests.io import clips  # noqa: E402

BICUBIC = ("--model", "bicubic", "--scale", "2")


def pixels_of(path):
    with Reader(path) as reader:
        return [frame.pixels for frame in reader.frames()]


@pytest.fixture
def clip(tmp_path):
    """Eight frames of 48 x 36, with sound; whole chroma and no loss."""
    return clips.write(tmp_path / "in.mkv", clips.moving(), layout="yuv444p", matrix=6, sound="aac")


@pytest.fixture
def grown(tmp_path):
    """A network of five frames, to which its neighbours matter; the file."""
    torch.manual_seed(0)
    net = GrownEDSR(scale=2, blocks=1, width=8, inner=4, tail="light")
    nn.init.normal_(net.fuse.weight, std=0.3)
    return checkpoints.save(net, tmp_path / "grown_x2.safetensors", {"model": "edvr_small", "scale": 2})


def expected(net, frames, scenes):
    """What a network makes of frames whose scenes have these lengths, clamped."""
    found, start = [], 0
    for length in scenes:
        for place in range(length):
            seen = [frames[start + k] for k in window(place, length, 5, "reflect")]
            found.append(upscale(net, torch.stack(seen, 1)).clamp(0, 1))
        start += length
    return found


def apart(found, wanted):
    """The largest of the mean differences of frames, in 255ths."""
    return max(float((a - b).abs().mean()) * 255 for a, b in zip(found, wanted, strict=True))


def test_a_video_equals_the_library(clip, tmp_path, capsys):
    out = tmp_path / "out.mkv"
    assert main(["upscale", str(clip), str(out), *BICUBIC, "--crf", "0"]) == 0
    assert capsys.readouterr() == ("", "")
    wanted = [bicubic(2)(frame).clamp(0, 1) for frame in pixels_of(clip)]
    assert apart(pixels_of(out), wanted) < 0.7  # rounding of Y'CbCr
    assert clips.times(out) == clips.times(clip) and clips.packets(out) == clips.packets(clip)
    assert clips.read(out)[1]["rate"] == 25


@pytest.mark.parametrize("model", ["espcn", "edsr_small"])
@pytest.mark.parametrize("options", [[], ["--tile", "20"], ["--ensemble"]])
def test_networks_of_one_frame(clip, tmp_path, trained, model, options):
    path, out = trained(model, 2), tmp_path / "out.mkv"
    assert main(["upscale", str(clip), str(out), "--model", str(path), "--crf", "0", *options]) == 0
    net = checkpoints.load(path)
    wanted = [upscale(net, frame, ensemble="--ensemble" in options).clamp(0, 1) for frame in pixels_of(clip)]
    assert apart(pixels_of(out), wanted) < 0.7


@pytest.mark.parametrize("options", [[], ["--tile", "24"], ["--no-cuts"]])
def test_a_network_of_several_frames(clip, tmp_path, grown, options):
    out, net = tmp_path / "out.mkv", checkpoints.load(grown)
    assert main(["upscale", str(clip), str(out), "--model", str(grown), "--crf", "0", *options]) == 0
    frames = pixels_of(clip)
    assert apart(pixels_of(out), expected(net, frames, [8])) < 0.7
    alone = [upscale(net, torch.stack([frame] * 5, 1)).clamp(0, 1) for frame in frames]
    assert apart(alone, expected(net, frames, [8])) > 1.5  # the neighbours are seen


def test_self_ensemble_of_several_frames(tmp_path, grown):
    clip, out = clips.write(tmp_path / "in.mkv", clips.moving(2), layout="yuv444p"), tmp_path / "out.mkv"
    assert main(["upscale", str(clip), str(out), "--model", str(grown), "--crf", "0", "--ensemble"]) == 0
    net, frames = checkpoints.load(grown), pixels_of(clip)
    seen = [torch.stack([frames[k] for k in window(place, 2, 5, "reflect")], 1) for place in range(2)]
    assert apart(pixels_of(out), [upscale(net, one, ensemble=True).clamp(0, 1) for one in seen]) < 0.7


def test_edvr_small_at_4(clip, tmp_path):
    torch.manual_seed(0)
    path = checkpoints.save(edvr_small(4), tmp_path / "edvr_small_x4.safetensors", {"model": "edvr_small", "scale": 4})
    out = tmp_path / "out.mp4"
    assert main(["upscale", str(clip), str(out), "--model", str(path)]) == 0
    decoded, _ = clips.read(out)
    assert len(decoded) == 8 and (decoded[0].width, decoded[0].height) == (192, 144)


def two_scenes():
    """Five frames of one scene and four of another."""
    torch.manual_seed(3)
    first = nn.functional.interpolate(torch.rand(1, 3, 4, 6), size=(36, 64), mode="bicubic").clamp(0, 1) * 0.6
    second = nn.functional.interpolate(torch.rand(1, 3, 4, 6), size=(36, 64), mode="bicubic").clamp(0, 1) * 0.6 + 0.4
    return [first[..., k : k + 48] for k in range(5)] + [second[..., 2 * k : 2 * k + 48] for k in range(4)]


@pytest.mark.parametrize("cuts", [True, False])
def test_windows_do_not_cross_a_cut(tmp_path, grown, cuts):
    source, out = tmp_path / "in.mkv", tmp_path / "out.mkv"
    clips.write(source, [frame[0].numpy() for frame in two_scenes()], layout="yuv444p")
    words = ["--model", str(grown), "--crf", "0", *([] if cuts else ["--no-cuts"])]
    assert main(["upscale", str(source), str(out), *words]) == 0
    net, frames, found = checkpoints.load(grown), pixels_of(source), pixels_of(out)
    assert (apart(found, expected(net, frames, [5, 4])) < 0.7) == cuts
    assert (apart(found, expected(net, frames, [9])) < 0.7) != cuts


def test_a_folder_of_frames_is_a_clip_in_its_natural_order(tmp_path, grown):
    source, out, frames = tmp_path / "in", tmp_path / "out", two_scenes()
    source.mkdir()
    for k, frame in enumerate(frames):
        images.save(source / f"frame{k + 3}.png", images.Photo(frame, bits=16))  # frame9 comes before frame10
    net, words = checkpoints.load(grown), ["upscale", str(source), str(out), "--model", str(grown)]
    assert main(words) == 0
    found = [images.load(out / f"frame{k + 3}.png") for k in range(9)]
    assert {photo.bits for photo in found} == {16}
    assert apart([photo.pixels for photo in found], expected(net, frames, [5, 4])) < 0.01
    assert main([*words, "--no-cuts", "--tile", "24"]) == 0
    found = [images.read(out / f"frame{k + 3}.png") for k in range(9)]
    assert apart(found, expected(net, frames, [9])) < 0.01


def test_folders_below_are_clips_of_their_own(tmp_path, grown, capsys):
    frames, net = two_scenes()[:3], checkpoints.load(grown)
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for k, frame in enumerate(frames):
            images.save(tmp_path / "in" / name / f"{k}.png", images.Photo(frame, bits=16))
    words = ["upscale", str(tmp_path / "in"), str(tmp_path / "out"), "--model", str(grown), "--recursive"]
    assert main(words) == 0
    for name in ("a", "b"):
        found = [images.read(tmp_path / "out" / name / f"{k}.png") for k in range(3)]
        assert apart(found, expected(net, frames, [3])) < 0.01
    (tmp_path / "out" / "a" / "1.png").unlink()
    (tmp_path / "out" / "b" / "2.png").write_bytes(b"kept as it is")
    capsys.readouterr()
    assert main([*words, "--skip-existing"]) == 0
    assert capsys.readouterr().err == "srlib: skipped: 5 of 6 pictures, whose results are there\n"
    assert apart([images.read(tmp_path / "out" / "a" / "1.png")], expected(net, frames, [3])[1:2]) < 0.01
    assert (tmp_path / "out" / "b" / "2.png").read_bytes() == b"kept as it is"


def test_grey_frames_among_others_and_one_frame_alone(tmp_path, grown, capsys):
    source = tmp_path / "in"
    source.mkdir()
    images.write(source / "0.png", torch.rand(3, 9, 11))
    assert main(["upscale", str(source), str(tmp_path / "out"), "--model", str(grown)]) == 0
    assert "0.png: is a clip of one frame, which the network sees 5 times\n" in capsys.readouterr().err
    images.write(source / "1.png", torch.rand(1, 9, 11))
    assert main(["upscale", str(source), str(tmp_path / "out"), "--model", str(grown)]) == 0
    assert images.read(tmp_path / "out" / "1.png").shape[-2:] == (18, 22)


def test_what_a_network_of_several_frames_refuses(tmp_path, picture, grown, fails):
    words = ["--model", grown]
    assert (
        "grown_x2.safetensors takes clips of 5 frames, and here are pictures: one; choose another model, or give"
        in (fails("upscale", picture, tmp_path / "out.png", *words))
    )
    source = tmp_path / "in"
    source.mkdir()
    for k, width in ((1, 11), (2, 11), (10, 12), (11, 12)):
        images.write(source / f"f{k}.png", torch.rand(3, 9, width))
    message = "f10.png: has 12 x 9 pixels, and f1.png has 11 x 9; the frames of a clip have one size"
    assert message in fails("upscale", source, tmp_path / "out", *words)
    assert "--shard shares pictures" in fails("upscale", source, tmp_path / "out", *words, "--shard", "1/2")
    (source / "f10.png").write_text("no picture")
    assert "f10.png: not a picture" in fails("upscale", source, tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


def test_words_that_do_not_fit_a_video(clip, tmp_path, fails):
    (tmp_path / "frames").mkdir()
    images.write(tmp_path / "picture.png", torch.rand(3, 9, 9))
    for words, message in (
        ([clip, "out.png"], "is a video, and out.png is not the name of one; use .mp4, .m4v, .mov, .mkv, .webm"),
        ([clip, "out.avi"], "out.avi is not the name of one"),
        ([clip, "-"], "a video is not read from or written into a pipe"),
        ([clip, clip], "is the input file; choose another output"),
        ([clip, clip, tmp_path], "one video at a time"),
        ([clip, tmp_path / "no" / "out.mp4"], "no folder"),
        ([tmp_path / "frames", "out.mp4"], "frames go into a folder"),
        ([tmp_path / "missing.mp4", "out.mp4"], "missing.mp4: no such file"),
        ([tmp_path / "picture.png", "out.mp4"], "picture.png: is a picture, not a video; give the output the name of"),
        ([clip, "out.mp4", "--quality", 90], "--quality is for pictures; a video has --crf"),
        ([clip, "out.mp4", "--shard", "1/2"], "--recursive and --shard are for folders of pictures"),
        ([clip, "out.mp4", "--crf", 52], "'52' is not a constant rate factor between 0 and 51"),
        ([tmp_path / "picture.png", "out.png", "--crf", 5], "--crf is for videos, and here are pictures"),
    ):
        assert message in fails("upscale", *words, *BICUBIC)


def test_without_pyav_a_video_is_one_line(clip, tmp_path, fails, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert 'videos need PyAV, which is not installed: pip install "av>=18"' in fails(
        "upscale", clip, tmp_path / "out.mp4", *BICUBIC
    )


def test_into_a_folder_and_only_what_is_missing(clip, tmp_path, capsys):
    assert main(["upscale", str(tmp_path / "missing.mp4"), f"{tmp_path / 'new'}/", *BICUBIC]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "new").exists()
    assert main(["upscale", str(clip), f"{tmp_path / 'new'}/", *BICUBIC]) == 0
    assert main(["upscale", str(clip), str(tmp_path / "new"), *BICUBIC, "--skip-existing"]) == 0
    assert capsys.readouterr().err == f"srlib: skipped: {tmp_path / 'new' / 'in.mkv'}, which is there\n"
    other = clips.write(tmp_path / "other.avi", clips.moving(2), codec="mpeg4")
    assert main(["upscale", str(other), str(tmp_path / "new"), *BICUBIC]) == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["in.mkv", "other.mkv"]


def test_what_is_left_out_is_told(tmp_path, capsys):
    source = clips.write(tmp_path / "in.mp4", clips.moving(2), sound="aac")
    assert main(["upscale", str(source), str(tmp_path / "out.webm"), *BICUBIC]) == 0
    assert capsys.readouterr().err == (
        "srlib: in.mp4: webm cannot hold its sound (aac), which is left out; write .mkv to keep it\n"
    )


def test_a_fractional_scale_and_odd_sides(tmp_path):
    source = clips.write(tmp_path / "in.mp4", clips.moving(3), aspect=Fraction(4, 3))
    assert main(["upscale", str(source), str(tmp_path / "out.mp4"), "--model", "bicubic", "--scale", "1.6"]) == 0
    decoded, about = clips.read(tmp_path / "out.mp4")
    assert (decoded[0].width, decoded[0].height, decoded[0].format.name) == (77, 58, "yuv444p")
    assert about["aspect"] == Fraction(4, 3) and len(decoded) == 3


# The peak of a process that enlarges 40 frames, and then 200: what grows with the length would be seen.
PEAKS = """
import resource, sys
from srlib.cli import main
assert "av" not in sys.modules  # loaded where a video is opened
peaks = []
for name in sys.argv[1:]:
    assert main(["upscale", name, "out.mp4", *"--model bicubic --scale 2 --crf 30".split()]) == 0
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks[-1] - peaks[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="kilobytes of ru_maxrss")
def test_memory_does_not_grow_with_the_length(tmp_path):
    frames = clips.moving(10, 72, 96)
    for count in (40, 200):
        clips.write(tmp_path / f"{count}.mp4", (frames * 20)[:count], sound="aac")
    words = [sys.executable, "-c", PEAKS, "40.mp4", "200.mp4"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 8_000  # 160 frames of 192 x 144 as floats are 53 MB, and as bytes 13 MB


# `srlib upscale` in another process that says when it has written five frames, and stays there.
PROGRAM = """
import signal, sys, time
from srlib.io.video_writer import Writer
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background have it ignored
plain, written = Writer.write, []
def write(self, *words):
    plain(self, *words)
    written.append(words)
    if len(written) == 5:
        print("here", flush=True)
        time.sleep(3600)
Writer.write = write
from srlib.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_sudden_end_leaves_no_broken_file(clip, tmp_path):
    runs = []
    for number in (signal.SIGINT, signal.SIGKILL):
        folder = tmp_path / str(int(number))
        folder.mkdir()
        if number == signal.SIGKILL:
            (folder / "out.mp4").write_bytes(b"an older result")
        words = [sys.executable, "-c", PROGRAM, "upscale", clip, folder / "out.mp4", *BICUBIC]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        runs.append((folder, number, subprocess.Popen(words, **pipes)))
    for folder, number, process in runs:
        with process:
            assert process.stdout.readline() == "here\n"
            process.send_signal(number)
            error = process.stderr.read()
            process.wait(PATIENCE / 1000)
        names = sorted(path.name for path in folder.iterdir())
        if number == signal.SIGINT:
            assert (process.returncode, error, names) == (130, "srlib: interrupted\n", [])
        else:
            hidden = [name for name in names if name != "out.mp4"]
            assert all(name.startswith(".") and name.endswith(".part") for name in hidden)
            assert (folder / "out.mp4").read_bytes() == b"an older result"


def test_a_network_that_gives_no_numbers_leaves_no_video(clip, tmp_path, fails):
    net = checkpoints.build("espcn", 3)
    with torch.no_grad():
        list(net.parameters())[-1][0] = float("nan")
    checkpoints.save(net, tmp_path / "bad_x3.safetensors", {"model": "espcn", "scale": 3})
    words = ["--model", tmp_path / "bad_x3.safetensors"]
    assert "bad_x3.safetensors gives NaN or infinity for in.mkv" in fails("upscale", clip, tmp_path / "o.mp4", *words)
    assert not (tmp_path / "o.mp4").exists() and not [*tmp_path.glob(".*")]


def test_the_bar_counts_frames(clip, tmp_path, monkeypatch):
    seen = []

    class Bar:
        def __init__(self, **words):
            seen.append((words["total"], words["unit"], words["desc"]))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, count):
            seen.append(count)

    monkeypatch.setattr("srlib.commands.video.Bar", Bar)
    assert main(["upscale", str(clip), str(tmp_path / "out.mkv"), *BICUBIC]) == 0
    assert seen == [(8, "frame", "in.mkv"), *[1] * 8]
