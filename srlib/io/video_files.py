"""What reading and writing videos share: PyAV itself, the error, a frame, what a file says of its frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from torch import Tensor

from srlib.io.video_colours import Colours

# What a video may be called; whether it is one, FFmpeg says.
SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".ts", ".mts", ".m2ts", ".vob"),
    *(".wmv", ".flv", ".3gp", ".ogv", ".y4m", ".mxf", ".h264", ".264", ".hevc", ".h265", ".ivf", ".nut"),
)


OLDEST = 18  # PyAV that tells colours and tables of contents, and unpacks in one thread


class VideoError(ValueError):
    """A file cannot be read or written as a video; the one-line message names the file."""


@dataclass(frozen=True)
class Frame:
    """One picture of a video.

    Args:
        pixels: RGB (1, 3, h, w) in [0, 1], or grey (1, 1, h, w), upright.
        pts: when it is shown, in `Header.time_base`.
        duration: for how long, in the same unit; 0 where nothing says it.
    """

    pixels: Tensor
    pts: int
    duration: int = 0


@dataclass(frozen=True)
class Header:
    """What a video says about itself.

    Args:
        width, height: upright, in pixels.
        rate: frames a second, on average; None where nothing says it.
        frames: how many there are about; None where nothing says it.
        time_base: seconds of a unit of `Frame.pts`.
        aspect: width of an upright pixel through its height.
        colours, sampling: as of the first frame; sampling is "420", "422", "444", ...
        notes: what is not kept, a line each.
    """

    width: int
    height: int
    rate: Fraction | None
    frames: int | None
    time_base: Fraction
    aspect: Fraction
    colours: Colours
    sampling: str
    notes: tuple[str, ...] = ()


def library() -> Any:
    """PyAV.

    Raises: VideoError where it is not installed, or too old to say what is needed of a file.
    """
    try:
        import av
    except ImportError:
        raise VideoError(f'videos need PyAV, which is not installed: pip install "av>={OLDEST}"') from None
    if int(av.__version__.partition(".")[0]) < OLDEST:
        raise VideoError(f'videos need PyAV {OLDEST}, and {av.__version__} is installed: pip install "av>={OLDEST}"')
    return av


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """What FFmpeg raises within becomes one line with the name of the file.

    Raises: VideoError.
    """
    av = library()
    try:
        yield
    except VideoError as error:
        raise VideoError(f"{path}: {error}") from error.__cause__
    except (av.FFmpegError, OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise VideoError(f"{path}: {doing} ({reason})") from error


def turn(frame: Any) -> tuple[bool, bool, bool] | None:
    """What makes a frame upright: transpose first, flip rows, flip columns; None for a turn by no multiple of 90°."""
    found = [data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"]
    if not found:
        return False, False, False
    a, b, _, c, d, *_ = memoryview(bytes(found[0])).cast("i")  # x' = a·x + c·y, y' = b·x + d·y
    if not (b or c) and a and d:
        return False, d < 0, a < 0
    if not (a or d) and b and c:
        return True, b < 0, c < 0
    return None
