"""What a step is given: the update, in its order and in every precision; batches cut ahead."""

import pytest
import torch
from torch import nn

from srlib.training.run import Run, frozen, prefetch, unwrap


def test_minimize_ignores_what_was_left_in_the_gradients():
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    weight.grad = torch.full((2,), 1e6)
    opt = torch.optim.SGD([weight], 0.1)
    Run("fp32").minimize((weight**2).sum(), opt)
    torch.testing.assert_close(weight.detach(), torch.tensor([0.8, 1.6]))


def test_minimize_clips_to_the_length():
    weight = nn.Parameter(torch.zeros(2))
    opt = torch.optim.SGD([weight], 1.0)
    Run("fp32", max_grad_norm=0.5).minimize((weight * torch.tensor([3.0, 4.0])).sum(), opt)
    torch.testing.assert_close(weight.detach(), torch.tensor([-0.3, -0.4]), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_sets_the_precision_of_products_and_leaves_the_weights(precision, dtype):
    run, net = Run(precision, device="cpu"), nn.Conv2d(1, 2, 3)
    with run.autocast():
        assert net(torch.zeros(1, 1, 5, 5)).dtype == dtype
    assert net.weight.dtype == torch.float32


def test_fp16_scales_the_loss_and_skips_an_update_that_overflows():
    run, weight = Run("fp16", device="cpu"), nn.Parameter(torch.ones(1))
    opt = torch.optim.SGD([weight], 0.1)
    run.minimize((weight * 2).sum(), opt)
    assert weight.item() == pytest.approx(0.8)
    run.minimize((weight * torch.inf).sum(), opt)
    assert weight.item() == pytest.approx(0.8)
    assert run.scaler.get_scale() < 65536


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_one_backward_serves_several_optimizers_each_clipped_by_itself(precision):
    a, b, other = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    opts = torch.optim.SGD([a], 1.0), torch.optim.SGD([b], 0.1)
    other.grad = torch.ones(2)
    run = Run(precision, max_grad_norm=5.0, device="cpu")
    run.minimize((a * torch.tensor([30.0, 40.0])).sum() + (b * torch.tensor([3.0, 4.0])).sum(), *opts)
    torch.testing.assert_close(a.detach(), torch.tensor([-3.0, -4.0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(b.detach(), torch.tensor([-0.3, -0.4]), atol=1e-5, rtol=0)
    run.minimize((a + b).sum() * 0.5, *opts)  # the same optimizers again in the same step
    torch.testing.assert_close(b.detach(), torch.tensor([-0.35, -0.45]), atol=1e-5, rtol=0)
    assert torch.equal(other.grad, torch.ones(2))
    with pytest.raises(ValueError, match="needs the optimizers to update"):
        run.minimize(a.sum())


def test_a_frozen_network_passes_gradients_and_keeps_no_trace():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    picture = torch.rand(2, 1, 7, 5, requires_grad=True)
    with frozen(net) as held:
        held(picture).square().sum().backward()
    assert picture.grad.abs().max() > 0 and all(weight.grad is None for weight in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(weight.requires_grad for weight in net.parameters()) and net[1].track_running_stats


def test_one_process_is_not_wrapped():
    net = nn.Conv2d(1, 1, 1)
    assert Run("fp32").prepare(net) is net is unwrap(net)


def test_ahead_keeps_the_order_and_makes_one_more_than_asked():
    made = []

    def make(n):
        made.append(n)
        return n * n

    squares = prefetch(make, range(5))
    assert next(squares) == 0 and len(made) <= 3
    assert list(squares) == [1, 4, 9, 16] and made == list(range(5))
    assert list(prefetch(make, [])) == []


def test_ahead_passes_errors_on():
    squares = prefetch(lambda n: 1 // n, [1, 0])
    assert next(squares) == 1
    with pytest.raises(ZeroDivisionError):
        next(squares)
