"""wavelets: known coefficients, perfect reconstruction at odd sizes, and equality with two independent libraries."""

import warnings

import pytest
import pywt
import torch

from srlib.wavelets import DETAILS, haar, haar_levels, inverse_haar, inverse_haar_levels

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pkg_resources, which pytorch_wavelets imports
    from pytorch_wavelets import DWTForward, DWTInverse

SIZES = [(4, 6), (5, 6), (8, 3), (7, 13), (1, 1), (1, 4)]


def picture(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_numbers_from_0_to_15():
    low, details = haar(torch.arange(16.0).view(4, 4))
    assert low.tolist() == [[5, 9], [21, 25]]
    assert [set(band.flatten().tolist()) for band in details] == [{-4.0}, {-1.0}, {0.0}]
    assert DETAILS == ("LH", "HL", "HH")


@pytest.mark.parametrize("band, edge", [(0, [[1.0, 1], [0, 0]]), (1, [[1.0, 0], [1, 0]]), (2, [[1.0, 0], [0, 1]])])
def test_each_band_sees_its_own_edge(band, edge):
    _, details = haar(torch.tensor(edge))
    assert details.flatten().tolist() == [float(band == k) for k in range(3)]


@pytest.mark.parametrize("size", SIZES)
def test_as_pywavelets(size):
    image = picture(2, 3, *size)
    low, details = haar(image)
    expected_low, expected = pywt.dwt2(image.numpy(), "haar", mode="symmetric")
    torch.testing.assert_close(low, torch.from_numpy(expected_low))
    for found, band in zip(details.unbind(-3), expected, strict=True):
        torch.testing.assert_close(found, torch.from_numpy(band))


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_several_levels_as_pywavelets(levels):
    image = picture(2, 19, 26)
    low, details = haar_levels(image, levels)
    expected_low, *expected = pywt.wavedec2(image.numpy(), "haar", mode="symmetric", level=levels)
    torch.testing.assert_close(low, torch.from_numpy(expected_low))
    for found, bands in zip(reversed(details), expected, strict=True):
        torch.testing.assert_close(found, torch.stack([torch.from_numpy(band) for band in bands], 1))


@pytest.mark.parametrize("size", [(16, 24), (15, 10)])
def test_as_pytorch_wavelets(size):
    image = picture(2, 3, *size)
    low, details = haar_levels(image, 2)
    forward = DWTForward(J=2, wave="haar", mode="symmetric").double()
    expected_low, expected = forward(image)
    torch.testing.assert_close(low, expected_low)
    for found, bands in zip(details, expected, strict=True):
        torch.testing.assert_close(found, bands)
    if size == (16, 24):  # at odd sizes its inverse is one pixel larger
        back = DWTInverse(wave="haar", mode="symmetric").double()((low, details))
        torch.testing.assert_close(inverse_haar_levels(low, details), back)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("levels", [1, 3])
def test_perfect_reconstruction(size, levels):
    image = picture(2, 3, *size)
    torch.testing.assert_close(inverse_haar_levels(*haar_levels(image, levels), size), image)
    torch.testing.assert_close(inverse_haar(*haar(image), size), image)


def test_energy_is_kept_and_the_inverse_is_the_transpose():
    image = picture(3, 8, 14)
    low, details = haar(image)
    torch.testing.assert_close(low.square().sum() + details.square().sum(), image.square().sum())
    other_low, other_details = picture(3, 4, 7, seed=1), picture(3, 3, 4, 7, seed=2)
    forth = (low * other_low).sum() + (details * other_details).sum()
    torch.testing.assert_close(forth, (image * inverse_haar(other_low, other_details)).sum())


def test_white_noise_stays_white():
    low, details = haar(torch.randn(400, 402, generator=torch.Generator().manual_seed(0)))
    for band in (low, *details):
        assert band.var().item() == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize("size", [(4, 6), (5, 3)])
def test_derivatives_of_first_and_second_order(size):
    image = picture(1, *size).requires_grad_()

    def high(x):
        return haar(x)[1].pow(3)

    assert torch.autograd.gradcheck(high, image)
    assert torch.autograd.gradgradcheck(high, image)
    low, details = (part.detach().requires_grad_() for part in haar(image))
    assert torch.autograd.gradgradcheck(lambda a, b: inverse_haar(a, b, size).pow(3), (low, details))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_type_stays(dtype):
    low, details = haar(torch.rand(1, 3, 5, 4).to(dtype))
    assert low.dtype == details.dtype == inverse_haar(low, details, (5, 4)).dtype == dtype


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: haar(torch.zeros(4, 4, dtype=torch.uint8)), TypeError, "srlib.images"),
        (lambda: haar(torch.rand(4)), ValueError, r"\(\.\.\., H, W\)"),
        (lambda: haar(torch.rand(3, 0, 4)), ValueError, "not empty"),
        (lambda: haar_levels(torch.rand(4, 4), 0), ValueError, "at least 1"),
        (lambda: inverse_haar(torch.rand(2, 2), torch.rand(3, 2, 3)), ValueError, "beside low"),
        (lambda: inverse_haar(torch.rand(2, 2), torch.rand(3, 2, 2), (5, 4)), ValueError, "no coefficients"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
