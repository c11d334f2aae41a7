"""Videos in and out: colours of every matrix and range, times, odd sizes, rotation, sound, and files that are none."""

import itertools
import os
import sys
from fractions import Fraction

import pytest

pytest.importorskip("av")
import av  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from srlib import images  # noqa: E402
from srlib.io import video_files  # noqa: E402
from srlib.io.stated_size import stated_size  # noqa: E402
from srlib.io.video import Reader  # noqa: E402
from srlib.io.video_colours import Colours, colours_of, fill, to_image  # noqa: E402
from srlib.io.video_files import VideoError  # noqa: E402
from srlib.io.video_writer import FORMATS, layout, writing  # noqa: E402
from tests.conftest import every  # noqa: E402
from tests.io import clips  # noqa: E402

PATTERN = clips.pattern(36, 48)


def frames_of(path):
    with Reader(path) as reader:
        return list(reader.frames()), reader.header


def copied(source, target, **options):
    """Every frame of a video into another, as it is."""
    with Reader(source) as reader:
        size = reader.header.height, reader.header.width
        with writing(target, size, reader, **options) as writer:
            for frame in reader.frames(writer.copy):
                writer.write(frame.pixels, frame.pts, frame.duration)
    return writer


def inner(difference):
    """Of the six patches of the pattern, what lies away from their borders."""
    height, width = difference.shape[-2] // 2, difference.shape[-1] // 3
    return difference.reshape(-1, 2, height, 3, width)[:, :, 3:-3, :, 3:-3]


def check_colours(folder, matrix, full, told, bits):
    path = folder / f"{matrix}{full}{told}{bits}.mkv"
    name = "yuv420p" if bits == 8 else "yuv420p10le"
    clips.write(path, [PATTERN] * 3, layout=name, matrix=matrix, full=full, tagged=told)
    (frame, *_), header = frames_of(path)
    assert (header.colours.matrix, header.colours.full, header.colours.bits) == (matrix, full, bits)
    assert inner(np.abs(frame.pixels[0].numpy() - PATTERN)).max() < (2 if bits == 8 else 0.6) / 255
    copied(path, folder / "out.mp4", crf=4)
    (first, *_), _ = clips.read(folder / "out.mp4")
    assert (first.colorspace, first.color_range) == (matrix, 2 if full else 1)  # told, whatever the size
    assert first.format.name.endswith("10le") == (bits == 10)
    assert inner(np.abs(clips.shown(first) - PATTERN)).max() < 2.6 / 255  # 8 bits twice, and the encoder


def test_colours_of_every_matrix_and_range_come_back(tmp_path):
    cases = [(tmp_path, *case, True, 8) for case in itertools.product((1, 6), (False, True))]
    every(check_colours, [*cases, (tmp_path, 1, False, True, 10), (tmp_path, 6, True, True, 10)])


def test_what_is_untold_is_601_when_small_and_709_when_large(tmp_path):
    check_colours(tmp_path, 6, False, False, 8)
    for (height, width), matrix in {(576, 720): 6, (720, 1280): 1, (578, 64): 1, (64, 1280): 1}.items():
        found = colours_of(av.VideoFrame(width, height, "yuv420p"))
        assert (found.matrix, found.full) == (matrix, False)
    large = clips.write(tmp_path / "large.mkv", [clips.pattern(580, 48)], matrix=1, tagged=False)
    (frame,), _ = frames_of(large)
    difference = np.abs(frame.pixels[0].numpy() - clips.pattern(580, 48))
    assert inner(difference).max() < 2 / 255


