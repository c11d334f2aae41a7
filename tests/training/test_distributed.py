"""Two processes under torchrun train as one does, and stop where the first of them says."""

import subprocess
import sys

import pytest
import torch

SCRIPT = """
import os, sys, torch
from srlib.data.streams import PatchStream, RoundRobin
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.models.edsr import EDSR, MDSR
from srlib.training.loop import TrainConfig, train
from srlib.training.muon import Muon
from srlib.training.run import choose_device, process_group, unwrap
from srlib.training.steps.supervised import supervised
torch.set_num_threads(1)
torch.manual_seed(0)
several = sys.argv[2] == "mdsr"
picture = torch.rand(1, 3, 45, 37, generator=torch.Generator().manual_seed(1))
streams = [PatchStream([picture], scale=scale, lr_size=6) for scale in (2, 3)]
if several:
    net, stream = MDSR(scale=3, scales=(2, 3), blocks=1, width=8), RoundRobin(streams, batch=4)
else:
    net, stream = EDSR(scale=2, blocks=1, width=8), streams[0]
opts = {"g": torch.optim.SGD(net.parameters(), 0.1) if several else Muon(net.parameters(), 3e-3)}
cfg = TrainConfig(steps=8, batch=4, precision="fp32", log_every=3)
rows = []
rank = os.environ.get("RANK", "0")
def carry_on(until):
    return train(supervised(Weighted(pixel=(1.0, l1)), at_scale=several), {"g": net}, opts, stream, cfg,
                 folder=sys.argv[1], resume=True, log=rows.append, until=until)
asked = []
with process_group(choose_device()):
    _, history = carry_on(lambda: asked.append(0) or (rank == "0" and len(asked) == 4))
    assert history[-1]["step"] == 4, history
    averaged, _ = carry_on(None)
assert unwrap(net) is net
assert [row["step"] for row in rows] == ([] if rank == "1" else [3, 4, 6, 8]), rows
torch.save(averaged["g"].state_dict(), f"{sys.argv[1]}.{rank}.pt")
"""


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for kind in ("edsr", "mdsr"):
        for name, command in (("one", [sys.executable]), ("two", torchrun)):
            words = [*command, str(script), str(tmp_path / f"{kind}_{name}"), kind]
            done = subprocess.run(words, capture_output=True, text=True, timeout=3600)
            assert done.returncode == 0, done.stderr
        files = [tmp_path / f"{kind}_{name}.pt" for name in ("one.0", "two.0", "two.1")]
        one, first, second = (torch.load(file, weights_only=True) for file in files)
        for key in one:
            assert torch.equal(first[key], second[key])
            torch.testing.assert_close(first[key], one[key], atol=1e-6, rtol=0)


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    from srlib.training.loop import TrainConfig, train
    from srlib.training.run import Run

    monkeypatch.setattr(Run, "__init__", lambda self, *_: self.__dict__.update(world=2, rank=0))
    with pytest.raises(ValueError, match="a batch of 5 cannot be shared by 2 processes"):
        train(None, {}, {}, None, TrainConfig(steps=1, batch=5))
