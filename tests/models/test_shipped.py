"""What ships keeps colours as well as its kind should; a video network has from its neighbours what its card says."""

import itertools

import pytest
import torch

from srlib import checkpoints, metrics
from srlib.data import datasets
from srlib.evaluation.clips import CentreCopies, ClipProtocol, evaluate_clip, made_scores
from srlib.evaluation.flicker import made_flicker
from srlib.inference import upscale
from srlib.models.catalogue import CATALOGUE, TEXTURED, TRUE

CORNERS = list(itertools.product((0.0, 1.0), repeat=3))
FLAT = torch.tensor([*CORNERS, (0.25,) * 3, (0.5,) * 3, (0.75,) * 3, (0.9, 0.7, 0.6), (0.2, 0.5, 0.8), (0.3, 0.6, 0.2)])
EDGE = 7  # lr pixels; nearer to the border the padding is felt
SHIPPED = [
    (path, scale) for path in checkpoints.shipped() for scale in checkpoints.scales_of(checkpoints.read_card(path))
]
VIDEO = [pair for pair in SHIPPED if CATALOGUE[checkpoints.name_of(pair[0])].kind == "video"]
PHOTOGRAPHS = "evaluation photographs"
CONTROL = "edvr_small_alone"  # looks at the centre frame alone, and is there for comparison
SEEING = [pair for pair in VIDEO if checkpoints.name_of(pair[0]) != CONTROL]
of_video = pytest.mark.parametrize(("path", "scale"), VIDEO, ids=[f"{path.stem}-{scale}" for path, scale in VIDEO])

of_seeing = pytest.mark.parametrize(("path", "scale"), SEEING, ids=[f"{path.stem}-{scale}" for path, scale in SEEING])


def waves(height, width):
    """A grey picture with slopes in all directions."""
    rows, columns = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    plane = 0.5 + 0.22 * torch.sin(0.31 * rows + 0.17 * columns) + 0.18 * torch.cos(0.09 * rows - 0.4 * columns + 1)
    return plane.expand(1, 3, height, width)


def net_frames(net):
    return getattr(net, "frames", 1)


class Still(torch.nn.Module):
    """A network of clips for single pictures: all its frames are that picture."""

    channels = 3

    def __init__(self, net):
        super().__init__()
        self.net, self.scale = net, net.scale

    def forward(self, lr):
        return self.net(lr[:, None].expand(-1, self.net.frames, -1, -1, -1).contiguous())


def measured(net):
    """As `Colours`."""
    sr = upscale(net, FLAT[:, :, None, None].expand(-1, 3, 17, 19).contiguous()).clamp(0, 1)
    inside = sr[..., EDGE * net.scale : -EDGE * net.scale, EDGE * net.scale : -EDGE * net.scale]
    moved = 255 * (inside - FLAT[:, :, None, None]).abs().amax((1, 2, 3))
    grey = upscale(net, waves(37, 45)).clamp(0, 1)
    spread = 255 * (grey.amax(1) - grey.amin(1)).max()
    return moved.max().item(), spread.item(), moved[[0, 7]].max().item()


@pytest.mark.parametrize(("path", "scale"), SHIPPED, ids=[f"{path.stem}-{scale}" for path, scale in SHIPPED])
def test_colours_stay(path, scale):
    bound = CATALOGUE[checkpoints.name_of(path)].colours
    net = checkpoints.load(path, scale)
    flat, grey, ends = measured(net if net_frames(net) == 1 else Still(net))
    assert flat <= bound.flat and grey <= bound.grey and ends <= bound.ends, (flat, grey, ends)


def test_what_is_excused_is_not_held_tighter_than_its_kind():
    for name, entry in CATALOGUE.items():
        kind = TEXTURED if entry.kind == "textured" else TRUE
        assert entry.colours == kind if entry.tint is None else entry.tint != kind, name


class Tinting(torch.nn.Module):
    """Enlarges by repetition, and adds to one channel."""

    scale, channels = 2, 3

    def __init__(self, much):
        super().__init__()
        self.much = much

    def forward(self, lr):
        sr = lr.repeat_interleave(2, -1).repeat_interleave(2, -2)
        return sr + torch.tensor([0, self.much, 0])[:, None, None]