def test_bt601_and_bt709_by_hand():
    """Pure red: Y' = 16 + 219·Kr, Cr = 128 + 112; full range: 255·Kr."""
    red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    for matrix, full, expected in ((6, False, (81.481, 90.203, 240)), (1, False, (62.559, 102.336, 240)),
                                   (6, True, (76.245, 84.972, 255.5)), (1, True, (54.213, 98.784, 255.5))):  # fmt: skip
        colours = Colours(matrix, full, 8)
        found = colours.from_rgb(red)
        assert [plane.item() for plane in found] == pytest.approx(expected, abs=2e-3)
        torch.testing.assert_close(colours.to_rgb(*found), red, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name, packed", [("yuv420p", "nv12"), ("yuv422p", "yuyv422"), ("yuv420p10le", "p010le")])
@pytest.mark.parametrize("full", [False, True])
def test_packed_formats_are_their_planar_ones(name, packed, full):
    plain = clips.frame_of(np.random.default_rng(0).random((3, 38, 46)), name, 1, full)
    plain.colorspace, plain.color_range = 1, 1 + full
    other = plain.reformat(format=packed, src_color_range=1 + full, dst_color_range=1 + full)
    other.colorspace, other.color_range = 1, 1 + full
    assert torch.equal(to_image(plain, colours_of(plain)), to_image(other, colours_of(other)))


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("size", [(37, 23), (1, 1), (2, 5)])
def test_smooth_pictures_come_back_from_any_sampling_and_size(name, size):
    ramp = torch.linspace(0.3, 0.6, size[1]).expand(1, 3, *size) * torch.tensor([1.0, 0.8, 1.2]).view(1, 3, 1, 1)
    frame = av.VideoFrame(size[1], size[0], name)
    colours = Colours(1, False, 10 if "10" in name else 8)
    frame.colorspace = 1
    fill(frame, ramp, colours)
    found = to_image(frame, colours_of(frame))
    assert found.shape == ramp.shape and (found - ramp).abs().max() < 2.6 / 255
    with pytest.raises(ValueError, match="expected .* pixels, got shape"):
        fill(frame, ramp[..., :0], colours)


def test_formats_of_rgb_and_grey():
    frame = av.VideoFrame.from_ndarray(np.uint8([[[255, 100, 0], [0, 0, 77]]]), "rgb24")
    for name in ("gbrp", "bgra", "rgb48be"):
        other = frame.reformat(format=name)
        found = to_image(other, colours_of(other))[0, :, 0].T * 255
        torch.testing.assert_close(found, torch.tensor([[255.0, 100, 0], [0, 0, 77]]), atol=1.1, rtol=0)
    grey = av.VideoFrame.from_ndarray(np.uint8([[0, 51, 255]]), "gray")
    torch.testing.assert_close(to_image(grey, colours_of(grey)), torch.tensor([[[[0, 0.2, 1.0]]]]))


def test_grey_stays_grey(tmp_path):
    level = np.linspace(0.1, 0.9, 48)[None, None].repeat(36, 1).repeat(3, 0)
    copied(clips.write(tmp_path / "grey.mp4", [level] * 2, layout="gray"), tmp_path / "out.mp4")
    (frame, *_), _ = frames_of(tmp_path / "out.mp4")
    assert frame.pixels.shape == (1, 1, 36, 48)
    assert np.abs(frame.pixels[0].numpy() - level).max() < 3 / 255


def test_times_count_rate_and_aspect_are_kept(tmp_path):
    pts = [0, 3, 4, 9, 10, 11, 20, 26]
    source = clips.write(
        tmp_path / "in.mp4", clips.moving(), pts=pts, time_base=Fraction(1, 600), aspect=Fraction(16, 11)
    )
    for ending in (".mp4", ".mov", ".mkv"):
        target = tmp_path / f"out{ending}"
        copied(source, target)
        exact = ending in (".mp4", ".mov")  # Matroska counts milliseconds
        wanted = [Fraction(k, 600) for k in pts]
        assert clips.times(target) == pytest.approx(wanted, abs=0 if exact else 0.00051)
        assert clips.read(target)[1]["aspect"] == Fraction(16, 11)
    with pytest.raises(VideoError, match=r"out\.webm: .*its pixels are 16:11, .* write \.mp4, \.mov or \.mkv"):
        copied(source, tmp_path / "out.webm")
    steady = clips.write(tmp_path / "steady.mp4", clips.moving(), rate=Fraction(30000, 1001))
    copied(steady, tmp_path / "out.mp4")
    assert clips.read(tmp_path / "out.mp4")[1]["rate"] == Fraction(30000, 1001)
    assert clips.times(tmp_path / "out.mp4") == clips.times(steady)


def test_broadcasts_begin_at_zero_with_their_sound(tmp_path):
    source = clips.write(tmp_path / "in.ts", clips.moving(), sound="aac")
    copied(source, tmp_path / "out.mkv")
    with av.open(str(source)) as container:
        start = Fraction(container.start_time, 1_000_000)
    assert clips.times(tmp_path / "out.mkv") == pytest.approx([t - start for t in clips.times(source)], abs=0.001)
    assert len(clips.packets(tmp_path / "out.mkv")) == len(clips.packets(source))


@pytest.mark.parametrize("ending, name", [(".mp4", "yuv444p"), (".mkv", "yuv444p"), (".webm", "yuv420p")])
def test_odd_sizes_lose_and_add_nothing(tmp_path, ending, name):
    across, down = np.linspace(0.2, 0.8, 37), np.linspace(1, 0.5, 23)[:, None]
    wide = [np.stack([across * down, 0.9 - across * down, 0.5 * down + 0 * across])] * 3
    source, target = clips.write(tmp_path / "in.webm", wide, codec="libvpx-vp9", crf="4"), tmp_path / f"out{ending}"
    copied(source, target, crf=4)
    decoded, _ = clips.read(target)
    assert {(frame.width, frame.height, frame.format.name) for frame in decoded} == {(37, 23, name)}
    assert np.abs(frames_of(target)[0][2].pixels[0].numpy() - wide[2]).mean() < 2 / 255  # a column is 4


def test_the_format_that_loses_least():
    cases = {
        ("420", 8, (36, 48)): "yuv420p", ("420", 10, (36, 48)): "yuv420p10le", ("422", 8, (35, 48)): "yuv422p",
        ("422", 8, (36, 47)): "yuv444p", ("444", 12, (35, 47)): "yuv444p10le", ("411", 8, (36, 48)): "yuv420p",
        ("420", 8, (36, 47)): "yuv444p", ("420", 8, (35, 48)): "yuv444p",
    }  # fmt: skip
    assert {case: layout("libx264", *case) for case in cases} == cases
    assert layout("libvpx-vp9", "420", 10, (35, 47)) == "yuv420p"
    with pytest.raises(VideoError, match="this PyAV has no encoder h999; write another of .mp4"):
        layout("h999", "420", 8, (36, 48))


def test_bits_that_a_container_cannot_hold_are_told(tmp_path):
    source = clips.write(tmp_path / "in.mkv", clips.moving(2), layout="yuv420p10le")
    assert copied(source, tmp_path / "out.mp4").notes == []
    assert copied(source, tmp_path / "out.webm").notes == ["10 bits become 8; write .mp4, .mov or .mkv to keep 10"]
    deep = clips.write(tmp_path / "deep.mkv", [clips.frame_of(PATTERN).reformat(format="yuv420p12le")] * 2,
                       layout="yuv420p12le", codec="ffv1")  # fmt: skip
    assert copied(deep, tmp_path / "out.mp4").notes == ["12 bits become 10"]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", [False, True])
def test_turned_videos_come_out_upright(tmp_path, rotation, flip):
    corner = np.zeros((3, 36, 48))
    corner[:, :18, :24] = 1
    source = clips.write(tmp_path / "in.mp4", [corner] * 2, rotation=rotation, flip=flip, aspect=Fraction(4, 3))
    seen = np.rot90(corner[0], rotation // 90)  # against the clock, and then from left to right
    seen = seen[:, ::-1] if flip else seen
    (frame, *_), header = frames_of(source)
    assert np.abs(frame.pixels[0, 0].numpy() - seen).max() < 0.02
    assert header.aspect == (Fraction(3, 4) if rotation % 180 else Fraction(4, 3))
    copied(source, tmp_path / "out.mp4")
    (first, *_), about = clips.read(tmp_path / "out.mp4")
    assert first.rotation == 0 and about["aspect"] == header.aspect
    assert np.abs(clips.shown(first)[0] - seen)[4:-4, 4:-4].mean() < 0.03


def test_a_matrix_that_is_none_is_one_line(tmp_path):
    source = clips.write(tmp_path / "in.mkv", clips.moving(2), layout="yuv444p", matrix=6)
    with av.open(str(source)) as old, av.open(str(tmp_path / "ycgco.mkv"), "w") as new:
        stream = new.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 36, "yuv444p"
        stream.codec_context.colorspace = 8
        for frame in old.decode(video=0):
            new.mux(stream.encode(frame))
        new.mux(stream.encode())
    with pytest.raises(VideoError, match=r"ycgco\.mkv: colours by matrix 8 of ITU-T H\.273 cannot be read; convert it"):
        Reader(tmp_path / "ycgco.mkv")


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not have")
@pytest.mark.parametrize("name", ["a:b.mp4", "100%d.mp4", "-x.mp4", "two words é.mp4"])
def test_names_that_mean_something_to_ffmpeg(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (clips.write(tmp_path / "plain.mp4", clips.moving(2))).rename(name)
    copied(name, f"out{name}")
    assert len(frames_of(f"out{name}")[0]) == 2


def test_a_turn_by_no_quarter_is_told(tmp_path):
    _, header = frames_of(clips.write(tmp_path / "in.mp4", clips.moving(2), rotation=45))
    assert header.notes == ("is turned by 45 degrees, which is left out",) and header.width == 48


@pytest.mark.parametrize("ending, sound", [(".mp4", "aac"), (".mkv", "libopus"), (".webm", "libopus"), (".mov", "aac")])
def test_sound_is_copied_to_the_byte(tmp_path, ending, sound):
    kinds = {"codec": "libvpx-vp9"} if ending == ".webm" else {}
    source, target = clips.write(tmp_path / f"in{ending}", clips.moving(), sound=sound, **kinds), f"out{ending}"
    writer = copied(source, tmp_path / target)
    assert clips.packets(source) == clips.packets(tmp_path / target) and writer.notes == []


def test_sound_that_a_container_cannot_hold_is_told(tmp_path):
    source = clips.write(tmp_path / "in.mp4", clips.moving(2), sound="aac")
    writer = copied(source, tmp_path / "out.webm")
    assert writer.notes == ["webm cannot hold its sound (aac), which is left out; write .mkv to keep it"]
    assert len(clips.read(tmp_path / "out.webm")[0]) == 2


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_a_cut_file_is_known_before_it_is_decoded(tmp_path, ending):
    codec = {".webm": "libvpx-vp9", ".avi": "mpeg4"}.get(ending, "libx264")
    whole = clips.write(tmp_path / f"in{ending}", clips.moving(20), codec=codec).read_bytes()
    assert stated_size(tmp_path / f"in{ending}") == len(whole)
    cut = tmp_path / f"cut{ending}"
    for share in (0.1, 0.5, 0.9, 0.99):
        cut.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(VideoError, match=rf"cut\{ending}: is cut off: {cut.stat().st_size} of at least \d+ bytes"):
            Reader(cut)


def test_what_is_no_video_is_one_line(tmp_path):
    images.write(tmp_path / "picture.png", torch.rand(3, 9, 9))
    (tmp_path / "picture.mp4").write_bytes((tmp_path / "picture.png").read_bytes())
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mkv").touch()
    (tmp_path / "folder.mp4").mkdir()
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        clips.speak(container, container.add_stream("aac", rate=48000), 0.2)
    with av.open(str(tmp_path / "hollow.mp4"), "w") as container:
        container.add_stream("libx264", rate=25).pix_fmt = "yuv420p"
        container.start_encoding()
    for name, words in {
        "missing.mp4": "no such file", "folder.mp4": "is no file", "text.mp4": "not a video that FFmpeg can read",
        "empty.mkv": "not a video that FFmpeg can read", "picture.png": "is a picture, not a video; give the output",
        "picture.mp4": "is a picture, not a video", "sound.mp4": "has no moving picture, only sound",
        "hollow.mp4": "has no moving picture",
    }.items():  # fmt: skip
        with pytest.raises(VideoError) as caught:
            Reader(tmp_path / name)
        assert words in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value)


def test_damage_inside_is_one_line_and_leaves_no_file(tmp_path):
    noise = np.random.default_rng(0).random((12, 3, 36, 48))
    whole = bytearray(clips.write(tmp_path / "in.mp4", list(noise)).read_bytes())
    place = whole.index(b"mdat") + len(whole) // 3
    whole[place : place + 3000] = bytes(3000)
    (tmp_path / "bad.mp4").write_bytes(whole)
    (tmp_path / "out.mp4").write_bytes(b"an older result")
    with pytest.raises(VideoError, match=r"bad\.mp4: damaged "):
        copied(tmp_path / "bad.mp4", tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"an older result"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.mp4", "in.mp4", "out.mp4"]


def test_a_size_that_changes_is_one_line(tmp_path):
    first = clips.write(tmp_path / "a.ts", clips.moving(3), codec="mpeg2video").read_bytes()
    second = clips.write(tmp_path / "b.ts", clips.moving(3, 48, 64), codec="mpeg2video").read_bytes()
    (tmp_path / "both.ts").write_bytes(first + second)
    with pytest.raises(VideoError, match=r"both\.ts: frame \d+ has 64 x 48 pixels, those before it 48 x 36; cut it"):
        frames_of(tmp_path / "both.ts")


def test_places_that_take_no_video(tmp_path):
    source = clips.write(tmp_path / "in.mp4", clips.moving(2))
    with Reader(source) as reader:
        for name, words in {
            "out.avi": f"cannot write .avi; use {', '.join(FORMATS)}",
            "no/out.mp4": "no folder",
        }.items():
            with pytest.raises(VideoError, match=words), writing(tmp_path / name, (36, 48), reader):
                raise AssertionError
        with pytest.raises(VideoError, match=r"out\.mp4: cannot write a video of 40000 x 40000 pixels there"):
            with writing(tmp_path / "out.mp4", (40_000, 40_000), reader):
                raise AssertionError
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_without_pyav_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VideoError, match=r'videos need PyAV, which is not installed: pip install "av>=18"'):
        video_files.library()


def test_a_pyav_that_is_too_old_is_one_line(monkeypatch):
    monkeypatch.setattr(av, "__version__", "14.0.1")
    with pytest.raises(VideoError, match=r"videos need PyAV 18, and 14\.0\.1 is installed: pip install"):
        video_files.library()
