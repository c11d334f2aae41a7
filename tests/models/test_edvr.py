"""EDVR: published sizes, a start that is known, alignment that can follow motion, any size of picture."""

import pytest
import torch
import torch.nn.functional as F

from srlib.models.edvr import EDVR, Attention, edvr_l, edvr_m
from srlib.video.alignment import Alignment


def count(net):
    return sum(weight.numel() for weight in net.parameters())


@pytest.mark.parametrize(
    ("make", "published"),
    [
        (edvr_m, 3_300_131),
        (lambda: EDVR(attention=False), 2_996_259),
        (edvr_l, 20_633_827),
        (lambda: EDVR(width=128, blocks=40, attention=False), 19_419_875),
        (lambda: EDVR(frames=7), 3_316_515),
        (lambda: EDVR(width=128, blocks=40, frames=7), 20_699_363),
        (lambda: Alignment(width=64), 1_384_288),
        (lambda: Alignment(width=128), 4_537_184),
        (lambda: Attention(width=64, frames=5), 324_416),
        (lambda: Attention(width=128, frames=5), 1_296_000),
    ],
)
def test_sizes_are_those_of_the_authors_code(make, published):
    with torch.device("meta"):
        assert count(make()) == published


def small(**settings):
    return EDVR(**({"frames": 3, "width": 8, "blocks": 1, "extract": 1, "groups": 2} | settings)).eval()


def test_without_residuals_it_is_bilinear_of_the_centre():
    net = small()
    torch.nn.init.zeros_(net.tail[-1].weight)
    torch.nn.init.zeros_(net.tail[-1].bias)
    clip = torch.rand(2, 3, 3, 9, 14)
    expected = F.interpolate(clip[:, 1], scale_factor=4, mode="bilinear", align_corners=False)
    inside = (..., slice(None, -8), slice(None, -8))  # beyond the border, the last pixels are repeated
    torch.testing.assert_close(net(clip)[inside], expected[inside])


@pytest.mark.parametrize("size", [(8, 12), (9, 11), (3, 5), (1, 1)])
@pytest.mark.parametrize("attention", [True, False])
def test_sides_need_not_be_multiples_of_four(size, attention):
    net = small(attention=attention)
    clip = torch.rand(1, 3, 3, *size)
    padded = F.pad(clip[0], (0, -size[1] % 4, 0, -size[0] % 4), mode="replicate")[None]
    assert net(clip).shape == (1, 3, 4 * size[0], 4 * size[1])
    torch.testing.assert_close(net(clip), net(padded)[..., : 4 * size[0], : 4 * size[1]])


def test_a_picture_that_moves_by_whole_blocks_is_enlarged_in_its_new_place():
    torch.manual_seed(0)
    net = small(width=4, attention=False)
    for layer in (net.align.deform, *(level.deform for level in net.align.levels)):
        torch.nn.init.normal_(layer.guide.weight, std=0.02)
    big = torch.rand(1, 3, 3, 100, 108)
    with torch.no_grad():
        here, there = net(big[..., :-4, :-8]), net(big[..., 4:, 8:])
    margin = 4 * 40  # where the border is felt
    expected = here[..., margin + 16 : -margin, margin + 32 : -margin]
    found = there[..., margin : -margin - 16, margin : -margin - 32]
    assert expected.numel() > 0
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_likeness_is_a_product_of_features_pixel_by_pixel():
    net = Attention(width=8, frames=3)
    aligned = torch.randn(2, 3, 8, 8, 12)
    found = net.likeness(aligned)
    own = net.of_centre(aligned[:, 1])
    for k in range(3):
        expected = (net.of_frame(aligned[:, k]) * own).sum(1, keepdim=True).sigmoid()
        torch.testing.assert_close(found[:, k], expected)


def test_coarse_offsets_count_twice_at_the_finer_size():
    """With layers that pass motion on, an offset of 1 at a quarter of the size is one of 4 at full size."""
    net = Alignment(width=4, groups=1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.levels[0].compare.bias[0] = 1.0
        net.levels[0].refine[0].weight[0, 0, 1, 1] = 1.0
        for level in net.levels[1:]:
            level.refine[0].weight[0, 4, 1, 1] = 1.0  # the motion of the coarser size stands after one's own
            level.refine[1].weight[0, 0, 1, 1] = 1.0
    features = [torch.zeros(1, 4, 16 // 2**k, 24 // 2**k) for k in range(3)]
    motion = None
    for k, level in enumerate(net.levels):
        motion = level(features[2 - k], features[2 - k], motion)
        assert (motion[0][:, 0] == 2.0**k).all()


def test_clips_and_scales_that_do_not_fit():
    net = small()
    for shape in [(1, 3, 8, 8), (1, 5, 3, 8, 8), (1, 3, 1, 8, 8)]:
        with pytest.raises(ValueError, match=r"lr must be \(N, 3, 3, h, w\), RGB"):
            net(torch.rand(shape))
    with pytest.raises(TypeError, match="see srlib.images"):
        net(torch.zeros(1, 3, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="frames must be odd"):
        EDVR(frames=4)
    with pytest.raises(ValueError, match="scale must be one of 4"):
        EDVR(scale=2)
