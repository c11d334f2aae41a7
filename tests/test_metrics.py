"""metrics against scikit-image, hand-made values, and the published bicubic numbers."""

import math

import pytest
import torch
from skimage.metrics import structural_similarity

from srlib.data.datasets import find_in, images_of, search_path
from srlib.images import to_y
from srlib.metrics import PAPER, NotFiniteError, Protocol, compare, evaluate, mean_squared_error, psnr, ssim
from srlib.models.interpolators import bicubic
from srlib.resample import resize

PUBLISHED = {  # bicubic in the tables of VDSR, EDSR and RCAN, as the mean over each set under PAPER
    ("Set5", 2): 33.66, ("Set5", 3): 30.39, ("Set5", 4): 28.42,
    ("Set14", 2): 30.23, ("Set14", 3): 27.54, ("Set14", 4): 26.00,
    ("BSD100", 2): 29.56, ("BSD100", 3): 27.21, ("BSD100", 4): 25.96,
}  # fmt: skip


def test_psnr_known_values():
    hr = torch.zeros(2, 3, 5, 7)
    sr = hr.clone()
    sr[0] += 0.1
    values = psnr(sr, hr)
    assert values[0].item() == pytest.approx(20, abs=1e-4) and math.isinf(values[1])
    assert mean_squared_error(sr, hr)[0].item() == pytest.approx(0.01)


@pytest.mark.parametrize("size", [(11, 11), (37, 52)])
def test_ssim_equals_scikit_image_with_the_papers_flags(size):
    hr = torch.rand(2, 3, *size, dtype=torch.float64)
    sr = (hr + 0.1 * torch.randn_like(hr)).clamp(0, 1)
    for n in range(2):
        _, full = structural_similarity(
            sr[n].numpy(), hr[n].numpy(), channel_axis=0, data_range=1.0, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, full=True,
        )  # fmt: skip
        assert ssim(sr, hr)[n].item() == pytest.approx(full[:, 5:-5, 5:-5].mean(), abs=1e-10)


def test_ssim_of_equal_pictures_is_one_and_it_has_a_gradient():
    hr = torch.rand(1, 1, 16, 13)
    assert ssim(hr, hr).item() == pytest.approx(1)
    small = torch.rand(1, 1, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: ssim(x, torch.rand(1, 1, 5, 4).double() * 0 + 0.5, window=3), small)


@pytest.mark.parametrize(
    "sr, hr, error, words",
    [
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 3, 8, 8), TypeError, "srlib.images"),
        (torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9), ValueError, r"\(1, 3, 8, 8\) and \(1, 3, 8, 9\)"),
        (torch.rand(3, 8, 8), torch.rand(3, 8, 8), ValueError, r"\(N, C, H, W\)"),
        (torch.rand(1, 3, 8, 8) * 255, torch.rand(1, 3, 8, 8) * 255, ValueError, "divide by 255"),
        (torch.rand(0, 3, 8, 8), torch.rand(0, 3, 8, 8), ValueError, "sr and hr are empty"),
        (torch.rand(1, 3, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.int64), TypeError, "hr is torch.int64"),
        (torch.rand(1, 3, 8, 8).numpy(), torch.rand(1, 3, 8, 8), TypeError, "sr is a ndarray"),
        (
            torch.rand(1, 3, 8, 8) * 255,
            torch.rand(1, 3, 8, 8),
            ValueError,
            r"sr has values up to 25\d; .*divide by 255",
        ),
        (torch.full((1, 1, 8, 8), math.nan), torch.rand(1, 1, 8, 8), NotFiniteError, "sr has values that are NaN"),
        (torch.rand(1, 1, 8, 8), torch.full((1, 1, 8, 8), math.inf), NotFiniteError, "hr has values that are NaN"),
    ],
)
def test_wrong_input_is_named(sr, hr, error, words):
    for metric in (psnr, ssim, mean_squared_error):
        with pytest.raises(error, match=words):
            metric(sr, hr)


def test_small_pictures_are_refused_by_ssim_and_by_the_crop():
    with pytest.raises(ValueError, match="11 x 11"):
        ssim(torch.rand(1, 1, 10, 30), torch.rand(1, 1, 10, 30))
    with pytest.raises(ValueError, match="border of 4"):
        PAPER.psnr(torch.rand(1, 1, 8, 30), torch.rand(1, 1, 8, 30), 4)


def test_protocol_does_what_it_says():
    hr, sr = torch.rand(1, 3, 30, 26), torch.rand(1, 3, 30, 26)
    crop = (..., slice(4, -4), slice(4, -4))

    def eight(x):
        return (x * 255).round() / 255

    expected = psnr(eight(to_y(eight(sr)))[crop], eight(to_y(eight(hr)))[crop])
    torch.testing.assert_close(PAPER.psnr(sr, hr, 4), expected)
    torch.testing.assert_close(Protocol("rgb", 0, None).psnr(sr, hr, 4), psnr(sr, hr))
    assert str(PAPER) == "Y (BT.601 studio), border scale, 8-bit"
    assert PAPER.describe(4) == "Y (BT.601 studio), border 4, 8-bit"
    assert Protocol("rgb", 10, None).describe(4) == "RGB, border 10, not rounded"
    with pytest.raises(ValueError, match="y, y_full, rgb"):
        Protocol("Y")
    with pytest.raises(ValueError, match="negative"):
        Protocol(border=-1)


