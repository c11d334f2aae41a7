"""niqe: fits that find what was put in, the order of known damages on held-out pictures, and clear refusals."""

import csv
import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from srlib.data import datasets
from srlib.degradations import JPEG, Blur, GaussianNoise, gaussian_kernel
from srlib.evaluation.niqe import FEATURES, NAME, Pristine, asymmetric_gaussian, fit, mscn, niqe, patch_features, read
from srlib.resample import resize


@pytest.fixture(scope="module")
def photos():
    return [datasets.photo(name)[..., :240, :287] for name in datasets.EVAL_PHOTOS]


def mean_of(pictures):
    return torch.cat([niqe(picture) for picture in pictures]).mean().item()


@pytest.mark.parametrize("alpha", [0.6, 1.0, 2.0, 5.0])
def test_the_fit_finds_the_shape_and_width_of_a_generalised_gaussian(alpha):
    values = stats.gennorm(alpha, scale=1.7).rvs(200_000, random_state=np.random.default_rng(1))
    found, left, right, mean = asymmetric_gaussian(torch.from_numpy(values)[None])
    assert found.item() == pytest.approx(alpha, rel=0.05)
    assert left.item() == pytest.approx(1.7, rel=0.04) and right.item() == pytest.approx(1.7, rel=0.04)
    assert abs(mean.item()) < 0.03


def test_the_fit_finds_two_widths_and_the_mean():
    rng, left, right = np.random.default_rng(0), 1.0, 2.5
    sizes = np.abs(stats.gennorm(1.2).rvs(400_000, random_state=rng))
    positive = rng.random(len(sizes)) < right / (left + right)  # each side has mass in proportion to its width
    values = torch.from_numpy(np.where(positive, right * sizes, -left * sizes))
    alpha, found_left, found_right, mean = asymmetric_gaussian(values[None])
    assert alpha.item() == pytest.approx(1.2, rel=0.04)
    assert found_left.item() == pytest.approx(left, rel=0.04) and found_right.item() == pytest.approx(right, rel=0.04)
    assert mean.item() == pytest.approx(values.mean().item(), rel=0.04)
    mirrored = asymmetric_gaussian(-values[None])
    assert mirrored[1].item() == found_right.item() and mirrored[3].item() == pytest.approx(-mean.item())


def test_coefficients_as_scipy():
    luma = torch.rand(2, 1, 23, 31, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 255
    taps = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)
    found, deviation = mscn(luma)

    def window(image):
        return ndimage.correlate1d(ndimage.correlate1d(image, taps / taps.sum(), 0), taps / taps.sum(), 1)

    for k in range(2):
        image = luma[k, 0].numpy()
        expected = np.sqrt(window(image**2) - window(image) ** 2)
        np.testing.assert_allclose(deviation[k, 0], expected, atol=1e-9)
        np.testing.assert_allclose(found[k, 0], (image - window(image)) / (expected + 1), atol=1e-9)


def test_a_picture_is_at_no_distance_from_its_own_statistics(photos):
    features, sharpness = patch_features(photos[0])
    assert features.shape == (4 * 4, FEATURES) and sharpness.shape == (16,)  # patches of 96, a step of 48, in 240 x 287
    own = Pristine(features.mean(0), features.T.cov())
    assert niqe(photos[0], own).item() == pytest.approx(0, abs=1e-3)
    assert niqe(photos[1], own).item() > 1


def test_sharpness_is_the_local_contrast():
    noise = torch.rand(1, 1, 144, 240, generator=torch.Generator().manual_seed(0))
    noise[..., :120] = 0.5 + 0.1 * (noise[..., :120] - 0.5)
    _, sharpness = patch_features(noise)
    left, right = sharpness.view(2, 4)[:, 0], sharpness.view(2, 4)[:, 3]
    assert (right > 5 * left).all()


def test_only_sharp_patches_count_as_pristine(photos):
    kept = []
    for photo in photos:
        features, sharpness = patch_features(photo)
        kept.append(features[sharpness > 0.75 * sharpness.max()])
    found = torch.cat(kept)
    if len(found) <= FEATURES:
        found = found.repeat(3, 1)
        photos = photos * 3
    pristine, count = fit(photos)
    assert count == len(found)
    torch.testing.assert_close(pristine.mean, found.mean(0))
    torch.testing.assert_close(pristine.covariance, found.T.cov())


