"""checkpoints: what is saved comes back; files are whole or absent; nothing damaged or foreign is half loaded."""

import hashlib
import json
import os
import pickle
import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from srlib import checkpoints
from srlib.checkpoints import CheckpointError, build, load, read_card, save, shipped, weights_of
from srlib.models.catalogue import CATALOGUE
from srlib.models.compact import Compact
from srlib.models.edsr import EDSR
from srlib.models.esrgan import RRDBNet
from srlib.models.fcn import SRCNN
from srlib.models.srgan import SRResNet
from srlib.network_interpolation import interpolate_networks
from srlib.training.warm_start import warm_start
from tests.conftest import every


def network(model="espcn", scale=2, seed=0):
    torch.manual_seed(seed)
    return build(model, scale)


@pytest.fixture
def saved(tmp_path):
    """(network, path)"""
    net = network()
    return net, save(net, tmp_path / "espcn_x2.safetensors", {"model": "espcn", "scale": 2, "steps": 7})


def rewrite(path, **card):
    """Change a card."""
    path.with_suffix(".json").write_text(json.dumps(read_card(path) | card), encoding="utf-8")


def with_sum(path):
    """Make the card believe the file."""
    rewrite(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("model", CATALOGUE)
def test_what_is_saved_comes_back(tmp_path, monkeypatch, model):
    """With the small network of its row: some have 170 MB."""
    monkeypatch.setitem(CATALOGUE, model, replace(CATALOGUE[model], build=CATALOGUE[model].small))
    scale = CATALOGUE[model].scales[:2][-1]
    net = network(model, scale).eval()
    path = save(net, tmp_path / "new" / f"{model}_x{scale}.safetensors", {"model": model, "scale": scale})
    again = load(path)
    assert type(again) is type(net) and again.scale == scale and not again.training
    assert again.state_dict().keys() == net.state_dict().keys()
    assert all(torch.equal(again.state_dict()[name], value) for name, value in net.state_dict().items())
    frames = (net.frames,) if getattr(net, "frames", 1) > 1 else ()
    lr = torch.rand(1, *frames, net.channels, 17, 11)
    with torch.no_grad():
        assert torch.equal(again(lr), net(lr))


def test_half_precision_is_near_and_half_as_large(tmp_path):
    net = network("srresnet", 4).eval()
    nn.init.uniform_(net.body[-1].running_mean)
    net.body[-1].num_batches_tracked += 100_000  # an integer, which 16 bits would not hold as a float
    whole = save(net, tmp_path / "whole.safetensors", {"model": "srresnet", "scale": 4})
    half = save(net, tmp_path / "half.safetensors", {"model": "srresnet", "scale": 4}, half=True)
    assert half.stat().st_size < 0.52 * whole.stat().st_size
    assert (read_card(whole)["precision"], read_card(half)["precision"]) == ("float32", "float16")
    again = load(half)
    assert all(value.dtype in (torch.float32, torch.int64) for value in again.state_dict().values())
    assert again.body[-1].num_batches_tracked == 100_000
    for name, value in net.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=1e-3, rtol=1e-3)


def test_the_card_is_kept_and_completed(saved):
    net, path = saved
    card = read_card(path)
    assert card["model"] == "espcn" and card["scale"] == 2 and card["steps"] == 7
    assert card["parameters"] == sum(p.numel() for p in net.parameters()) == 21_284
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest() and card["precision"] == "float32"


@pytest.mark.parametrize(
    "name, card",
    [
        ("net.pth", {"model": "espcn", "scale": 2}),
        ("net.safetensors", {"scale": 2}),
        ("net.safetensors", {"model": "espcn"}),
    ],
)
def test_a_checkpoint_without_a_name_is_not_written(tmp_path, name, card):
    with pytest.raises(CheckpointError, match="whose card has model and scale"):
        save(network(), tmp_path / name, card)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("place", [1, 2])