@pytest.mark.parametrize(("much", "found"), [(0.0, (0, 0, 0)), (4 / 255, (4, 4, 4)), (-9 / 255, (9, 9, 9))])
def test_a_tint_is_measured(much, found):
    assert measured(Tinting(much)) == pytest.approx(found, abs=1e-3)


def shifted(name, step, count=5, size=(160, 200)):
    """Frames of a photograph under a window that moves by whole hr pixels."""
    picture, (height, width) = datasets.photo(name), size
    tops, lefts = ([40 + n * k for k in range(count)] for n in step)
    return [picture[..., top : top + height, left : left + width] for top, left in zip(tops, lefts, strict=True)]


@of_video
def test_the_scores_on_a_video_network_s_card_are_found_again(path, scale):
    card, net = checkpoints.read_card(path), checkpoints.load(path, scale)
    pictures = {PHOTOGRAPHS: [(name, datasets.photo(name)) for name in datasets.EVAL_PHOTOS]}
    for key, shown in (("scores", net), ("copies", CentreCopies(net))):
        told, ((name, found),) = card[key][str(scale)], made_scores(shown, pictures, [scale])[str(scale)].items()
        assert told[name]["psnr"] == pytest.approx(found["psnr"], abs=0.01)
        assert told[name]["ssim"] == pytest.approx(found["ssim"], abs=0.001)
    assert card["scores"][str(scale)].keys() == card["copies"][str(scale)].keys()
    for name, row in card["scores"][str(scale)].items():
        gain = row["psnr"] - card["copies"][str(scale)][name]["psnr"]
        assert gain == 0 if checkpoints.name_of(path) == CONTROL else gain > 0.3, name


@of_video
def test_a_video_network_s_result_is_the_centre_frame_larger_whatever_its_size(path, scale):
    net = checkpoints.load(path, scale)
    for height, width in ((17, 30), (24, 19)):
        clip = torch.rand(2, net.frames, 3, height, width)
        with torch.no_grad():
            sr = net(clip)
            assert sr.shape == (2, 3, scale * height, scale * width) and sr.isfinite().all()
            torch.testing.assert_close(net(clip[:1]), sr[:1], atol=1e-4, rtol=0)


@of_video
def test_five_copies_do_not_fall_far_below_the_parent(path, scale):
    card, net = checkpoints.read_card(path), checkpoints.load(path, scale)
    parent = checkpoints.load(card["start"]["g"]["model"], scale)
    pictures = [(name, datasets.photo(name)[..., 40:240, 60:260]) for name in datasets.EVAL_PHOTOS]
    copies, alone = (metrics.evaluate(each, pictures).psnr for each in (Still(net), parent))
    assert copies > alone - 0.5


@of_seeing
@pytest.mark.parametrize("step", [(3, 2), (-1, 6), (5, -2)], ids=str)
def test_along_a_known_motion_neighbours_are_worth_something(path, scale, step):
    """The margin that tells a video network from one that looks at its centre frame alone."""
    net, protocol = checkpoints.load(path, scale), ClipProtocol(pictures=metrics.Protocol("y", 8), first=2, last=3)
    gains = []
    for name in datasets.EVAL_PHOTOS:
        hr = shifted(name, step)
        gains.append(evaluate_clip(net, hr, protocol).psnr - evaluate_clip(CentreCopies(net), hr, protocol).psnr)
    assert sum(gains) / len(gains) > 0.3 and min(gains) > 0.1


@of_video
def test_a_motion_by_whole_lr_pixels_shows_no_new_samples_and_adds_nothing(path, scale):
    net, protocol = checkpoints.load(path, scale), ClipProtocol(pictures=metrics.Protocol("y", 8), first=2, last=3)
    hr = shifted("chelsea", (scale, scale))
    assert abs(evaluate_clip(net, hr, protocol).psnr - evaluate_clip(CentreCopies(net), hr, protocol).psnr) < 0.15


@of_seeing
def test_neighbours_make_a_video_network_calmer(path, scale):
    stills, net = [datasets.photo(name) for name in ("chelsea", "coffee")], checkpoints.load(path, scale)
    assert made_flicker(net, stills) < 0.95 * made_flicker(CentreCopies(net), stills)
