"""The loop: exact resume, kills at random moments, schedules, averages, logs, errors."""

import copy
import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from srlib.data.streams import PatchStream
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.models.fcn import ESPCN
from srlib.training.logs import read_log
from srlib.training.loop import TrainConfig, train
from srlib.training.run import TrainingError
from srlib.training.schedules import cosine, multistep, multistep_at
from srlib.training.steps.supervised import supervised

ROOT = Path(__file__).parents[2]
STEP = supervised(Weighted(pixel=(1.0, l1)))

SCRIPT = """
import sys
import torch
import torch.utils.tensorboard
from srlib.data.streams import PatchStream
from srlib.losses.pixel import l1
from srlib.losses.weighted import Weighted
from srlib.models.srgan import SRResNet
from srlib.training.loop import TrainConfig, train
from srlib.training.schedules import cosine
from srlib.training.steps.supervised import supervised
from tests.training.kills import break_off

def run(folder, log):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = SRResNet(scale=2, width=8, blocks=1)
    picture = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    stream = PatchStream([picture], scale=2, lr_size=8, seed=3)
    opts = {"g": torch.optim.Adam(net.parameters(), 1e-3)}
    cfg = TrainConfig(steps=150, batch=4, save_every=3, log_every=2, precision="bf16", max_grad_norm=0.5)
    averaged, _ = train(supervised(Weighted(pixel=(1.0, l1))), {"g": net}, opts, stream, cfg, schedule=cosine(150),
                        folder=folder, resume=True, log=log)
    torch.save({"net": net.state_dict(), "averaged": averaged["g"].state_dict()}, f"{folder}.pt")

break_off(run, *sys.argv[1:], kills=20, rows=3)
"""


def setup(seed=0, channels=1):
    torch.manual_seed(seed)
    net = ESPCN(scale=2, channels=channels, width=8)
    picture = torch.rand(1, 3, 33, 41, generator=torch.Generator().manual_seed(1))
    stream = PatchStream([picture], scale=2, lr_size=6, channels=channels)
    return {"g": net}, {"g": torch.optim.Adam(net.parameters(), 1e-2)}, stream


def weights(net):
    return torch.cat([value.flatten().float() for value in net.state_dict().values()])


def test_the_loop_is_what_one_would_write_by_hand():
    cfg = TrainConfig(steps=7, batch=4, precision="fp32", ema_decay=0.0)
    nets, opts, stream = setup()
    mine = copy.deepcopy(nets["g"])
    opt = torch.optim.Adam(mine.parameters(), 1e-2)
    train(STEP, nets, opts, stream, cfg, schedule=lambda k: 1 / (k + 1))
    for k in range(7):
        for group in opt.param_groups:
            group["lr"] = 1e-2 / (k + 1)
        lr, hr = stream.batch(range(4 * k, 4 * k + 4))
        opt.zero_grad()
        (mine(lr) - hr).abs().mean().backward()
        opt.step()
    torch.testing.assert_close(weights(nets["g"]), weights(mine), atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_resumed_run_is_the_unbroken_run_to_the_bit(tmp_path, precision):
    cfg = TrainConfig(steps=20, batch=4, precision=precision, max_grad_norm=0.1)
    nets, opts, stream = setup()
    averaged, _ = train(STEP, nets, opts, stream, cfg, schedule=cosine(20, warmup=3))
    for stop in (5, 6, 20):  # the schedule is that of the whole run
        part, part_opts, _ = setup(seed=stop)
        short = TrainConfig(steps=stop, batch=4, precision=precision, max_grad_norm=0.1)
        if stop == 5:
            part, part_opts, _ = setup()
        mean, history = train(
            STEP, part, part_opts, stream, short, schedule=cosine(20, warmup=3), folder=tmp_path, resume=True
        )
    assert torch.equal(weights(part["g"]), weights(nets["g"]))
    assert torch.equal(weights(mean["g"]), weights(averaged["g"]))
    assert [row["step"] for row in history] == [5, 6, 20] == [row["step"] for row in read_log(tmp_path)]


@pytest.mark.parametrize("stop", [1, 4, 8])
def test_a_run_that_is_told_to_stop_is_scored_and_saved_and_goes_on_to_the_bit(tmp_path, stop):
    cfg = TrainConfig(steps=9, batch=4, log_every=4)
    nets, opts, stream = setup()
    averaged, _ = train(STEP, nets, opts, stream, cfg, schedule=cosine(9))
    part, part_opts, _ = setup()
    answers = iter([False] * (stop - 1) + [True])
    settings = {"schedule": cosine(9), "evaluate": lambda nets: {"psnr": 30.0}, "folder": tmp_path, "resume": True}
    _, history = train(STEP, part, part_opts, stream, cfg, until=partial(next, answers), **settings)
    assert history[-1]["step"] == stop and history[-1]["psnr"] == 30.0 and list(answers) == []
    part, part_opts, _ = setup(seed=1)
    mean, history = train(STEP, part, part_opts, stream, cfg, until=lambda: False, **settings)
    assert torch.equal(weights(part["g"]), weights(nets["g"]))
    assert torch.equal(weights(mean["g"]), weights(averaged["g"]))
    assert [row["step"] for row in history] == sorted({stop, 4, 8, 9}) == [row["step"] for row in read_log(tmp_path)]


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "whole"), str(tmp_path / "broken")]
    subprocess.run(command, cwd=ROOT, timeout=3600, check=True)
    a, b = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("whole", "broken"))
    for part in a:
        assert all(torch.equal(a[part][key], b[part][key]) for key in a[part])
    steps = [[row["step"] for row in read_log(tmp_path / name)] for name in ("whole", "broken")]
    assert steps[0] == steps[1]


