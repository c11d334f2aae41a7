"""Video files written frame by frame, whole or not at all, with the times, colours and sound of another."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from torch import Tensor

from srlib.io import atomic
from srlib.io.video import Reader
from srlib.io.video_colours import BT709, RGB, Colours, fill
from srlib.io.video_files import VideoError, explained, library

# The ending -> FFmpeg's name of the container, and of the encoder.
FORMATS = {
    ".mp4": ("mp4", "libx264"), ".m4v": ("mp4", "libx264"), ".mov": ("mov", "libx264"),
    ".mkv": ("matroska", "libx264"), ".webm": ("webm", "libvpx-vp9"),
}  # fmt: skip
CRF = 10  # constant rate factor; at 12 and above, flat patches of a test pattern were up to 3.7/255 off, here 2.02
# x264 takes less care of chroma than of luma; four steps more keep colours
_OPTIONS = {
    "libx264": {"preset": "medium", "x264-params": "chroma-qp-offset=-4"},
    "libvpx-vp9": {"deadline": "good", "cpu-used": "3", "row-mt": "1"},
}


def check_target(path: str | os.PathLike) -> None:
    """Check before the work that a video can be written there.

    Raises: VideoError for an ending that is no container's, a missing folder, and what is there and no file.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise VideoError(f"{path}: cannot write {path.suffix or 'a video without an ending'}; use {', '.join(FORMATS)}")
    if not path.absolute().parent.is_dir():
        raise VideoError(f"{path}: no folder {path.parent}; create it first")
    if path.exists() and not path.is_file():
        raise VideoError(f"{path}: is no file that can be replaced")


def layout(encoder: str, sampling: str, bits: int, size: tuple[int, int]) -> str:
    """The format of pixels for an encoder that loses least: chroma as it was, 10 bits where there are more than 8.

    Half-size chroma needs even sides in H.264. An odd side gets whole chroma, "yuv444p", so that no column is added or
    lost; mpv, VLC and Chrome show it, QuickTime and Safari do not. VP9 has half-size chroma at any size.

    Args:
        size: (height, width) in pixels.

    Raises: VideoError for an encoder that this PyAV does not have, or that has no such format.
    """
    av = library()
    try:
        known = {each.name for each in av.codec.Codec(encoder, "w").video_formats or ()}
    except av.codec.codec.UnknownCodecError:
        raise VideoError(f"this PyAV has no encoder {encoder}; write another of {', '.join(FORMATS)}") from None
    wanted = {"422": ["422", "444", "420"], "444": ["444", "420"]}.get(sampling, ["420", "444"])
    odd = {"420": any(side % 2 for side in size), "422": size[1] % 2, "444": False}
    if encoder.startswith("libx264"):
        wanted = [each for each in wanted if not odd[each]] or ["444"]
    depths = ["10le", ""] if bits > 8 else [""]
    for name in (f"yuv{each}p{depth}" for depth in depths for each in wanted):
        if name in known:
            return name
    raise VideoError(f"{encoder} has none of the formats that are needed")