@pytest.mark.parametrize(
    "kind, damages",
    [
        ("blur", [Blur(gaussian_kernel(sigma)) for sigma in (1.0, 2.0)]),
        ("noise", [lambda hr, s=s: GaussianNoise(s)(hr, torch.Generator().manual_seed(0)) for s in (0.02, 0.06, 0.12)]),
        ("jpeg", [JPEG(quality) for quality in (30, 10)]),
        ("bicubic", [lambda hr, s=s: resize(resize(hr, 1 / s), size=tuple(hr.shape[-2:])) for s in (2, 3, 4)]),
    ],
)
def test_known_damages_come_out_in_order(photos, kind, damages):
    found = [mean_of(photos), *(mean_of([damage(photo) for photo in photos]) for damage in damages)]
    assert all(low + 0.05 < high for low, high in pairwise(found)), found


def test_the_measured_order_is_that_of_the_shipped_table():
    """`benchmarks/niqe.py` on pictures that the fit has not seen: each kind of damage, and kinds against each other."""
    text = datasets.data_file("results/niqe.csv").read_text(encoding="utf-8")
    rows = [row | {"niqe": float(row["niqe"])} for row in csv.DictReader(io.StringIO(text))]
    for name in {row["set"] for row in rows}:
        found = {(row["damage"], float(row["strength"])): row["niqe"] for row in rows if row["set"] == name}
        for kind, strengths in {
            "blur": (1, 1.5, 2),
            "noise": (2, 5, 15, 30),
            "jpeg": (80, 50, 30, 10),
            "bicubic": (2, 3, 4),
        }.items():
            order = [found[kind, strength] for strength in strengths]
            if name != "Set14":  # old scans, drawings and a slide, of which a light JPEG removes the grain
                order.insert(0, found["none", 0])
            assert order == sorted(order), (name, kind, order)
        assert found["jpeg", 80] < found["noise", 15] and found["blur", 1] < found["bicubic", 4]


def test_what_ships_is_a_gaussian_of_photographs():
    pristine = read(datasets.data_file("niqe.safetensors"))
    assert pristine.mean.shape == (FEATURES,) and pristine.covariance.shape == (FEATURES, FEATURES)
    torch.testing.assert_close(pristine.covariance, pristine.covariance.T)
    assert torch.linalg.eigvalsh(pristine.covariance).min() > 0
    assert NAME == "srlib NIQE v1"


def test_batches_grey_pictures_and_rounding(photos):
    pair = torch.cat(photos[:2])
    torch.testing.assert_close(niqe(pair), torch.cat([niqe(photo) for photo in photos[:2]]))
    luma = (photos[0][:, 1:2] * 255).round() / 255
    torch.testing.assert_close(niqe(luma), niqe(luma.expand(-1, 3, -1, -1)), atol=1e-4, rtol=0)
    assert torch.equal(niqe(luma), niqe(luma + 0.3 / 255))  # 8 bits, as a file has them
    assert niqe(pair).dtype == torch.float32


def test_flat_patches_are_passed_over(photos):
    picture = photos[1].clone()
    picture[..., :100] = 1.0
    features, _ = patch_features(picture)
    assert len(features) == 4 * 3  # of each row, the first of four patches is white
    assert torch.isfinite(niqe(picture)).all()


@pytest.mark.parametrize(
    "image, words",
    [
        (torch.rand(1, 3, 200, 143), "needs at least 144 x 144 pixels, got 143 x 200"),
        (torch.full((1, 1, 150, 150), 0.4), "needs texture; all but 0 of this picture's 4 patches are flat"),
        (torch.rand(3, 200, 200), r"needs images \(N, 1 or 3, H, W\)"),
        (torch.rand(1, 2, 200, 200), r"got shape \(1, 2, 200, 200\)"),
    ],
)
def test_errors(image, words):
    with pytest.raises(ValueError, match=words):
        niqe(image)


def test_bytes_are_refused():
    with pytest.raises(TypeError, match=r"needs a float image in \[0, 1\], got torch.uint8; convert with srlib.images"):
        niqe(torch.zeros(1, 3, 200, 200, dtype=torch.uint8))


def test_too_few_patches_to_fit(photos):
    with pytest.raises(ValueError, match="are too few for the statistics of 36 numbers"):
        fit(photos[:1])
    with pytest.raises(ValueError, match="0 sharp patches"):
        fit([])
    with pytest.raises(ValueError, match=r"of one picture \(1, C, H, W\), got shape \(2, "):
        patch_features(torch.cat(photos[:2]))
