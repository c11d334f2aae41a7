"""compact: the sum of the published code, its three activations, its sizes off the shapes."""

import pytest
import torch

from srlib.models.compact import Compact, compact, from_official, settings_of
from tests.models import others


def test_number_of_parameters():
    """621,424 at ×4 and 1,213,296 with 32 convolutions are counted in the authors' code; the others are the sum."""
    with torch.device("meta"):
        found = [sum(p.numel() for p in compact(scale).parameters()) for scale in (2, 3, 4)]
        large = sum(p.numel() for p in Compact(scale=4, convolutions=32).parameters())
    assert found == [600_652, 609_307, 621_424] and large == 1_213_296
    # first layer 1,792; 16 of 36,928; 17 rows of 64 slopes; a last layer of 577 for each of the 3 s² maps
    assert found == [1_792 + 16 * 36_928 + 17 * 64 + 577 * 3 * s**2 for s in (2, 3, 4)]
    assert all(f"{count:,}" in compact.__doc__ for count in (*found, large))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("channels, activation", [(3, "prelu"), (3, "relu"), (1, "leakyrelu")])
def test_a_published_file_gives_what_its_code_computes(scale, channels, activation):
    state, run = others.compact(scale, channels=channels, activation=activation)
    tensors = from_official({"params": state}, activation=None if activation == "prelu" else activation)
    settings = settings_of(tensors)
    assert settings == {"scale": scale, "width": 8, "convolutions": 2, "channels": channels}
    net = Compact(**settings)
    net.load_state_dict(tensors)
    lr = torch.rand(2, channels, 9, 7)
    torch.testing.assert_close(net(lr), run(lr), atol=1e-6, rtol=1e-6)


def test_one_slope_for_all_maps_is_as_many_equal_ones():
    state, _ = others.compact()
    state["body.1.weight"] = torch.tensor([0.3])
    assert from_official(state)["body.1.weight"].tolist() == pytest.approx([0.3] * 8)


def test_untrained_it_is_near_the_nearest_pixel():
    torch.manual_seed(0)
    lr = torch.rand(1, 3, 9, 7)
    assert (Compact(scale=3, width=16)(lr) - lr.repeat_interleave(3, -1).repeat_interleave(3, -2)).abs().max() < 0.1


def test_what_does_not_fit_is_told():
    state, _ = others.compact(activation="relu")
    with pytest.raises(ValueError, match="no slopes of PReLU; say which it was trained with: relu or leakyrelu"):
        from_official(state)
    with pytest.raises(ValueError, match=r"'tail.weight' is no layer of a published Compact"):
        from_official(state | {"tail.weight": torch.zeros(1)})
    state, _ = others.compact(channels=4)
    with pytest.raises(ValueError, match="body.0.weight takes 4 channels; a picture here has 1 or 3"):
        settings_of(state)
    state["body.0.weight"] = state["body.0.weight"][:, :3]
    with pytest.raises(ValueError, match="body.6.weight makes 64 maps, no whole blocks of pixels in 3 channels"):
        settings_of(state)
