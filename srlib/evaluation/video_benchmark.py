"""The scores of video networks that ship: on which clips, under which protocols, by which names on their cards."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from srlib.data import clip_folders, datasets
from srlib.evaluation import benchmark
from srlib.evaluation.clips import ClipProtocol, evaluate_clip, is_large_enough, made_name, made_scores, mean_of_clips
from srlib.metrics import PAPER

VID4 = "Vid4"
PROTOCOLS = (ClipProtocol(pictures=PAPER, first=3, last=9), ClipProtocol())  # the second: as papers have it
STILLS = (benchmark.PHOTOGRAPHS, *benchmark.SETS)  # of which clips are made

Clips = Mapping[str, Sequence[Tensor]]
Stills = Sequence[tuple[str, Tensor]]


def sets_here(net: nn.Module) -> dict[str, Stills | Clips]:
    """What a network can be scored on: stills to make clips of, the evaluation photographs first; and Vid4, if here.

    Sets without a still that is large enough are left out.

    Shapes: stills (name, hr (1, C, H, W)); clips name -> frames (1, C, H, W).
    Raises: ImageError for a picture that cannot be read; ValueError for a clip whose frames are not alike;
        FileNotFoundError without the photographs of scikit-image.
    """
    found: dict = {benchmark.PHOTOGRAPHS: [(name, datasets.photo(name)) for name in datasets.EVAL_PHOTOS]}
    for name, pictures in benchmark.sets_here().items():
        if any(is_large_enough(hr, net, net.scale) for _, hr in pictures):
            found[name] = pictures
    if place := clip_folders.find_in(datasets.search_path(), VID4):
        found[VID4] = {clip: clip_folders.frames_of(folder) for clip, folder in clip_folders.clips_in(place).items()}
    return found


def scored(net: nn.Module, name: str, content: Stills | Clips) -> dict[str, dict[str, float]]:
    """PSNR and SSIM of a network on one of `sets_here`: {name that tells the protocol: scores}.

    Raises: as `made_scores` and `evaluate_clip`.
    """
    if name != VID4:
        return made_scores(net, {name: content}, [net.scale])[str(net.scale)]
    found = {}
    for protocol in PROTOCOLS:
        scores = mean_of_clips({clip: evaluate_clip(net, frames, protocol) for clip, frames in content.items()})
        found[vid4_name(protocol, net.scale)] = {"psnr": scores.psnr, "ssim": scores.ssim}
    return found


def vid4_name(protocol: ClipProtocol, scale: int) -> str:
    """Of a score on a card."""
    return f"{VID4}, {protocol.describe(scale)}"


def names(scale: int) -> list[str]:
    """Of all scores that a card can have, in its order."""
    return [*map(made_name, STILLS), *(vid4_name(protocol, scale) for protocol in PROTOCOLS)]
