"""Colour under full transparency does not bleed into what is seen."""

import numpy as np
import pytest
import torch
from PIL import Image

from srlib.cli import main
from srlib.transparency import fill_hidden

COLOUR = (230, 200, 40)


def test_the_nearest_visible_colour_by_hand():
    pixels = torch.tensor([[[0.1, 0.0, 0.0, 0.0, 0.9]], [[0.2, 1.0, 1.0, 1.0, 0.8]]]).unsqueeze(0)
    alpha = torch.tensor([[[[0.5, 0.0, 0.0, 0.0, 1.0]]]])
    filled = fill_hidden(pixels, alpha)
    torch.testing.assert_close(filled[0, :, 0, [0, 1, 3, 4]], pixels[0, :, 0, [0, 0, 4, 4]])
    assert filled[0, 0, 0, 2] in (pixels[0, 0, 0, 0], pixels[0, 0, 0, 4])


def test_against_a_search_of_all_pixels():
    rng = torch.Generator().manual_seed(0)
    pixels = torch.rand(1, 3, 13, 19, generator=rng).transpose(-1, -2)  # not contiguous
    alpha = (torch.rand(1, 1, 19, 13, generator=rng) > 0.9).float()
    filled = fill_hidden(pixels, alpha)
    seen = alpha[0, 0].nonzero().float()
    for row, column in (alpha[0, 0] == 0).nonzero().tolist():
        far = (seen - torch.tensor([row, column])).norm(dim=1)
        near = seen[far <= far.min() * 1.03 + 1e-6].long()  # distances by chamfer are right within 3 percent
        colours = pixels[0, :, near[:, 0], near[:, 1]]
        assert (colours == filled[0, :, row, column, None]).all(0).any()
    assert torch.equal(filled[:, :, alpha[0, 0] > 0], pixels[:, :, alpha[0, 0] > 0])


def test_nothing_hidden_and_nothing_seen_stay():
    pixels = torch.rand(1, 3, 4, 5)
    for alpha in (torch.ones(1, 1, 4, 5), torch.zeros(1, 1, 4, 5)):
        assert fill_hidden(pixels, alpha) is pixels
    with pytest.raises(ValueError, match="alpha"):
        fill_hidden(pixels, torch.ones(1, 1, 5, 4))


@pytest.mark.parametrize("model, scale", [("bicubic", 4), ("lanczos", 1.5), ("edsr_small", 4), ("bicubic", 0.5)])
@pytest.mark.parametrize("hidden", [0, 255, "noise"])
def test_a_sticker_over_its_own_colour_leaves_no_outline(tmp_path, model, scale, hidden):
    y, x = np.mgrid[:41, :53]
    inside = (x - 25) ** 2 + (y - 19) ** 2 < 14**2
    picture = np.zeros((41, 53, 4), np.uint8)
    picture[..., :3] = np.random.default_rng(0).integers(0, 256, (41, 53, 3)) if hidden == "noise" else hidden
    picture[inside] = (*COLOUR, 255)
    Image.fromarray(picture).save(tmp_path / "in.png")
    words = ["--model", model, "--scale", str(scale)]
    assert main(["upscale", str(tmp_path / "in.png"), str(tmp_path / "out.png"), *words]) == 0
    out = np.asarray(Image.open(tmp_path / "out.png")).astype(float)
    alpha = out[..., 3:] / 255
    over = out[..., :3] * alpha + np.array(COLOUR) * (1 - alpha)
    assert 0.2 < alpha.mean() < 0.4
    np.testing.assert_allclose(over, np.broadcast_to(COLOUR, over.shape), atol=3)
