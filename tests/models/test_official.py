"""official: the names of published files; networks that other programs load; dense blocks filled up with zeros."""

import importlib.util
import subprocess
import sys

import pytest
import torch

from srlib import checkpoints
from srlib.models.compact import Compact
from srlib.models.edsr import EDSR
from srlib.models.esrgan import RRDBNet, from_official
from srlib.models.fcn import espcn
from srlib.models.official import filled, to_official
from srlib.models.srgan import SRResNet
from tests.models import others


def seeded(make, **settings):
    torch.manual_seed(0)
    return make(**settings).eval()


@pytest.mark.parametrize("scale, fold, growth", [(4, 1, 4), (2, 2, 4), (1, 4, 4), (4, 1, None)])
def test_a_network_of_four_gets_the_names_of_basicsr(scale, fold, growth):
    net = seeded(RRDBNet, scale=scale, blocks=2, width=8, growth=4, fold=fold)
    theirs, run = others.rrdb(2, fold=fold)
    state = to_official(net, growth=growth)
    assert {name: value.shape for name, value in state.items()} == {name: value.shape for name, value in theirs.items()}
    theirs.update(state)
    lr = torch.rand(1, 3, 8, 12)
    torch.testing.assert_close(run(lr), net(lr), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("scale", [1, 2, 8])
def test_other_scales_get_the_numbers_of_the_first_code(scale):
    net = seeded(RRDBNet, scale=scale, blocks=1, width=8, growth=4)
    state, stages = to_official(net), {1: 0, 2: 1, 8: 3}[scale]
    assert {"model.0.weight", "model.1.sub.0.RDB3.conv5.0.bias", "model.1.sub.1.bias"} < state.keys()
    assert {f"model.{place}.weight" for place in (3 * stages + 2, 3 * stages + 4)} < state.keys()
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in from_official(state).items())


def test_edsr_gets_colours_up_to_255():
    net = seeded(EDSR, scale=3, blocks=2, width=8)
    theirs, run = others.edsr(3)
    names = {id(value): name for name, value in theirs.items()}
    for name, value in others.basicsr_edsr(theirs).items():
        theirs[names[id(value)]] = to_official(net)[name]
    lr = torch.rand(1, 3, 9, 7)
    torch.testing.assert_close(run(lr), net(lr), atol=1e-5, rtol=1e-4)
    assert others.basicsr_edsr(theirs).keys() == to_official(net).keys()


@pytest.mark.parametrize("growth", [4, 5, 32])
def test_dense_blocks_filled_up_compute_the_same(growth):
    net = seeded(RRDBNet, scale=4, blocks=2, width=8, growth=4)
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(0.2 * torch.randn_like(value))
    wide, lr = filled(net, growth), torch.rand(1, 3, 9, 7)
    assert wide.settings == net.settings | {"growth": growth}
    torch.testing.assert_close(wide.double()(lr.double()), net.double()(lr.double()))


def test_what_basicsr_does_not_have_is_told():
    small = RRDBNet(scale=3, blocks=1, width=8, growth=4)
    for net, growth, words in (
        (espcn(2), None, "BasicSR has no network like ESPCN"),
        (SRResNet(width=8, blocks=1), None, "BasicSR has no network like SRResNet"),
        (small, None, "for ×3 looks like one for ×2"),
        (small, 2, "it grows by 4 maps, which cannot become 2 without loss"),
        (Compact(scale=2, width=8), 32, "Compact has no dense blocks that grow"),
        (EDSR(scale=2, blocks=1, width=8, tail="light"), None, "this one does not"),
    ):
        with pytest.raises(ValueError, match=words):
            to_official(net, growth=growth)


LOADED = """
import sys, torch, spandrel
from safetensors.torch import load_file
for path in sys.argv[1:]:
    found = spandrel.ModelLoader().load_from_file(path)
    lr = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        print(found.architecture.id, found.scale, found.model.eval()(lr).flatten()[::97].tolist(), sep="|")
"""


@pytest.mark.skipif(importlib.util.find_spec("spandrel") is None, reason="spandrel is not installed")
def test_spandrel_loads_what_it_knows(tmp_path):
    """In a process of its own: it imports torchvision, which warns."""
    nets = [(seeded(RRDBNet, scale=4, blocks=2, width=8, growth=4), "ESRGAN"),
            (seeded(RRDBNet, scale=2, blocks=2, width=8, growth=4), "ESRGAN"),
            (seeded(RRDBNet, scale=2, blocks=2, width=8, growth=4, fold=2), "ESRGAN"),
            (checkpoints.load("rrdb_psnr_small", 4), "ESRGAN"),
            (seeded(Compact, scale=3, width=8), "Compact")]  # fmt: skip
    paths = []
    for k, (net, kind) in enumerate(nets):
        state = to_official(net, growth=32 if kind == "ESRGAN" else None)
        torch.save({"params": state}, tmp_path / f"{k}.pth")
        paths.append(tmp_path / f"{k}.pth")
    done = subprocess.run([sys.executable, "-c", LOADED, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lr = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    for (net, kind), line in zip(nets, done.stdout.splitlines(), strict=True):
        found, scale, values = line.split("|")
        assert (found, int(scale)) == (kind, net.scale)
        with torch.no_grad():
            torch.testing.assert_close(torch.tensor(eval(values)), net(lr).flatten()[::97], atol=1e-5, rtol=1e-4)