def test_studio_luma_scores_higher_by_its_narrower_range():
    hr = torch.rand(1, 3, 30, 26)
    sr = (hr + 0.05 * torch.randn_like(hr)).clamp(0, 1)
    gain = Protocol("y", 0, None).psnr(sr, hr, 4) - Protocol("y_full", 0, None).psnr(sr, hr, 4)
    assert gain.item() == pytest.approx(20 * math.log10(255 / 219), abs=1e-3)


def test_evaluate_crops_to_the_scale_and_averages_psnrs():
    images = [("a", torch.rand(1, 3, 41, 38)), ("b", torch.rand(1, 1, 37, 44))]
    scores = evaluate(bicubic(3), images)
    assert scores.protocol == "Y (BT.601 studio), border 3, 8-bit"
    assert scores.psnr == pytest.approx(sum(row["psnr"] for row in scores.rows) / 2)
    assert [row["name"] for row in scores.rows] == ["a", "b"]
    assert set(scores.as_dict()) == {"scale", "protocol", "psnr", "ssim", "spread", "images"}
    assert "**mean of 2**" in scores._repr_markdown_()


def test_evaluate_feeds_each_network_what_it_works_on():
    seen = []

    class Spy(torch.nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.scale, self.channels = 2, channels

        def forward(self, lr):
            levels = lr * 255
            seen.append((lr.shape[1], (levels - levels.round()).abs().max().item() < 1e-3))
            return resize(lr, 2)

    colour, grey = ("colour", torch.rand(1, 3, 32, 36)), ("grey", torch.rand(1, 1, 32, 36))
    for channels in (1, 3):
        evaluate(Spy(channels), [colour, grey])
    assert [channels for channels, _ in seen] == [1, 1, 3, 3]
    assert [rounded for _, rounded in seen] == [False, False, True, True]  # RGB networks see what a file would hold
    grey_only = evaluate(bicubic(2), [grey], Protocol("rgb", None, None)).psnr
    assert evaluate(bicubic(2), [grey], Protocol("y", None, None)).psnr == pytest.approx(grey_only, abs=1e-3)


def test_a_result_far_outside_is_still_measured():
    hr = torch.rand(1, 3, 30, 26)
    assert psnr(hr + 100 * torch.randn_like(hr), hr).item() == pytest.approx(-40, abs=1)  # as of a filter that exploded


def test_compare_scores_pairs_as_evaluate_scores_a_network():
    images = [("a", torch.rand(1, 3, 41, 38)), ("b", torch.rand(1, 1, 37, 44)), ("tiny", torch.rand(1, 3, 16, 30))]
    pairs, left_out = [], []

    class Recorder(torch.nn.Module):
        scale, channels = 3, 3

        def forward(self, lr):
            return resize(lr, 3)

    for name, hr in images[:2]:
        hr = hr[..., : hr.shape[-2] // 3 * 3, : hr.shape[-1] // 3 * 3]
        lr = (resize(hr, 1 / 3).clamp(0, 1) * 255).round() / 255
        pairs.append((name, resize(lr, 3), hr))
    made = evaluate(Recorder(), images, leave_out=left_out.append)
    found = compare(pairs, scale=3)
    assert found.protocol == made.protocol and [row["name"] for row in made.rows] == ["a", "b"]
    for one, other in zip(found.rows, made.rows, strict=True):
        assert one["psnr"] == pytest.approx(other["psnr"], abs=1e-4)
    assert left_out == ["tiny: 30 x 15 pixels; a border of 3 and the window of SSIM need 17 x 17"]
    with pytest.raises(ValueError, match=r"a: sr and hr must both be"):
        compare([("a", torch.rand(1, 3, 30, 30), torch.rand(1, 3, 30, 31))])
    with pytest.raises(NotFiniteError, match="a: sr has values"):
        compare([("a", torch.full((1, 3, 30, 30), math.nan), torch.rand(1, 3, 30, 30))])


def test_evaluate_errors_name_the_picture():
    with pytest.raises(ValueError, match="no pictures"):
        evaluate(bicubic(2), [])
    with pytest.raises(ValueError, match="tiny"):
        evaluate(bicubic(4), [("tiny", torch.rand(1, 3, 8, 8))])


@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
@pytest.mark.skipif(
    not all(find_in(search_path(), name) for name, _ in PUBLISHED), reason="no benchmark sets in $SRLIB_DATA"
)
def test_published_bicubic_numbers(name):
    for scale in (2, 3, 4):
        assert round(evaluate(bicubic(scale), images_of(name)).psnr, 2) == PUBLISHED[name, scale]