def test_rows_say_what_happened(tmp_path):
    nets, opts, stream = setup()
    rows = []
    cfg = TrainConfig(steps=10, batch=4, log_every=4, evaluate_every=5)
    _, history = train(
        STEP,
        nets,
        opts,
        stream,
        cfg,
        evaluate=lambda nets: {"psnr": float(not nets["g"].training)},
        log=rows.append,
        folder=tmp_path,
    )
    assert rows == history
    assert [row["step"] for row in rows] == [4, 5, 8, 10]
    assert [row.get("psnr") for row in rows] == [None, 1.0, None, 1.0]
    for row in rows:
        assert row["loss"] == row["pixel"] > 0 and row["learning_rate"] == 1e-2
        assert 0 <= row["data_time"] < 1 and row["images_per_second"] > 0
    assert read_log(tmp_path) == [pytest.approx(row) for row in rows]
    assert any((tmp_path / "tensorboard").glob("events*"))


def test_the_average_is_of_the_weights_and_statistics_of_every_step():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.value = nn.Parameter(torch.zeros(1))
            self.register_buffer("running", torch.zeros(1))
            self.register_buffer("count", torch.zeros(1, dtype=torch.long))

    class Numbers:
        def batch(self, indices, device):
            return (torch.tensor([float(i) for i in indices]),)

    def step(nets, opts, batch, run):
        with torch.no_grad():
            nets["n"].value.fill_(batch[0].mean())
            nets["n"].running.fill_(batch[0].mean())
            nets["n"].count += 1
        return {}

    net = Constant()
    averaged, _ = train(
        step,
        {"n": net},
        {},
        Numbers(),
        TrainConfig(steps=50, batch=1, ema=("n",), ema_decay=0.9),
        schedule=lambda k: 1.0,
    )
    mean = 0.0
    for k in range(50):
        decay = min(0.9, (k + 1) / (k + 10))
        mean = decay * mean + (1 - decay) * k
    assert averaged["n"].value.item() == pytest.approx(mean, rel=1e-5)
    assert averaged["n"].running.item() == pytest.approx(mean, rel=1e-5) and averaged["n"].count == 50
    assert net.value.item() == 49


def test_a_loss_that_is_not_finite_stops_the_run_before_it_is_saved(tmp_path):
    nets, opts, stream = setup()

    def step(nets, opts, batch, run):
        return {"loss": torch.tensor(float("nan"))}

    with pytest.raises(TrainingError, match="step 3: loss is not finite; try a smaller learning rate"):
        train(step, nets, opts, stream, TrainConfig(steps=9, batch=1, save_every=3), folder=tmp_path)
    assert not (tmp_path / "state.pt").exists()