def test_saving_writes_the_network_and_its_card_or_neither(saved, monkeypatch, error, place):
    net, path = saved
    calls = []

    def stop(*paths, replace=os.replace):
        calls.append(paths)
        if len(calls) == place:
            raise error
        replace(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        with pytest.raises(error):
            save(network(seed=1), path, {"model": "espcn", "scale": 2})
    assert sorted(file.name for file in path.parent.iterdir()) == ["espcn_x2.json", "espcn_x2.safetensors"]
    assert torch.equal(load(path).head.weight, net.head.weight)


def test_a_network_for_several_scales_is_loaded_at_one(tmp_path):
    path = save(network("mdsr", 4), tmp_path / "net.safetensors", {"model": "mdsr", "scale": 4, "scales": [2, 3, 4]})
    assert [load(path, scale).scale for scale in (2, 3, 4, None)] == [2, 3, 4, 4]
    with pytest.raises(ValueError, match="8"):
        load(path, 8)


# What can be wrong with a file. Each changes the two files of a good checkpoint; the words it must be told with.


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def truncated_with_sum(path):
    truncated(path)
    with_sum(path)


def empty(path):
    path.write_bytes(b"")


def empty_with_sum(path):
    empty(path)
    with_sum(path)


def one_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def zip_pickle(path):
    torch.save(network().state_dict(), path)
    with_sum(path)


def bare_pickle(path):
    path.write_bytes(pickle.dumps({"head.weight": [1.0]}))
    with_sum(path)


def gone(path):
    path.unlink()


def no_card(path):
    path.with_suffix(".json").unlink()


def card_is_text(path):
    path.with_suffix(".json").write_text("espcn ×2")


def card_is_bytes(path):
    path.with_suffix(".json").write_bytes(b"\xff\xfe\x00{}")


def card_is_a_list(path):
    path.with_suffix(".json").write_text("[1, 2]")


def card_without_sum(path):
    path.with_suffix(".json").write_text('{"model": "espcn", "scale": 2}')


def card_with_a_scale_in_words(path):
    rewrite(path, scale="2")


def card_of_another_network(path):
    rewrite(path, model="fsrcnn")


def card_of_another_scale(path):
    rewrite(path, scale=3)


def card_of_nothing_known(path):
    rewrite(path, model="os.system")


def card_without_a_network(path):
    rewrite(path, network="small")


def numbers_of_another_network(path):
    other = save(network("fsrcnn"), path.with_name("other.safetensors"), {"model": "fsrcnn", "scale": 2})
    path.write_bytes(other.read_bytes())


DAMAGE = {
    truncated: "damaged, or not the file its card describes",
    truncated_with_sum: "is not a safetensors file",
    empty: "damaged",
    empty_with_sum: "is not a safetensors file",
    one_bit: "damaged",
    zip_pickle: "is a pickle, which could run code",
    bare_pickle: "is a pickle, which could run code",
    gone: "no such file",
    no_card: "its card espcn_x2.json is missing",
    card_without_a_network: "is not the card of a checkpoint",
    card_is_text: "is not the card of a checkpoint",
    card_is_bytes: "is not the card of a checkpoint",
    card_is_a_list: "is not the card of a checkpoint",
    card_without_sum: "is not the card of a checkpoint",
    card_with_a_scale_in_words: "is not the card of a checkpoint",
    card_of_another_network: "does not hold the weights of fsrcnn ×2",
    card_of_another_scale: "does not hold the weights of espcn ×3",
    card_of_nothing_known: "no network 'os.system'; there are srcnn, ",
    numbers_of_another_network: "damaged, or not the file its card describes",
}


def test_damage_is_one_line_that_names_it(saved):
    path = saved[1]
    good = {file: file.read_bytes() for file in path.parent.iterdir()}

    def told(name, damage, words):
        for file, content in good.items():
            file.write_bytes(content)
        damage(path)
        with pytest.raises(CheckpointError) as caught:
            load(path)
        assert words in str(caught.value) and "\n" not in str(caught.value)

    every(told, [(damage.__name__, damage, words) for damage, words in DAMAGE.items()])


def test_every_bit_of_a_file_counts(tmp_path):
    path = save(network("fsrcnn"), tmp_path / "net.safetensors", {"model": "fsrcnn", "scale": 2})
    content = path.read_bytes()
    for place in torch.randint(len(content), (50,), generator=torch.Generator().manual_seed(0)).tolist():
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(CheckpointError):
            load(path)


def test_pickles_are_refused_by_name(tmp_path):
    for suffix in ("pt", "pth", "ckpt", "bin", "pkl"):
        path = tmp_path / f"net.{suffix}"
        torch.save(network().state_dict(), path)
        way = f"only .safetensors is read, .*: srlib convert {path} {path.with_suffix('.safetensors')}"
        with pytest.raises(CheckpointError, match=way):
            load(path)


def test_no_pickle_is_opened(saved, monkeypatch):
    def opened(*arguments, **options):
        raise AssertionError("a pickle was opened")

    for damage in (zip_pickle, bare_pickle):
        damage(saved[1])
        with monkeypatch.context() as patch:
            for place in ("torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler"):
                patch.setattr(place, opened)
            with pytest.raises(CheckpointError, match="is a pickle"):
                load(saved[1])


def test_another_scale_than_the_card_says_is_refused(saved):
    with pytest.raises(CheckpointError, match="was trained for ×2, not ×3"):
        load(saved[1], 3)


def test_names_of_shipped_networks(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "data_folder", lambda: tmp_path)
    assert shipped() == []
    for model, scale in (("espcn", 2), ("espcn", 3), ("fsrcnn", 2)):
        path = tmp_path / "checkpoints" / f"{model}_x{scale}.safetensors"
        save(network(model, scale), path, {"model": model, "scale": scale})
    save(
        network("mdsr"),
        tmp_path / "checkpoints" / "mdsr_x234.safetensors",
        {"model": "mdsr", "scale": 4, "scales": [2, 3, 4]},
    )
    assert [path.stem for path in shipped()] == ["espcn_x2", "espcn_x3", "fsrcnn_x2", "mdsr_x234"]
    assert load("espcn", 3).scale == 3 and load("fsrcnn").scale == 2
    assert load("mdsr").scale == 4 and load("mdsr", 2).scale == 2
    with pytest.raises(CheckpointError, match="espcn is shipped for ×2, ×3; give one of these scales"):
        load("espcn")
    with pytest.raises(CheckpointError, match="espcn is shipped for ×2, ×3; give one of these scales"):
        load("espcn", 4)
    with pytest.raises(CheckpointError, match="no trained network 'espnc'; shipped: espcn, fsrcnn, mdsr; or name"):
        load("espnc")


def test_a_network_that_enlarges_nothing_is_read_by_its_name_and_not_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "data_folder", lambda: tmp_path)
    net = nn.Conv2d(3, 5, 3)
    path = save(net, tmp_path / "checkpoints" / "features.safetensors", {"model": "toy", "scale": 1})
    found = weights_of("toy", path)
    assert found.keys() == {"weight", "bias"} and torch.equal(found["weight"], net.weight)
    assert shipped() == []
    with pytest.raises(CheckpointError, match="holds toy, not other"):
        weights_of("other", path)
    one_bit(path)
    with pytest.raises(CheckpointError, match="damaged"):
        weights_of("toy", path)


