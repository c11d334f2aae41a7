"""Output: a smaller answer is an upscaler, scored and enlarged like any other."""

import pytest
import torch

from srlib import metrics
from srlib.inference import upscale
from srlib.models.drn import DRN
from srlib.models.edsr import edsr_small
from srlib.models.lapsrn import LapSRN
from srlib.models.outputs import Output, answers


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize(
    "make", [lambda s: LapSRN(scale=s, channels=3, width=4, depth=1), lambda s: DRN(scale=s, blocks=1, width=2)]
)
def test_every_answer_is_an_upscaler(make, scale):
    net = make(scale).eval()
    lr = torch.rand(1, 3, 9, 14)
    with torch.no_grad():
        pyramid = net(lr, pyramid=True)
        assert [answer.shape[-1] // 14 for answer in pyramid] == list(answers(net))
        assert answers(net)[-1] == scale
        for k, answer in zip(answers(net), pyramid, strict=True):
            assert torch.equal(Output(net, k)(lr), answer)
            assert torch.allclose(upscale(Output(net, k), lr), answer, atol=1e-6)


def test_it_is_scored_at_its_own_scale():
    """LapSRN with residuals of zero is bilinear level by level, so its ×2 scores what bilinear scores."""
    net = LapSRN(scale=4, channels=3, width=4, depth=1).eval()
    hr = torch.rand(1, 3, 64, 52)
    whole = LapSRN(scale=2, channels=3, width=4, depth=1).eval()
    with torch.no_grad():
        found = metrics.evaluate(Output(net, 2), [("a", hr)]).psnr
        assert found == pytest.approx(metrics.evaluate(whole, [("a", hr)]).psnr, abs=1e-4)


def test_most_networks_have_one_answer():
    net = edsr_small(3).eval()
    lr = torch.rand(1, 3, 8, 9)
    assert answers(net) == (3,)
    assert torch.equal(Output(net, 3)(lr), net(lr))
    with pytest.raises(ValueError, match="EDSR answers at ×3, not at ×2"):
        Output(net, 2)
    with pytest.raises(ValueError, match="DRN answers at ×1, ×2, ×4, not at ×3"):
        Output(DRN(scale=4, blocks=1, width=2), 3)
