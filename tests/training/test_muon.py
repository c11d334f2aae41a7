"""Muon against torch's own on matrices, against singular values, and on kernels."""

import pytest
import torch

from srlib.training.muon import Muon, newton_schulz


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(2, 5, 17), (2, 17, 5), (1, 8, 8), (3, 1, 9)])
def test_the_singular_values_come_out_near_one_and_the_directions_stay(shape):
    matrices = noise(*shape)
    found = newton_schulz(matrices)
    assert found.shape == shape
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    values = (u.mT @ found @ v.mT).diagonal(dim1=-2, dim2=-1)
    assert values.min() > 0.6 and values.max() < 1.3
    off = u.mT @ found @ v.mT - torch.diag_embed(values)
    assert off.abs().max() < 0.05


@pytest.mark.parametrize("shape", [(5, 17), (17, 5)])
def test_a_polynomial_of_the_singular_values(shape):
    matrix = noise(*shape).double()
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    values = values / values.square().sum().sqrt()
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    torch.testing.assert_close(newton_schulz(matrix[None])[0], u @ values.diag() @ v, atol=1e-9, rtol=0)


def test_nothing_stays_nothing():
    assert torch.equal(newton_schulz(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))


@pytest.mark.parametrize("shape", [(6, 20), (20, 6)])
def test_it_equals_torchs_own_on_a_matrix(shape):
    ours, theirs = (torch.nn.Parameter(noise(*shape)) for _ in range(2))
    a = Muon([ours], lr=0.02)
    b = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.0)
    for seed in range(5):
        ours.grad, theirs.grad = noise(*shape, seed=seed + 1), noise(*shape, seed=seed + 1)
        a.step()
        b.step()
    torch.testing.assert_close(ours, theirs, atol=4e-3, rtol=0)  # torch's works in bfloat16
    assert (ours - noise(*shape)).abs().max() > 0.02


def test_a_kernel_is_a_matrix_whatever_its_memory_format():
    kernels = [torch.nn.Parameter(noise(4, 3, 3, 3)) for _ in range(3)]
    kernels[1].data = kernels[1].data.to(memory_format=torch.channels_last)
    matrix = torch.nn.Parameter(noise(4, 3, 3, 3).flatten(1))
    for parameter in (*kernels, matrix):
        parameter.grad = noise(4, 3, 3, 3, seed=1).reshape(parameter.shape)
    Muon(kernels).step()  # three alike are one batch
    Muon([matrix]).step()
    for kernel in kernels:
        torch.testing.assert_close(kernel.flatten(1), matrix, atol=1e-6, rtol=0)


def test_biases_are_adams():
    ours, theirs = (torch.nn.Parameter(noise(7)) for _ in range(2))
    a = Muon([ours], lr=0.02, vectors=0.5)
    b = torch.optim.Adam([theirs], lr=0.01, betas=(0.9, 0.99))
    for seed in range(5):
        ours.grad = theirs.grad = noise(7, seed=seed + 1)
        a.step()
        b.step()
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_what_has_no_gradient_stays():
    weight, bias = torch.nn.Parameter(noise(3, 4)), torch.nn.Parameter(noise(3))
    Muon([weight, bias]).step()
    assert torch.equal(weight, noise(3, 4)) and torch.equal(bias, noise(3))