def test_a_body_moves_to_another_scale(tmp_path):
    source = network("edsr_baseline", 2)
    path = save(source, tmp_path / "x2.safetensors", {"model": "edsr_baseline", "scale": 2})
    net = network("edsr_baseline", 4, seed=1)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    copied, left = warm_start(net, path)
    own, theirs = net.state_dict(), source.state_dict()
    assert {name for name in own if name.startswith(("head", "body"))} <= set(copied)
    assert sorted(copied + left) == sorted(own)
    assert all(torch.equal(own[name], theirs[name]) for name in copied)
    assert left and all(torch.equal(own[name], before[name]) for name in left)


def test_mdsr_starts_from_the_body_of_edsr(tmp_path):
    source = network("edsr_baseline", 2)
    path = save(source, tmp_path / "x2.safetensors", {"model": "edsr_baseline", "scale": 2})
    net = network("mdsr", 4, seed=1)
    copied, left = warm_start(net, path)
    expected = {name for name in source.state_dict() if name.startswith(("head", "body"))}
    assert {name for name in copied if name.startswith(("head", "body"))} == expected
    assert all(torch.equal(net.state_dict()[name], source.state_dict()[name]) for name in expected)
    assert {name.split(".")[0] for name in left} >= {"first", "upsample"}


def test_a_start_where_nothing_fits_or_the_file_is_damaged_changes_nothing(saved):
    net = network("edsr_small", 2)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(CheckpointError, match="nothing in it fits EDSR"):
        warm_start(net, saved[1])
    one_bit(saved[1])
    other = network("espcn", 2, seed=1)
    with pytest.raises(CheckpointError, match="damaged"):
        warm_start(other, saved[1])
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
    assert torch.equal(other.head.weight, network("espcn", 2, seed=1).head.weight)