@pytest.mark.parametrize(("value", "name"), [(float("inf"), "the weights of g"), (float("nan"), "the weights of g")])
def test_weights_that_are_not_finite_are_never_saved(tmp_path, value, name):
    """The loss of the last step is that of the weights before it."""
    nets, opts, stream = setup()

    def step(nets, opts, batch, run):
        nets["g"].head.bias.data[0] = value
        return {"loss": torch.zeros(())}

    with pytest.raises(TrainingError, match=f"step 1: {name} are not finite; try a smaller learning rate"):
        train(step, nets, opts, stream, TrainConfig(steps=1, batch=1), folder=tmp_path)
    assert not (tmp_path / "state.pt").exists()


def test_a_score_may_be_infinite_but_must_be_a_number(tmp_path):
    nets, opts, stream = setup()
    cfg = TrainConfig(steps=1, batch=1)
    _, history = train(STEP, nets, opts, stream, cfg, evaluate=lambda nets: {"psnr": float("inf")})
    assert history[-1]["psnr"] == float("inf")
    with pytest.raises(TrainingError, match="step 1: psnr is not finite"):
        train(STEP, nets, opts, stream, cfg, evaluate=lambda nets: {"psnr": float("nan")}, folder=tmp_path)
    assert not (tmp_path / "state.pt").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 8}, "saved with batch=4, now batch=8"),
        ({"precision": "fp32"}, "saved with precision=bf16, now precision=fp32"),
        ({"steps": 3}, "is at step 6, beyond steps=3"),
    ],
)
def test_the_state_of_another_run_is_refused(tmp_path, change, message):
    nets, opts, stream = setup()
    settings = {"steps": 6, "batch": 4}
    train(STEP, nets, opts, stream, TrainConfig(**settings), folder=tmp_path)
    before = weights(nets["g"])
    with pytest.raises(TrainingError, match=message):
        train(STEP, nets, opts, stream, TrainConfig(**settings | change), folder=tmp_path, resume=True)
    assert torch.equal(weights(nets["g"]), before)


def test_a_state_of_other_networks_is_refused(tmp_path):
    nets, opts, stream = setup()
    train(STEP, nets, opts, stream, TrainConfig(steps=2, batch=4), folder=tmp_path)
    other, other_opts, other_stream = setup(channels=3)
    with pytest.raises(TrainingError, match=r"the saved g \(nets\) does not fit"):
        train(STEP, other, other_opts, other_stream, TrainConfig(steps=2, batch=4), folder=tmp_path, resume=True)
    more = nets | {"h": copy.deepcopy(nets["g"])}
    with pytest.raises(TrainingError, match="holds the state of another run: g"):
        train(STEP, more, opts, stream, TrainConfig(steps=2, batch=4), folder=tmp_path, resume=True)