class Writer:
    """An open video file that is being written; `writing` makes it.

    Args:
        name: what errors call the file.
        path: where it is until it is whole.
        size, reader, crf: as for `writing`.

    Raises: VideoError for what cannot be encoded so.
    """

    def __init__(self, name: Path, path: Path, size: tuple[int, int], reader: Reader, crf: float) -> None:
        kind, encoder = FORMATS[name.suffix.lower()]
        header, self.notes, self._name = reader.header, [], name
        pixels = layout(encoder, header.sampling, header.colours.bits, size)
        self.colours = _written(header.colours, 10 if pixels.endswith("10le") else 8)
        if header.colours.bits > self.colours.bits:
            way = "" if self.colours.bits == 10 else "; write .mp4, .mov or .mkv to keep 10"
            self.notes.append(f"{header.colours.bits} bits become {self.colours.bits}{way}")
        self.container = library().open(f"file:{path}", "w", format=kind)
        rate = header.rate or Fraction(25)
        self.stream = self.container.add_stream(encoder, rate=rate, options={"crf": f"{crf:g}"} | _OPTIONS[encoder])
        self.stream.height, self.stream.width = size
        self.stream.pix_fmt = pixels
        if kind == "webm" and header.aspect != 1:  # PyAV has no way to tell it, and VP9 none to hold it
            ratio = f"{header.aspect.numerator}:{header.aspect.denominator}"
            raise VideoError(f"its pixels are {ratio}, which a .webm written here cannot say; write .mp4, .mov or .mkv")
        context = self.stream.codec_context
        context.time_base, context.sample_aspect_ratio = header.time_base, header.aspect
        context.colorspace, context.color_range = self.colours.matrix, 2 if self.colours.full else 1
        context.color_primaries, context.color_trc = self.colours.primaries, self.colours.transfer
        context.flags |= library().codec.context.Flags.frame_duration  # the last one, too, stays as long as it did
        self.stream.metadata.update(_kept(reader.stream.metadata))
        self.container.metadata.update(_kept(reader.container.metadata))
        self.copies = self._copies(reader, kind)
        self.container.set_chapters(reader.container.chapters())
        self.container.start_encoding()  # whoever refuses the size or the sound does it before the work

    def _copies(self, reader: Reader, kind: str) -> dict[int, Any]:
        """A track for each one beside the video that the container can hold, by the number of the original."""
        made, missing = {}, []
        for other in reader.others:
            try:
                made[other.index] = self.container.add_stream_from_template(other)
                made[other.index].metadata.update(_kept(other.metadata))
            except (ValueError, library().FFmpegError):
                codec = other.codec_context.name if other.codec_context else "unknown"
                missing.append(f"{ {'audio': 'sound'}.get(other.type, 'subtitles') } ({codec})")
        if missing:
            way = "write .mkv" if kind != "matroska" else "it stays in the input"
            self.notes.append(f"{kind} cannot hold its {', '.join(missing)}, which is left out; {way} to keep it")
        return made

    def copy(self, packet: Any) -> None:
        """Take over a packet of sound or subtitles as it is.

        Raises: VideoError where it cannot be written.
        """
        if (copy := self.copies.get(packet.stream.index)) is not None:
            packet.stream = copy
            with explained(self._name, "cannot be written"):
                self.container.mux(packet)

    def write(self, image: Tensor, pts: int, duration: int = 0) -> None:
        """Encode a frame.

        Args:
            image: RGB (1, 3, H, W) or grey (1, 1, H, W); clamped to [0, 1].
            pts, duration: in units of the reader's time base.

        Raises: ValueError for an image of another size; VideoError for what cannot be encoded or written.
        """
        frame = library().VideoFrame(self.stream.width, self.stream.height, self.stream.pix_fmt)
        fill(frame, image, self.colours)
        frame.colorspace, frame.color_range = self.colours.matrix, 2 if self.colours.full else 1
        frame.pts, frame.time_base = pts, self.stream.codec_context.time_base
        if duration:
            frame.duration = duration
        with explained(self._name, "cannot be written"):
            self.container.mux(self.stream.encode(frame))


@contextmanager
def writing(path: str | os.PathLike, size: tuple[int, int], reader: Reader, *, crf: float = CRF) -> Iterator[Writer]:
    """A `Writer` whose file gets its name when all of it is there; until then an old one stays as it is.

    Args:
        size: (height, width) of the frames in pixels.
        reader: of the video whose times, colours and sound it gets.
        crf: constant rate factor.

    Raises: VideoError as `check_target`, and for what cannot be encoded or written.
    """
    path = Path(path)
    check_target(path)
    with atomic.replacing(path) as partial:
        with explained(path, f"cannot write a video of {size[1]} x {size[0]} pixels there"):
            writer = Writer(path, partial, size, reader, crf)
        try:
            yield writer
            with explained(path, "cannot be written"):
                writer.container.mux(writer.stream.encode())
                writer.container.close()
        except BaseException:
            with suppress(Exception):  # what is left of it is thrown away
                writer.container.close()
            raise


def _written(colours: Colours, bits: int) -> Colours:
    """What is encoded: as it was read; RGB as BT.709, 16 to 235."""
    if colours.matrix == RGB:
        return Colours(BT709, False, bits, colours.primaries, colours.transfer)
    return Colours(colours.matrix, colours.full, bits, colours.primaries, colours.transfer)


def _kept(metadata: dict[str, str]) -> dict[str, str]:
    """Words about the content, without those about the file."""
    about_file = ("major_brand", "minor_version", "compatible_brands", "encoder", "handler_name", "vendor_id")
    skipped = (*about_file, "rotate")
    return {
        name: text
        for name, text in metadata.items()
        if name.lower() not in skipped and not name.upper().startswith(("DURATION", "NUMBER_OF_", "_STATISTICS", "BPS"))
    }
