"""Steps: what each one changes."""

import torch

from srlib.losses import Weighted, l1, mse, total_variation
from srlib.models.edsr import MDSR
from srlib.models.fcn import ESPCN
from srlib.run import Run
from srlib.steps import supervised


def test_a_supervised_step_is_one_update_of_g_and_tells_its_parts():
    torch.manual_seed(0)
    net, other = ESPCN(scale=3, width=8), ESPCN(scale=3, width=8)
    opts = {name: torch.optim.SGD(n.parameters(), 0.1) for name, n in (("g", net), ("other", other))}
    lr, hr = torch.rand(2, 1, 5, 7), torch.rand(2, 1, 15, 21)
    before, untouched = [p.clone() for p in net.parameters()], [p.clone() for p in other.parameters()]
    expected = torch.autograd.grad(mse(net(lr), hr) + 0.1 * total_variation(net(lr)), list(net.parameters()))
    loss = Weighted(pixel=(1.0, mse), smooth=(0.1, total_variation))
    scalars = supervised(loss)({"g": net, "other": other}, opts, (lr, hr), Run("fp32", device="cpu"))
    assert set(scalars) == {"pixel", "smooth", "loss"}
    torch.testing.assert_close(scalars["loss"], scalars["pixel"] + scalars["smooth"])
    for p, was, gradient in zip(net.parameters(), before, expected, strict=True):
        torch.testing.assert_close(p, was - 0.1 * gradient, atol=1e-6, rtol=1e-5)
    assert all(torch.equal(p, was) for p, was in zip(other.parameters(), untouched, strict=True))


def test_a_network_of_several_scales_is_trained_at_that_of_the_batch():
    torch.manual_seed(0)
    net = MDSR(scale=4, scales=(2, 3, 4), blocks=1, width=8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    batch = torch.rand(1, 3, 6, 5), torch.rand(1, 3, 18, 15)
    step = supervised(Weighted(pixel=(1.0, l1)), at_scale=True)
    step({"g": net}, {"g": torch.optim.SGD(net.parameters(), 0.1)}, batch, Run("fp32", device="cpu"))
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith("upsample.3") for name in changed)
    assert not any(name.startswith(("upsample.2", "upsample.4", "first.2", "first.4")) for name in changed)
    assert any(name.startswith("body") for name in changed)
