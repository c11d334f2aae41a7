"""Fusion without a model: exact cases, what is conserved, and input that cannot work."""

import math

import pytest
import torch

from srlib.burst.fusion import drizzle, shift_and_add, tsai_huang


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def interlaced(hr, scale):
    """scale² frames that together hold every pixel of a periodic picture once, and their shifts."""
    steps = [(a, b) for a in range(scale) for b in range(scale)]
    frames = [hr[0].roll(step, (-2, -1))[:, ::scale, ::scale] for step in steps]
    return torch.stack(frames), torch.tensor(steps, dtype=torch.float64) / scale


@pytest.mark.parametrize("scale", [2, 3])
def test_every_whole_shift_once_gives_the_picture_back(scale):
    hr = noise(1, 2, 5 * scale, 7 * scale)
    frames, shifts = interlaced(hr, scale)
    border = slice(scale, -scale)
    found = shift_and_add(frames, shifts, scale=scale, grid_origin=0)
    assert torch.equal(found[..., border, border], hr[..., border, border])
    dropped, area = drizzle(frames, shifts, scale=scale, grid_origin=0, pixfrac=1e-6 + 1 / scale)
    torch.testing.assert_close(dropped[..., border, border], hr[..., border, border], atol=1e-4, rtol=0)
    torch.testing.assert_close(tsai_huang(frames, shifts, scale=scale), hr, atol=1e-12, rtol=0)


def test_where_values_meet_is_their_mean_and_holes_are_filled():
    frames = torch.tensor([[[[0.2, 0.8]]], [[[0.6, 0.4]]]])
    found = shift_and_add(frames, torch.zeros(2, 2), scale=2, grid_origin=0)
    torch.testing.assert_close(found[0, 0], torch.tensor([[0.4, 0.5, 0.6, 0.6], [0.4, 0.5, 0.6, 0.6]]))


def test_one_frame_by_shift_and_add_is_nearest_neighbour_in_the_middle_of_the_pixels():
    frame = noise(1, 1, 4, 5)
    found = shift_and_add(frame, torch.zeros(1, 2), scale=3)
    assert torch.equal(found[..., 1::3, 1::3], frame)


@pytest.mark.parametrize("pixfrac", [0.2, 0.7, 1.0])
def test_drizzle_conserves_area_and_flux_and_flat_stays_flat(pixfrac):
    shifts = torch.tensor([[0.0, 0.0], [0.37, -0.2], [-0.45, 0.11]])
    frames = noise(3, 2, 9, 8)
    frames[..., 0, :] = frames[..., -1, :] = frames[..., 0] = frames[..., -1] = 0  # nothing falls over the edge
    picture, area = drizzle(frames, shifts, scale=2, pixfrac=pixfrac)
    flux = (2 * pixfrac) ** 2 * frames.sum((0, 2, 3))
    torch.testing.assert_close((picture * area).sum((0, 2, 3)), flux)
    assert area.max() <= 3 * (1 + 1e-9)
    flat, area = drizzle(torch.full((3, 1, 9, 8), 0.3), shifts, scale=2, pixfrac=pixfrac)
    torch.testing.assert_close(flat[area > 0], torch.full_like(flat[area > 0], 0.3))


def test_more_frames_than_unknowns():
    hr = noise(1, 1, 12, 10)
    shifts = 3 * noise(7, 2, seed=2) - 1.5
    rows, columns = (torch.fft.fftfreq(n, dtype=torch.float64) for n in hr.shape[-2:])
    rows[6], columns[5] = 0, 0  # the finest stripes cannot be moved by half a pixel; the picture has none
    spectrum = torch.fft.fft2(hr[0, 0])
    spectrum[6], spectrum[:, 5] = 0, 0
    hr = torch.fft.ifft2(spectrum).real
    frames = []
    for down, right in 2 * shifts:
        phase = -2 * math.pi * (down * rows[:, None] + right * columns)
        frames.append(torch.fft.ifft2(spectrum * torch.polar(torch.ones_like(phase), phase)).real[None, ::2, ::2])
    torch.testing.assert_close(tsai_huang(torch.stack(frames), shifts, scale=2)[0, 0], hr, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: shift_and_add(torch.rand(2, 1, 4, 4), torch.zeros(3, 2), scale=2),
            r"expected 3 frames \(K, C, h, w\)",
        ),
        (
            lambda: drizzle(torch.rand(2, 1, 4, 4), torch.zeros(2), scale=2),
            r"shifts must be finite numbers \(frames, 2\)",
        ),
        (lambda: drizzle(torch.rand(1, 1, 4, 4) / 0, torch.zeros(1, 2), scale=2), "finite"),
        (lambda: drizzle(torch.rand(1, 1, 4, 4), torch.zeros(1, 2), scale=2, pixfrac=0), "pixfrac must be above 0"),
        (lambda: shift_and_add(torch.rand(1, 1, 4, 4), torch.full((1, 2), 9.0), scale=2), "no frame overlaps"),
        (lambda: tsai_huang(torch.rand(3, 1, 4, 4), torch.rand(3, 2), scale=2), "needs at least 4 frames, got 3"),
        (lambda: tsai_huang(torch.rand(4, 1, 4, 4), torch.zeros(4, 2), scale=2), "cannot separate the folded"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("fuse", [shift_and_add, drizzle, tsai_huang])
def test_frames_of_two_sizes_and_bytes_are_refused(fuse):
    with pytest.raises(TypeError, match="one tensor .* got a list"):
        fuse([torch.rand(1, 4, 4), torch.rand(1, 4, 5)], torch.zeros(2, 2), scale=2)
    with pytest.raises(TypeError, match="torch.uint8; convert with srlib.images"):
        fuse(torch.ones(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2, 2), scale=2)
