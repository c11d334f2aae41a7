"""A toy method with everything that coming methods need trains, is killed, and runs on two processes."""

import io
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from srlib.checkpoints import read_card
from srlib.training.logs import read_log
from tests.training.toy_method import run

ROOT = Path(__file__).parents[2]

KILLS = """
import sys
from tests.training.kills import break_off
from tests.training.toy_method import run

def train(folder, log):
    run(folder, steps=60, precision=sys.argv[3], log=log)

break_off(train, *sys.argv[1:3], kills=10, rows=8)
"""


def states(folder):
    """Everything that was saved of both phases: networks, averages, optimizers."""
    found = []
    for phase in ("first", "second"):
        content = (folder / phase / "state.pt").read_bytes().partition(b"\n")[2]
        found.append(torch.load(io.BytesIO(content), weights_only=True)["states"])
    return found


def assert_equal(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, list | tuple):
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    else:
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def test_roles_keep_the_order_in_which_the_streams_name_them():
    """What a command calls the first role may not change from one run of Python to the next."""
    ask = "from tests.training.toy_method import recipe; print(*recipe().sides, recipe(steps=7).steps)"
    for seed in ("1", "2", "3"):
        env = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", ask], cwd=ROOT, env=env, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["lr", "hr", "14"]


def test_the_second_phase_begins_with_the_networks_of_the_first(tmp_path):
    path = run(tmp_path, steps=5)
    first, second = states(tmp_path)
    assert_equal(first["nets"]["f"], second["nets"]["f"])  # frozen
    assert set(second["averaged"]) == {"a", "c"} and set(second["opts"]) == {"g", "dual", "d"}
    deployed = load_file(path)
    assert all(torch.equal(deployed[f"a.{name}"], value) for name, value in second["averaged"]["a"].items())
    for phase, columns in (
        ("first", {"learning_rate_f"}),
        ("second", {"learning_rate_g", "learning_rate_d", "loss_d"}),
    ):
        assert [row["step"] for row in read_log(tmp_path / phase)] == [2, 3, 4, 5]
        assert columns <= read_log(tmp_path / phase)[0].keys()
    card = read_card(path)
    assert card["steps"] == 10 and [phase["name"] for phase in card["recipe"]["phases"]] == ["first", "second"]
    assert card["recipe"]["phases"][1]["frozen"] == ["f"]
    assert (
        card["recipe"]["phases"][1]["stream"] == "UnpairedPatches(sizes={lr: 8, hr: 16}, channels=3, symmetries=True)"
    )


def test_a_method_that_is_told_to_stop_in_either_phase_goes_on_to_the_bit(tmp_path):
    whole = run(tmp_path / "whole", steps=5)
    for done in (3, 7):  # nobody is asked at the last step of a phase
        path = run(tmp_path / "broken", steps=5, until=partial(next, iter([False, False, True])))
        assert read_card(path)["steps"] == done
    path = run(tmp_path / "broken", steps=5, until=lambda: False)
    assert read_card(path)["steps"] == 10
    assert_equal(states(tmp_path / "whole"), states(tmp_path / "broken"))
    assert_equal(load_file(whole), load_file(path))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_ten_kills_change_nothing(tmp_path, precision):
    command = [sys.executable, "-c", KILLS, str(tmp_path / "whole"), str(tmp_path / "broken"), precision]
    subprocess.run(command, cwd=ROOT, timeout=3600, check=True)
    assert_equal(states(tmp_path / "whole"), states(tmp_path / "broken"))
    whole, broken = (load_file(tmp_path / name / "toy_x2.safetensors") for name in ("whole", "broken"))
    assert_equal(whole, broken)
    for phase in ("first", "second"):
        steps = [[row["step"] for row in read_log(tmp_path / name / phase)] for name in ("whole", "broken")]
        assert steps[0] == steps[1]


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for name, command in (("one", [sys.executable]), ("two", torchrun)):
        words = [*command, "-m", "tests.training.toy_method", str(tmp_path / name)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=3600)
        assert done.returncode == 0, done.stderr
    for one, two in zip(states(tmp_path / "one"), states(tmp_path / "two"), strict=True):
        for group in ("nets", "averaged"):
            for name, values in one[group].items():
                for key, value in values.items():
                    torch.testing.assert_close(two[group][name][key], value, atol=1e-6, rtol=0)