@pytest.fixture
def ends():
    """Two trained states of one network with batch norm, whose means, variances and counts differ."""
    torch.manual_seed(0)
    nets = [SRResNet(scale=2, width=6, blocks=1) for _ in range(2)]
    for count, net in enumerate(nets):
        for _ in range(1 + 3 * count):
            net.train()(torch.rand(2, 3, 9, 7))
    return nets


def test_between_two_networks_every_number_lies_between(ends):
    a, b = (net.state_dict() for net in ends)
    for alpha in (0.25, 0.8):
        net = interpolate_networks(*ends, alpha)
        assert net.scale == 2 and not net.training and not any(p.requires_grad for p in net.parameters())
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                torch.testing.assert_close(value, (1 - alpha) * a[name] + alpha * b[name])
            else:  # a count of batches: that of the nearer
                assert value == (a if alpha < 0.5 else b)[name] and a[name] != b[name]


def test_the_ends_of_interpolation_are_exact_and_left_alone(ends):
    before = [{name: value.clone() for name, value in net.state_dict().items()} for net in ends]
    lr = torch.rand(1, 3, 9, 7)
    for alpha, end in ((0, ends[0]), (1, ends[1])):
        net = interpolate_networks(*ends, alpha)
        assert all(torch.equal(value, end.state_dict()[name]) for name, value in net.state_dict().items())
        assert torch.equal(net(lr), end.eval()(lr))
        net.tail.weight.zero_()
    for net, was in zip(ends, before, strict=True):
        assert all(torch.equal(value, was[name]) for name, value in net.state_dict().items())
        assert all(p.requires_grad for p in net.parameters())


def test_the_steps_between_are_a_line(ends):
    shares = [interpolate_networks(*ends, alpha / 10).head[0].weight for alpha in range(11)]
    first, last = shares[0], shares[-1]
    distances = torch.stack([(weight - first).norm() / (last - first).norm() for weight in shares])
    torch.testing.assert_close(distances, torch.linspace(0, 1, 11), atol=1e-6, rtol=0)


def test_interpolation_reads_files_and_names(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "data_folder", lambda: tmp_path)
    for seed, model in enumerate(("rrdb_psnr_small", "esrgan_small")):  # the same network under two names
        path = tmp_path / "checkpoints" / f"{model}_x4.safetensors"
        save(network(model, 4, seed), path, {"model": model, "scale": 4})
    found = interpolate_networks("rrdb_psnr_small", path, 1.0)
    assert found.scale == 4 and torch.equal(found.head.weight, load("esrgan_small").head.weight)
    assert interpolate_networks(load("rrdb_psnr_small"), "esrgan_small", 0.5).head.weight.isfinite().all()
    with pytest.raises(CheckpointError, match="no trained network 'esrgan'"):
        interpolate_networks("esrgan", path, 0.5)


