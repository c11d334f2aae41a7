"""`srlib evaluate` on clips: what its words mean there, which folders are clips, and the scores."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from srlib import metrics
from srlib.commands.arguments import UsageError, quiet
from srlib.commands.progress import Bar
from srlib.commands.report import Report, reason_of
from srlib.data import clip_folders, datasets
from srlib.evaluation.clip_degradations import aligned, blurred_down
from srlib.evaluation.clips import ClipProtocol, evaluate_clip, mean_of_clips
from srlib.evaluation.flicker import FlickerScores, Motion, motions, warping_error
from srlib.scores import Scores

Nets = list[tuple[str, nn.Module]]
LeaveOut = Callable[[object], None]
DEGRADATIONS, ENDS = ("BI", "BD", "BD-aligned"), ("new", "reflect", "repeat")
BORDER = 0  # as papers on video have it; --border says otherwise
MISPLACED = "BD results are misplaced: (scale − 1)/2 pixels, 1.5 at ×4"


def add(command: argparse.ArgumentParser) -> None:
    """The options that only clips have."""
    option = command.add_argument_group("clips", "SET is a folder of folders of frames, such as Vid4, or one of frames")
    option = option.add_argument
    option("--degradation", choices=DEGRADATIONS, help=f"default: BI, bicubic. {MISPLACED}; BD-aligned moves them back")
    option("--frames", type=span, metavar="A:B", help="score frames A to B − 1, from 0: 3:9 (default: all)")
    option("--ends", choices=ENDS, help="what a network sees beyond the ends of a clip (default: new, as EDVR)")
    option("--flicker", action="store_true", help="also the warping error of consecutive frames, beside that of hr")


def span(text: str) -> tuple[int, int | None]:
    """Type of `--frames`: "3:9", "3:", ":9".

    Raises: ArgumentTypeError for anything else, and for no frames.
    """
    first, colon, last = text.partition(":")
    words = all(word == "" or word.isdecimal() for word in (first, last))
    found = (int(first or 0), int(last) if last else None) if colon and words else (0, 0)
    if found[1] is not None and found[1] <= found[0]:
        raise argparse.ArgumentTypeError(f"{text!r} is no range of frames such as 3:9, which is 3 to 8, counted from 0")
    return found


def given(options: argparse.Namespace) -> list[str]:
    """The options for clips that were given."""
    return [f"--{name}" for name in ("degradation", "frames", "ends", "flicker") if getattr(options, name)]


def clips_of(options: argparse.Namespace, on: Path, nets: Nets) -> dict[str, Path]:
    """The clips that are to be scored, name -> folder; none where SET is one of pictures.

    A folder of frames is a clip if a network takes clips, or an option for clips is given; else its pictures are
    scored one by one.

    Raises: UsageError for a file, and with --recursive; FileNotFoundError for a set that is not here.
    """
    takers = [f"{name} takes clips of {net.frames} frames" for name, net in nets if getattr(net, "frames", 1) > 1]
    why = (takers or [f"{word} is for clips" for word in given(options)] or [""])[0]
    if options.recursive:
        if why:
            raise UsageError(f"--recursive is for pictures, and {why}")
        return {}
    place = on if on.exists() else datasets.find_in(datasets.search_path(), str(on))
    place = place or clip_folders.find_in(datasets.search_path(), str(on)) or datasets.find(str(on))
    if place.is_dir() and (found := clip_folders.clips_in(place)):
        return found
    if not why:
        return {}
    if not place.is_dir():
        raise UsageError(f"{why}, and here are pictures: {place} is one; a clip is a folder of frames")
    return {place.parent.name if place.name == "HR" else place.resolve().name: place}


def reports(
    options: argparse.Namespace, name: str, clips: dict[str, Path], nets: Nets, left_out: LeaveOut
) -> Iterator[Report]:
    """Score all upscalers on all clips, clip by clip; what cannot be is left out, and the others are done.

    Args:
        name: of the set.

    Raises: UsageError for options that clips do not have; ValueError if nothing could be scored.
    """
    _check(options, nets)
    members = [_Member(label, aligned(net) if options.degradation == "BD-aligned" else net) for label, net in nets]

    def leave_out(reason: str) -> None:
        if len(clips) * len(members) == 1:
            raise ValueError(reason)
        left_out(reason)

    for clip, folder in Bar(clips.items(), total=len(clips), desc=name, unit="clip", leave=False, disable=quiet()):
        try:
            hr = clip_folders.frames_of(folder)
            along = motions(hr[slice(*(options.frames or (None, None)))]) if options.flicker else None
        except ValueError as error:
            leave_out(str(error))
            continue
        for member in members:
            try:
                member.score(clip, hr, _protocol(options, member.net), along)
            except ValueError as error:
                leave_out(f"{member.label}: {clip}: {reason_of(error)}")
    for member in members:
        if member.clips:
            told = mean_of_clips(member.clips)
            flicker = FlickerScores(told.protocol, tuple(member.flicker)) if options.flicker else None
            yield Report(member.label, name, told, flicker=flicker)


@dataclass
class _Member:
    """An upscaler, and what was found of it so far."""

    label: str
    net: nn.Module
    clips: dict[str, Scores] = field(default_factory=dict)
    flicker: list[dict] = field(default_factory=list)

    def score(self, clip: str, hr: list[Tensor], protocol: ClipProtocol, along: list[Motion] | None) -> None:
        """Add a clip, whole or not at all."""
        shown = _Shown(protocol.pictures)
        found = evaluate_clip(self.net, hr, protocol, each=None if along is None else shown)
        if along is not None:
            values = {"warping_error": warping_error(shown.sr, along), "hr": warping_error(shown.hr, along)}
            self.flicker.append({"name": clip} | values)
        self.clips[clip] = found


class _Shown:
    """Keeps what the protocol compares: luma, rounded."""

    def __init__(self, pictures: metrics.Protocol) -> None:
        self.pictures, self.sr, self.hr = pictures, [], []

    def __call__(self, sr: Tensor, hr: Tensor) -> None:
        self.sr.append(self.pictures.convert(sr))
        self.hr.append(self.pictures.convert(hr))


def _check(options: argparse.Namespace, nets: Nets) -> None:
    if options.perceptual:
        raise UsageError("--perceptual is for pictures; on clips there is --flicker")
    if options.flicker and options.frames and options.frames[1] == options.frames[0] + 1:
        raise UsageError("--flicker compares a frame with the next one, and --frames names a single one")
    if options.degradation not in (None, "BI"):
        for label, net in nets:
            if net.scale != int(net.scale):
                raise UsageError(f"{options.degradation} needs a whole --scale, got {net.scale} for {label}")


def _protocol(options: argparse.Namespace, net: nn.Module) -> ClipProtocol:
    name, (first, last) = options.degradation or "BI", options.frames or (0, None)
    pictures = metrics.Protocol(options.colour, BORDER if options.border is None else options.border)
    degrade = None if name == "BI" else partial(blurred_down, scale=net.scale)
    return ClipProtocol(degrade, name, pictures, first, last, options.ends or "new")
