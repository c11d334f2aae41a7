"""What only a card can show, on every device there is: the same bits again, precisions, compilation, others' kernels.

`python benchmarks/gpu.py run` chooses those of its device by the name of the parameter.
"""

import shutil
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from srlib import checkpoints
from srlib.data.streams import AlignedStream, PatchStream
from srlib.inference import upscale
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.models.edsr import EDSR
from srlib.models.vgg import load_state, vgg19
from srlib.training.loop import TrainConfig, train
from srlib.training.muon import Muon
from srlib.training.run import Run
from srlib.training.schedules import cosine
from srlib.training.steps.supervised import supervised
from srlib.video.deformable import deformable_conv2d

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore:.*TF32"),  # torch 2.9 and later ask for another name of the switch
]
NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=NO_CUDA)])
def device(request, monkeypatch):
    """The device; on a card, convolutions that round to float32 and not to TF32, and give the same bits each time."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    return torch.device(request.param)


def noise(*size, seed=0):
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed))


def trained(device, *, precision="bf16", steps=12, **settings):
    """A small EDSR on noise: its averaged weights and the rows of its log."""
    torch.manual_seed(0)
    net = EDSR(scale=2, blocks=2, width=16)
    stream = PatchStream([noise(45, 37)], scale=2, lr_size=12)
    cfg = TrainConfig(steps, batch=4, precision=precision, max_grad_norm=1.0, log_every=4)
    step, opts = supervised(Weighted(pixel=(1.0, l1))), {"g": Muon(net.parameters(), 3e-3)}
    averaged, history = train(step, {"g": net}, opts, stream, cfg, schedule=cosine(steps), device=device, **settings)
    return torch.cat([value.flatten().float().cpu() for value in averaged["g"].state_dict().values()]), history


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_stopped_run_goes_on_to_the_bit(device, precision, tmp_path):
    """As long as cuDNN is told to be deterministic, and cuBLAS by CUBLAS_WORKSPACE_CONFIG, as `gpu.py` does."""
    whole, _ = trained(device, precision=precision)
    _, history = trained(device, precision=precision, folder=tmp_path, until=partial(next, iter([False] * 4 + [True])))
    assert history[-1]["step"] == 5
    again, history = trained(device, precision=precision, folder=tmp_path, resume=True)
    assert [row["step"] for row in history] == [4, 5, 8, 12]
    assert torch.equal(again, whole), f"they differ by up to {(again - whole).abs().max():.1e}"


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_the_bits_learn_what_all_of_them_learn(device, precision):
    _, exact = trained(device, precision="fp32", steps=24)
    _, rounded = trained(device, precision=precision, steps=24)
    assert exact[-1]["loss"] < exact[0]["loss"]
    for row, other in zip(exact, rounded, strict=True):
        assert other["loss"] == pytest.approx(row["loss"], rel=0.05)


def test_fp16_scales_each_of_two_updates_that_one_optimizer_makes_in_a_step(device):
    """A gradient of 1e-7 is nothing in fp16 unless the loss is scaled; what is scaled twice is too large."""
    layer = torch.nn.Conv2d(3, 3, 3, padding=1, bias=False).to(device)
    run, opt, image = Run("fp16", device=device), torch.optim.SGD(layer.parameters(), 1e6), noise(9, 7).to(device)
    for _ in range(6):
        for factor in (1e-7, 2e-7):
            before = layer.weight.detach().clone()
            with run.autocast():
                output = layer(image)
            assert output.dtype == torch.float16
            run.minimize(factor * output.float().mean(), opt)
            wanted = torch.autograd.grad(factor * layer(image).mean(), layer.weight)[0]
            torch.testing.assert_close(layer.weight.grad, wanted, atol=1e-9, rtol=0.01)
            torch.testing.assert_close(layer.weight.detach(), before - 1e6 * wanted, atol=1e-3, rtol=0)
    assert run.scaler.get_scale() >= 1


def test_a_stream_gives_the_same_bits_and_lives_on_the_device(device):
    pictures = [noise(41, 52), noise(33, 64, seed=1)[:, :1]]
    for channels in (1, 3):
        here, there = (PatchStream(pictures, scale=3, lr_size=7, channels=channels, seed=5) for _ in range(2))
        for layer, other in zip(here.batch(range(40)), there.batch(range(40), device), strict=True):
            assert other.device.type == device.type and other.is_contiguous(memory_format=torch.channels_last)
            assert torch.equal(other.cpu(), layer)
        assert isinstance(there, AlignedStream) and {table.device.type for table in there._tables} == {device.type}
        assert there.nbytes == here.nbytes


def test_tiles_are_what_the_processor_makes_of_the_whole(device):
    net, lr = checkpoints.load("edsr_small", 2), noise(75, 103)
    whole = upscale(net, lr, tile=None)
    tiled = upscale(net.to(device), lr.to(device), tile=32)
    torch.testing.assert_close(tiled.cpu(), whole, atol=1e-4, rtol=0)


def test_every_layer_of_vgg19_is_torchvisions(device):
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed here")
    torch.manual_seed(0)
    theirs = models.vgg19(weights=None, init_weights=False).eval().to(device)
    ours = load_state(vgg19(), theirs.state_dict()).eval().to(device)
    image = noise(64, 96).to(device)
    with torch.no_grad():
        found = ours(image, ours.layers)
        x = (image - ours.mean) / ours.std
        for name, layer in zip(ours.layers, theirs.features, strict=True):
            x = layer(x.clone())  # their activations work in place
            torch.testing.assert_close(found[name], x, atol=1e-4, rtol=1e-4)


def test_deformable_convolution_is_torchvisions(device):
    ops = pytest.importorskip("torchvision.ops", reason="torchvision is not installed here")
    groups, rng = 2, torch.Generator().manual_seed(0)
    x = torch.randn(2, 8, 13, 17, generator=rng)
    offset = 3 * torch.randn(2, 2 * groups * 9, 13, 17, generator=rng)
    mask = torch.rand(2, groups * 9, 13, 17, generator=rng)
    weight, bias = torch.randn(5, 8, 3, 3, generator=rng), torch.randn(5, generator=rng)
    x, offset, mask, weight, bias = (tensor.to(device) for tensor in (x, offset, mask, weight, bias))
    expected = ops.deform_conv2d(x, offset, weight, bias, padding=1, mask=mask)
    found = deformable_conv2d(x, offset, mask, weight, bias, padding=1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    still = deformable_conv2d(x, torch.zeros_like(offset), torch.ones_like(mask), weight, bias, padding=1)
    torch.testing.assert_close(still, F.conv2d(x, weight, bias, padding=1), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the compiler's own
@pytest.mark.skipif(shutil.which("cc") is None, reason="torch.compile needs a C compiler, and there is no cc here")
def test_a_compiled_network_computes_the_same(device, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    net = checkpoints.load("edsr_small", 2) if device.type == "cuda" else EDSR(scale=2, blocks=1, width=8).eval()
    net, lr = net.to(device), noise(24, 31).to(device)
    with torch.no_grad():
        expected = net(lr)
        compiled = Run("fp32", device=device).prepare(net, compile=True)(lr)
    torch.testing.assert_close(compiled, expected, atol=1e-3, rtol=0)