@pytest.mark.parametrize(
    "other, kind",
    [
        (lambda: build("edsr_small", 2), "EDSR ×2 of 161,580 parameters"),
        (lambda: build("srresnet", 4), "SRResNet ×4 of 1,549,462"),
        (lambda: SRResNet(scale=2, width=6, blocks=2), "SRResNet ×2 of"),
        (lambda: SRResNet(scale=2, width=5, blocks=1), "SRResNet ×2 of"),
    ],
)
def test_different_networks_are_not_mixed(ends, other, kind):
    message = f"cannot interpolate SRResNet ×2 of 5,274 .* and {kind}.* architectures differ"
    with pytest.raises(CheckpointError, match=message):
        interpolate_networks(ends[0], other(), 0.5)


def test_one_network_set_to_two_scales_is_not_mixed():
    with pytest.raises(CheckpointError, match="MDSR ×2 of .* and MDSR ×4 of"):
        interpolate_networks(build("mdsr", 2), build("mdsr", 4), 0.5)


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan")])
def test_only_what_lies_between_is_made(ends, alpha):
    with pytest.raises(ValueError, match=f"between 0 .* and 1 .*, got {alpha}"):
        interpolate_networks(*ends, alpha)


@pytest.mark.parametrize(
    "model, net",
    [
        ("rrdbnet", lambda: RRDBNet(scale=4, blocks=2, width=8, growth=4)),
        ("rrdbnet", lambda: RRDBNet(scale=1, blocks=1, width=8, growth=4, fold=4)),
        ("edsr", lambda: EDSR(scale=3, blocks=1, width=8, residual_scale=0.25, tail="light", mean=(0.5, 0.25, 0))),
        ("srcnn", lambda: SRCNN(scale=2, channels=3, kernels=(9, 1, 5), widths=(8, 4))),
        ("compact", lambda: Compact(scale=1, width=8, convolutions=1, channels=1)),
    ],
)
def test_a_network_of_any_size_is_built_as_its_card_says(tmp_path, model, net):
    torch.manual_seed(0)
    net = net().eval()
    path = save(net, tmp_path / "net.safetensors", {"model": model, "scale": net.scale})
    assert read_card(path)["network"] == net.settings
    lr = torch.rand(1, net.channels, 11, 9)
    with torch.no_grad():
        assert torch.equal(load(path)(lr), net(lr))


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"blocks": 3}, "does not hold the weights of rrdbnet ×4: body.1.dense"),
        ({"blocks": 10**9}, "its card has blocks = 1000000000, which is not what its tensors have"),
        ({"fold": "3"}, "rrdbnet ×4 cannot be built with"),
        ({"depth": 2}, "rrdbnet cannot be built with depth = 2; it has"),
        ({"width": float("nan")}, "rrdbnet cannot be built with width = nan"),
        ({"width": [8, [8]]}, "rrdbnet cannot be built with width"),
        ({"width": 8.5}, "rrdbnet ×4 cannot be built with"),
        (3, "is not the card of a checkpoint"),
    ],
)
def test_a_card_with_settings_that_cannot_be_is_told(tmp_path, settings, words):
    path = tmp_path / "net.safetensors"
    save(RRDBNet(scale=4, blocks=1, width=8, growth=4), path, {"model": "rrdbnet", "scale": 4})
    settings = read_card(path)["network"] | settings if isinstance(settings, dict) else settings
    rewrite(path, network=settings)
    with pytest.raises(CheckpointError, match=re.escape(words)) as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_shipped_checkpoints_are_what_their_cards_say(path):
    card, net = read_card(path), load(path)
    needed = {"model", "scale", "scales", "recipe", "data", "steps", "seconds", "device", "commit", "torch"}
    assert needed | {"protocol", "scores", "parameters", "precision", "sha256"} <= card.keys()
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["parameters"] == sum(p.numel() for p in net.parameters())
    assert all(value.isfinite().all() for value in net.state_dict().values())
    assert path.stem == f"{card['model']}_x{''.join(map(str, card['scales']))}"
    assert card["scores"].keys() == {str(scale) for scale in card["scales"]}
    assert card["steps"] > 0 and card["seconds"] > 0 and card["data"]
