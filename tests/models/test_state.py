"""state: files of others are read by content, nothing in them is run, wrapping is taken off."""

import pickle
import struct

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from srlib.models.state import from_file, unwrapped
from tests.conftest import every

STATE = {"conv.weight": torch.rand(2, 3, 3, 3), "conv.bias": torch.zeros(2)}


@pytest.mark.parametrize("name", ["net.pth", "net.pt", "net.safetensors", "net"])
@pytest.mark.parametrize(
    "write", [torch.save, save_file, lambda *a: torch.save(*a, _use_new_zipfile_serialization=False)]
)
def test_the_content_decides_and_not_the_name(tmp_path, name, write):
    write(STATE, tmp_path / name)
    found = from_file(tmp_path / name)
    assert found.keys() == STATE.keys() and all(torch.equal(found[key], value) for key, value in STATE.items())


class Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_pickled_is_run(tmp_path):
    mark = tmp_path / "ran"
    traps = {"protocol 2": 2, "protocol 4": 4}
    for name, protocol in traps.items():
        (tmp_path / name).write_bytes(pickle.dumps({"conv.weight": Trap(mark)}, protocol))
    torch.save({"params": STATE, "extra": Trap(mark)}, tmp_path / "zip")
    torch.save({"params": STATE, "extra": Trap(mark)}, tmp_path / "old", _use_new_zipfile_serialization=False)
    for name in (*traps, "zip", "old"):
        with pytest.raises(ValueError, match="nothing pickled is run here|is damaged") as caught:
            from_file(tmp_path / name)
        assert "\n" not in str(caught.value) and not mark.exists()
    pickle.loads((tmp_path / "protocol 2").read_bytes())["conv.weight"].close()
    assert mark.exists()  # the trap works


def test_a_whole_network_is_refused_with_the_way_out(tmp_path):
    torch.save(nn.Conv2d(3, 3, 1), tmp_path / "net.pt")
    with pytest.raises(ValueError, match=r"more than tensors \(torch.nn.modules.conv.Conv2d\).*state_dict\(\)"):
        from_file(tmp_path / "net.pt")


def test_damage_is_one_line(tmp_path):
    torch.save(STATE, tmp_path / "net.pth")
    save_file(STATE, tmp_path / "net.safetensors")
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    cases = [(name, content) for path, content in whole.items() for name, content in (
        (f"half of {path.name}", content[: len(content) // 2]), (f"end of {path.name}", content[9:]),
    )]  # fmt: skip
    cases += [("empty", b""), ("text", b"not weights"), ("header", struct.pack("<Q", 1 << 62) + b"{}"), ("PK", b"PK")]

    def told(name, content):
        path = tmp_path / "damaged"
        path.write_bytes(content)
        with pytest.raises(ValueError) as caught:
            from_file(path)
        assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)

    weights = whole[tmp_path / "net.pth"].index(STATE["conv.weight"].numpy().tobytes())
    flipped = bytearray(whole[tmp_path / "net.pth"])
    flipped[weights + 5] ^= 1
    cases.append(("one bit of a weight", bytes(flipped)))
    every(told, cases)
    with pytest.raises(ValueError, match="no such file"):
        from_file(tmp_path / "nothing.pth")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"params_ema": state, "params": {"other": torch.ones(1)}},
        lambda state: {"params_ema": {}, "params": state},
        lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}},
        lambda state: {"model": {"module." + name: value for name, value in state.items()}},
        lambda state: {"_orig_mod.module." + name: value for name, value in state.items()},
        lambda state: {"state_dict": {"generator." + name: value for name, value in state.items()}},
        lambda state: {"netG.module." + name: value for name, value in state.items()} | {"netD.x": torch.ones(1)},
        lambda state: (
            {"generator.y": torch.ones(1)} | {"generator_ema." + name: value for name, value in state.items()}
        ),
    ],
)
def test_what_is_wrapped_around_comes_off(wrap):
    assert unwrapped(wrap(STATE)) == STATE


def test_what_holds_no_weights_is_named():
    endless = {}
    endless["params"] = endless
    for state, words in (
        ([1, 2], "it holds list, no weights by name"),
        ({"params": {}}, "'params' in it is dict"),
        ({}, "it holds no weights"),
        (STATE | {"step": 3}, "'step' in it is int"),
        ({3: torch.ones(1)}, "3 in it is Tensor"),
        (endless, "'params' in it is dict"),
    ):
        with pytest.raises(ValueError, match=words):
            unwrapped(state)