def test_a_damaged_state_is_refused_wherever_the_damage_is(tmp_path):
    nets, opts, stream = setup()
    train(STEP, nets, opts, stream, TrainConfig(steps=2, batch=4), folder=tmp_path)
    path = tmp_path / "state.pt"
    whole = path.read_bytes()
    moments = random.Random(0)
    damaged = [whole[: len(whole) // 2], b"", b"text\n", torch.zeros(3).numpy().tobytes()]
    for _ in range(20):
        flipped = bytearray(whole)
        flipped[moments.randrange(len(whole))] ^= 1 << moments.randrange(8)
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(TrainingError, match="damaged, or not a training state; delete it"):
            train(STEP, nets, opts, stream, TrainConfig(steps=4, batch=4), folder=tmp_path, resume=True)


def test_a_state_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    nets, opts, stream = setup()
    train(STEP, nets, opts, stream, TrainConfig(steps=2, batch=4), folder=tmp_path)
    before = (tmp_path / "state.pt").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        train(STEP, nets, opts, stream, TrainConfig(steps=4, batch=4), folder=tmp_path, resume=True)
    assert (tmp_path / "state.pt").read_bytes() == before


def test_a_log_left_by_a_killed_run_is_cut_back(tmp_path):
    nets, opts, stream = setup()
    cfg = TrainConfig(steps=4, batch=4, log_every=2)
    train(STEP, nets, opts, stream, cfg, folder=tmp_path)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("6,0.1,0.0,1.0\n8,0.")
    longer = TrainConfig(steps=6, batch=4, log_every=2)
    train(STEP, nets, opts, stream, longer, folder=tmp_path, resume=True)
    assert [row["step"] for row in read_log(tmp_path)] == [2, 4, 6]


def test_each_optimizer_has_its_own_schedule_and_column(tmp_path):
    """Three steps by hand: g at a constant rate, d at one that halves."""
    nets = {name: nn.Linear(1, 1, bias=False) for name in ("g", "d")}
    start = {name: net.weight.item() for name, net in nets.items()}
    opts = {name: torch.optim.SGD(net.parameters(), 0.1) for name, net in nets.items()}

    def step(nets, opts, batch, run):
        run.minimize(nets["g"].weight.sum() + nets["d"].weight.sum(), opts["g"], opts["d"])
        return {}

    class Nothing:
        def batch(self, indices, device):
            return ()

    schedules = {"g": lambda k: 1.0, "d": lambda k: 0.5**k}
    cfg = TrainConfig(steps=3, batch=1, precision="fp32", log_every=1)
    _, history = train(step, nets, opts, Nothing(), cfg, schedule=schedules)
    assert nets["g"].weight.item() == pytest.approx(start["g"] - 0.3)
    assert nets["d"].weight.item() == pytest.approx(start["d"] - 0.1 * 1.75)
    assert [row["learning_rate_d"] for row in history] == pytest.approx([0.1, 0.05, 0.025])
    assert [row["learning_rate_g"] for row in history] == [0.1] * 3


def test_names_that_are_no_network_or_optimizer_are_told():
    nets, opts, stream = setup()
    for how, message in (
        ({"frozen_nets": ["f"]}, "no network 'f' to freeze or to average; there are g"),
        ({"schedule": {"d": cosine(9)}}, "schedules for d, but optimizers g"),
    ):
        with pytest.raises(ValueError, match=message):
            train(STEP, nets, opts, stream, TrainConfig(steps=1, batch=4), **how)
    with pytest.raises(ValueError, match="no network 'd' to freeze or to average"):
        train(STEP, nets, opts, stream, TrainConfig(steps=1, batch=4, ema=("d",)))


def test_a_network_with_three_dimensional_kernels_trains():
    net = nn.Conv3d(1, 1, 3, padding=1)

    def step(nets, opts, batch, run):
        loss = nets["g"](batch[0][None].mean(2, keepdim=True).transpose(1, 2)).square().mean()
        run.minimize(loss, opts["g"])
        return {"loss": loss.detach()}

    stream = setup(channels=3)[2]
    before = net.weight.clone()
    train(step, {"g": net}, {"g": torch.optim.SGD(net.parameters(), 0.1)}, stream, TrainConfig(steps=2, batch=4))
    assert not torch.equal(net.weight, before)


def test_schedules():
    rate = cosine(110, warmup=10, end=0.1)
    assert rate(0) == pytest.approx(1 / 11) and rate(9) == pytest.approx(10 / 11) and rate(10) == 1
    assert rate(60) == pytest.approx(0.55) and rate(110) == pytest.approx(0.1) == rate(500)
    assert [multistep(2, 4)(k) for k in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    thirds = multistep_at(300_000, fractions=(1 / 3, 2 / 3), gamma=0.1)
    assert [thirds(k) for k in (0, 99_999, 100_000, 199_999, 200_000)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps and batch must be at least 1"),
        ({"steps": 1, "ema_decay": 1.0}, "ema_decay must be from 0 to below 1"),
    ],
)
def test_impossible_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)


def test_an_unknown_precision_is_named():
    nets, opts, stream = setup()
    with pytest.raises(ValueError, match="precision must be one of fp32, bf16, fp16, got 'tf32'"):
        train(STEP, nets, opts, stream, TrainConfig(steps=1, precision="tf32"))
