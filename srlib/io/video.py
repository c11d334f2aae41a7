"""Video files read frame by frame, with their times and colours, upright; whatever is wrong is one line.

PyAV, which brings FFmpeg, is asked for only when a file is opened.
"""

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from torch import Tensor

from srlib.io.stated_size import stated_size
from srlib.io.video_colours import Colours, colours_of, sampling, to_image
from srlib.io.video_files import Frame, Header, VideoError, explained, library, turn

_PICTURES = ("image2", "_pipe")  # names of FFmpeg's readers of single pictures
_TOLERANCE = Fraction(1, 20)  # seconds that may lack at the end of a Matroska file, beside two frames
_ARBITRARY = 0x0200  # AVFMT_TS_DISCONT: clocks that begin anywhere, as a broadcast's


class Reader:
    """An open video file; a context manager.

    Its `header` says what it is; `patched` counts the frames so far in which FFmpeg has covered damage.

    Args:
        path: of a file that FFmpeg reads.

    Raises: VideoError for a file that is missing, no video, a picture, sound alone, cut off, or without frames.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path, self.patched = Path(path), 0
        library()
        with explained(self.path, "not a video that FFmpeg can read"):
            if not self.path.is_file():
                raise VideoError("no such file" if not self.path.exists() else "is no file")
            self._check_size(stated_size(self.path))
            # "file:", since a name such as a:b.mp4 would be an address; a playlist may not fetch from a network
            self.container = library().open(f"file:{self.path}", options={"protocol_whitelist": "file,crypto,data"})
        try:
            with explained(self.path, "damaged video"):
                self._begin()
        except BaseException:
            self.container.close()
            raise

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def _begin(self) -> None:
        if any(name in self.container.format.name for name in _PICTURES):
            raise VideoError("is a picture, not a video; give the output the name of a picture, such as out.png")
        videos = [stream for stream in self.container.streams.video if not _is_cover(stream)]
        if not videos:
            has = sorted({_called(stream) for stream in self.container.streams})
            raise VideoError(f"has no moving picture, only {', '.join(has)}" if has else "has no moving picture")
        self.stream = stream = videos[0]
        if stream.codec_context is None:
            raise VideoError("its video cannot be decoded by this FFmpeg")
        stream.thread_type = "AUTO"
        self.others = [other for other in self.container.streams if other.type in ("audio", "subtitle")]
        self._check_index()
        self._shift = self.container.start_time or 0 if self.container.format.flags & _ARBITRARY else 0
        self._seen, self._decoded, self._waiting, self._end = 0, self._decode(), [], Fraction(0)
        self._first = next(self._decoded, None)
        if self._first is None:
            raise VideoError("has no frames")
        self.header = self._header(self._first)

    def _header(self, frame: Any) -> Header:
        stream, notes = self.stream, []
        self._turn = turn(frame)
        transpose = bool(self._turn and self._turn[0])
        aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        rate = stream.average_rate or stream.guessed_rate
        seconds = stream.duration * stream.time_base if stream.duration else _told(stream.metadata.get("DURATION"))
        seconds = seconds or _seconds(self.container.duration)
        size = (frame.width, frame.height)[:: -1 if transpose else 1]
        colours = _colours(frame)
        if self._turn is None:
            notes.append(f"is turned by {frame.rotation} degrees, which is left out")
        if any(part.is_alpha for part in frame.format.components):
            notes.append("may have transparency, which is left out")
        if frame.interlaced_frame:
            notes.append("is interlaced; its two fields are enlarged as one picture, so deinterlace it first")
        kept = [stream, *self.others]
        if left := [_called(other) for other in self.container.streams if other not in kept]:
            names = [f"{left.count(name)} of {name}" for name in dict.fromkeys(left)]
            notes.append(f"left out, beside its first video: {', '.join(names)}")
        return Header(
            *size, rate, stream.frames or (round(seconds * rate) if seconds and rate else None), stream.time_base,
            1 / aspect if transpose else aspect, colours, sampling(frame.format), tuple(notes),
        )  # fmt: skip

    def frames(self, other: Callable[[Any], None] | None = None) -> Iterator[Frame]:
        """All frames in the order in which they are shown; once.

        Args:
            other: called with each packet of sound and subtitles, as they come between the frames.

        Raises: VideoError for a file that is damaged or ends too early, and for a frame of another size.
        """
        with explained(self.path, "damaged video"):
            size, last, frame = (self._first.width, self._first.height), None, self._first
            step = max(1, round(1 / (self.header.rate * self.header.time_base))) if self.header.rate else 1
            while frame is not None:
                if (frame.width, frame.height) != size:
                    raise VideoError(
                        f"frame {self._seen} has {frame.width} x {frame.height} pixels, those before it {size[0]} x "
                        f"{size[1]}; cut it there"
                    )
                pts = frame.pts if frame.pts is not None else 0 if last is None else last + step
                last = pts if last is None else max(pts, last + 1)  # an encoder takes no two frames at one time
                self._hand_over(other)
                yield Frame(self._upright(frame), last, frame.duration or 0)
                self._first = frame = None  # not to hold it while the next is decoded
                frame = next(self._decoded, None)
            self._hand_over(other)
            self._check_index()
            self._check_end()

    def _upright(self, frame: Any) -> Tensor:
        pixels = to_image(frame, _colours(frame))
        transpose, *flips = self._turn or (False, False, False)
        pixels = pixels.mT if transpose else pixels
        return pixels.flip([dim for dim, flip in zip((-2, -1), flips, strict=True) if flip]).contiguous()

    def _hand_over(self, other: Callable[[Any], None] | None) -> None:
        for packet in self._waiting if other else ():
            other(packet)
        self._waiting.clear()

    def _decode(self) -> Iterator[Any]:
        """The decoded frames; packets of others wait until they are handed over."""
        av = library()
        for packet in self.container.demux():
            if packet.pts is not None:
                self._end = max(self._end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream not in (self.stream, *self.others):
                continue
            if self._shift and packet.time_base:
                ticks = round(Fraction(self._shift, 1_000_000) / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - ticks
                packet.dts = None if packet.dts is None else packet.dts - ticks
            if packet.stream != self.stream:
                if packet.dts is not None:
                    self._waiting.append(packet)
                continue
            try:
                found = packet.decode()
            except av.InvalidDataError as error:
                if not self._seen:  # a recording may begin between two pictures that stand for themselves
                    continue
                raise VideoError(f"damaged after frame {self._seen} ({error.strerror})") from error
            for frame in found:
                self._seen += 1
                self.patched += frame.is_corrupt
                yield frame

    def _check_index(self) -> None:
        """Refuse a file that is shorter than its own table of contents says."""
        for stream in (self.stream, *self.others):
            self._check_size(max((each.pos + each.size for each in stream.index_entries if each.size > 0), default=0))

    def _check_end(self) -> None:
        """Refuse a Matroska file that ends before the time it states, as after damage."""
        stated = _seconds(self.container.duration)
        if "matroska" in self.container.format.name and stated:
            missing = stated - self._end
            if missing > _TOLERANCE + (2 / self.header.rate if self.header.rate else 0):
                raise VideoError(
                    f"damaged after frame {self._seen}: its last {float(missing):.2f} seconds are not found"
                )

    def _check_size(self, needed: int) -> None:
        if needed > (size := self.path.stat().st_size):
            raise VideoError(f"is cut off: {size} of at least {needed} bytes are there")


def _colours(frame: Any) -> Colours:
    try:
        return colours_of(frame)
    except ValueError as error:
        raise VideoError(str(error)) from error


def _is_cover(stream: Any) -> bool:
    """Whether it is one still picture beside sound."""
    return bool(stream.disposition & library().stream.Disposition.attached_pic)


def _called(stream: Any) -> str:
    """What a track is called in a message."""
    return {"audio": "sound", "subtitle": "subtitles"}.get(stream.type, "cover" if _is_cover(stream) else stream.type)


def _told(clock: str | None) -> Fraction | None:
    """Seconds of 00:01:02.500000000, as Matroska has it."""
    words = (clock or "").split(":")
    try:
        return sum((Fraction(word) * unit for word, unit in zip(words, (3600, 60, 1), strict=True)), Fraction(0))
    except ValueError:
        return None


def _seconds(microseconds: int | None) -> Fraction | None:
    return Fraction(microseconds, 1_000_000) if microseconds else None
