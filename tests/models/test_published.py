"""published: a network is told by its names, its sizes by its shapes; it computes what the other code computes."""

import math

import pytest
import torch

from srlib.models import edsr, srgan
from srlib.models.edsr import EDSR
from srlib.models.esrgan import RRDBNet
from srlib.models.official import to_official
from srlib.models.published import PublishedError, read
from tests.conftest import every
from tests.models import others


def second_code(state):
    """BasicSR's names of an RRDBNet as those of ESRGAN's second code."""
    words = {"conv_body": "trunk_conv", "conv_up": "upconv", "conv_hr": "HRconv", "body.": "RRDB_trunk.", "rdb": "RDB"}
    found = {}
    for name, value in state.items():
        for theirs, older in words.items():
            name = name.replace(theirs, older)
        found[name] = value
    return found


def first_code(state, blocks, stages):
    """... and of its first, which numbers the layers."""
    places = {"conv_first": "0", "conv_body": f"1.sub.{blocks}"}
    places |= {f"conv_up{k + 1}": f"{3 * k + 3}" for k in range(stages)}
    places |= {"conv_hr": f"{3 * stages + 2}", "conv_last": f"{3 * stages + 4}"}
    found = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        if layer.startswith("body"):
            _, block, dense, conv = layer.split(".")
            found[f"model.1.sub.{block}.{dense.upper()}.{conv}.0.{kind}"] = value
        else:
            found[f"model.{places[layer]}.{kind}"] = value
    return found


def same(found, run, scale, lr_size=(9, 7)):
    net, lr = found.build(), torch.rand(1, found.settings.get("channels", 3), *lr_size)
    assert net.scale == found.scale == scale and not net.training
    with torch.no_grad():
        torch.testing.assert_close(net(lr), run(lr), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "blocks, stages, fold", [(1, 2, 1), (6, 2, 1), (2, 1, 1), (2, 0, 1), (2, 3, 1), (2, 2, 2), (2, 2, 4)]
)
def test_three_generations_of_esrgan(blocks, stages, fold):
    state, run = others.rrdb(blocks, stages=stages, fold=fold)
    first = read(state)
    for code in (state, second_code(state), first_code(state, blocks, stages), {"params_ema": state}):
        found = read({f"module.{name}": value for name, value in code.items()} if code is state else code)
        assert (found.model, found.settings) == ("rrdbnet", {"blocks": blocks, "width": 8, "growth": 4, "fold": fold})
        assert len(found.tensors) == len(state)
        assert all(torch.equal(value, first.tensors[name]) for name, value in found.tensors.items())
    same(first, run, 2**stages // fold, (8, 12))


def test_one_stage_may_be_for_three():
    state, _ = others.rrdb(stages=1)
    assert read(state).scale == 2 and read(state, scale=3).build().scale == 3
    with pytest.raises(PublishedError, match="it enlarges by 2, not by 4"):
        read(state, scale=4)
    with pytest.raises(PublishedError, match="it enlarges by 4, not by 3"):
        read(others.rrdb()[0], scale=3)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(
    "factor, top, mean", [(1.0, 255.0, others.MEAN), (0.1, 1.0, others.MEAN), (1.0, 255.0, (0, 0, 0))]
)
def test_edsr_of_colours_up_to_255(scale, factor, top, mean):
    state, run = others.edsr(scale, factor=factor, top=top, mean=mean)
    found = read(state, residual_scale=factor)
    assert found.model == "edsr" and found.settings["residual_scale"] == factor
    assert ("mean" in found.settings) == (mean != others.MEAN)
    same(found, run, scale)
    weights = [name for name in state if name.endswith("weight") and "mean" not in name]
    assert all(
        any(value is state[name] or torch.equal(value, state[name]) for value in found.tensors.values())
        for name in weights
    )


def test_edsr_of_basicsr_and_the_rows_of_edsr():
    state, run = others.edsr(4)
    same(read(others.basicsr_edsr(state)), run, 4)
    baseline = edsr.edsr_baseline(3).state_dict()
    assert read(baseline).model == "edsr_baseline" and read(baseline).settings["residual_scale"] == 1.0


def test_a_large_edsr_has_its_residuals_scaled():
    """By a tenth, as in the paper."""
    found = read(others.edsr(2, blocks=1, width=256)[0])
    assert found.settings == {"blocks": 1, "width": 256, "residual_scale": 0.1, "tail": "paper"}


def test_the_library_reads_edsr_without_the_command():
    state, run = others.edsr(2, blocks=16, width=64)
    state = {
        name: value / 4 if name.endswith("weight") and "mean" not in name else value for name, value in state.items()
    }
    net = edsr.edsr_baseline(2)
    net.load_state_dict(edsr.from_official(state))
    state, run = others.edsr(2)
    net = EDSR(scale=2, blocks=2, width=8)
    net.load_state_dict(edsr.from_official({"state_dict": state}))
    lr = torch.rand(1, 3, 7, 10)
    torch.testing.assert_close(net(lr), run(lr), atol=2e-5, rtol=1e-4)
    assert edsr.from_official(net.state_dict()).keys() == net.state_dict().keys()
    with pytest.raises(ValueError, match=r"sub_mean subtracts \[0.5, 0.5, 0.5\], not the mean of DIV2K"):
        edsr.from_official(others.edsr(mean=(0.5, 0.5, 0.5))[0])


def test_mdsr_at_all_of_its_scales():
    state, run = others.mdsr()
    found = read(state)
    assert (found.model, found.scale) == ("mdsr", 4) and found.settings == {
        "scales": [2, 3, 4],
        "blocks": 1,
        "width": 4,
    }
    net, lr = found.build(), torch.rand(1, 3, 9, 7)
    with torch.no_grad():
        for scale in (2, 3, 4):
            torch.testing.assert_close(net(lr, scale), run(lr, scale), atol=2e-5, rtol=1e-4)
    assert read(state, scale=2).scale == 2 and read(net.state_dict()).settings == found.settings
    with pytest.raises(PublishedError, match="it enlarges by 4, not by 8"):
        read(state, scale=8)
    with pytest.raises(PublishedError, match="upsample.0.5.weight is no part of the network"):
        read(state | {"upsample.0.5.weight": torch.zeros(4, 4, 3, 3)})


@pytest.mark.parametrize("mix", [0.0, 0.02])
@pytest.mark.parametrize("phases", [1, 2, 3])
def test_drn_with_its_trained_mean_shifts(phases, mix):
    state, run = others.drn(phases, mix=mix)
    found = read({f"model.{name}": value for name, value in state.items()})
    assert (found.model, found.scale) == ("drn_small", 2**phases)
    net, lr = found.build(), torch.rand(2, 3, 9, 7)
    with torch.no_grad():
        for ours, theirs in zip(net(lr, pyramid=True), run(lr), strict=True):
            torch.testing.assert_close(ours, theirs, atol=5e-5, rtol=1e-4)
    if mix == 0:
        torch.testing.assert_close(torch.tensor(found.settings["mean"]), torch.tensor(others.MEAN))


def test_the_sizes_of_the_authors_have_their_rows():
    """The mean shifts, 24 numbers, are in the authors' count, and are folded into other layers here."""
    state, _ = others.drn(2, blocks=30, width=16)
    assert sum(value.numel() for value in state.values()) == 4_804_065
    found = read(state)
    assert found.model == "drn_s" and sum(value.numel() for value in found.tensors.values()) == 4_804_041


def test_a_drn_that_cannot_be_held():
    state, _ = others.drn()
    for wrong, words in [
        ({"sub_mean.weight": torch.ones(3, 3, 1, 1)}, "sub_mean.weight loses colours"),
        ({"sub_mean.bias": torch.full((3,), 900.0)}, "which is no colour"),
        ({"up_blocks.0.7.body.1.weight": torch.ones(1)}, "is no layer of a published DRN"),
        ({"tail.1.weight": torch.ones(3, 4, 3, 3)}, "tails.1.weight has the shape"),
    ]:
        with pytest.raises(PublishedError, match=words):
            read(state | wrong)
    del state["add_mean.bias"]
    with pytest.raises(PublishedError, match="add_mean.bias is missing"):
        read(state)


@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize("frames", [3, 5])
def test_edvr_of_basicsr(frames, attention):
    state, run = others.edvr(frames=frames, attention=attention)
    found = read({"params": state})
    size = {"frames": frames, "width": 8, "blocks": 1, "extract": 1, "groups": 2, "attention": attention, "gain": 1.0}
    assert (found.model, found.scale, found.settings) == ("edvr_l", 4, size)
    net, clip = found.build(), torch.rand(2, frames, 3, 12, 16)
    with torch.no_grad():
        torch.testing.assert_close(net(clip), run(clip), atol=1e-4, rtol=1e-4)
    with pytest.raises(PublishedError, match="'predeblur.conv_first' is no layer of a published EDVR"):
        read(state | {"predeblur.conv_first.weight": torch.ones(8, 3, 3, 3)})


@pytest.mark.parametrize("levels, depth", [(1, 2), (2, 10), (3, 1)])
def test_a_ported_lapsrn_sees_zeros_beyond_its_borders(levels, depth):
    state, run = others.lapsrn(levels, depth)
    found = read({"model": state})
    assert (found.model, found.scale, found.settings["border"]) == ("lapsrn_paper", 2**levels, "zero")
    net, lr = found.build(), torch.rand(2, 1, 6, 9)
    with torch.no_grad():
        for ours, theirs in zip(net(lr, pyramid=True), run(lr), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    with pytest.raises(PublishedError, match="'convt_X1' is no layer of a ported LapSRN"):
        read(state | {"convt_X1.weight": torch.ones(1, 1, 4, 4)})


@pytest.mark.parametrize("stages, ends", [(1, "conv"), (2, "conv_block")])
def test_srresnet(stages, ends):
    state, run = others.srresnet(stages, ends=ends)
    found = read({"epoch": 1, "state_dict": state})
    assert (found.model, found.settings) == ("srresnet", {"width": 8, "blocks": 2})
    same(found, run, 2**stages)
    net = srgan.SRResNet(scale=2**stages, width=8, blocks=2)
    net.load_state_dict(srgan.from_official(state))


def test_compact_and_a_name_before_all_names():
    state, run = others.compact(4)
    found = read({f"model.{name}": value for name, value in state.items()})
    assert found.model == "compact"
    same(found, run, 4)
    state, run = others.compact(2, channels=1, activation="leakyrelu")
    same(read(state, activation="leakyrelu"), run, 2)


def test_our_own_names_need_no_card():
    torch.manual_seed(0)
    for net in (RRDBNet(scale=2, blocks=1, width=8, growth=4, fold=2), EDSR(scale=3, blocks=1, width=8, tail="light"),
                srgan.SRResNet(scale=2, width=8, blocks=1)):  # fmt: skip
        net = net.eval()
        same(read(net.state_dict()), net, net.scale)


def test_numbers_of_16_bits_are_read_as_they_are():
    state, _ = others.rrdb(1)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        found = read({name: value.to(dtype) for name, value in state.items()})
        assert torch.equal(found.tensors["head.weight"], state["conv_first.weight"].to(dtype).float())


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


def test_what_does_not_fit_is_refused_by_name():
    rrdb, edsr_, srresnet, compact = (make()[0] for make in (others.rrdb, others.edsr, others.srresnet, others.compact))
    five = torch.zeros(8, 8, 5, 5)
    mixed = rrdb | {"HRconv.weight": rrdb["conv_hr.weight"]}
    cases = [
        ("of nothing", {"layers.0.weight": five}, r"its weights \(layers.0.weight, …\) are of none of ESRGAN"),
        ("shape", rrdb | {"conv_up1.weight": five}, r"conv_up1.weight has the shape \(8, 8, 5, 5\), where"),
        ("blocks", rrdb | {"body.1.rdb2.conv3.weight": torch.zeros(4, 8, 3, 3)}, "body.1.rdb2.conv3.weight has the"),
        ("more", rrdb | {"conv_extra.weight": five}, r"'conv_extra' is no layer of a published ESRGAN"),
        ("plus", {"model.1.sub.0.RDB1.conv1x1.weight": five} | first_code(rrdb, 2, 2), r"RDB1.conv1x1' is no layer"),
        ("two codes", mixed, r"two of its tensors are one layer"),
        ("missing", without(rrdb, "conv_hr.bias"), r"tail.0.bias, as it is called here, is missing"),
        ("no first", without(rrdb, "conv_first.weight"), r"head.weight is missing in it"),
        ("grey", rrdb | {"conv_first.weight": torch.zeros(8, 1, 3, 3)}, r"takes 1 channels; RGB has 3"),
        ("flat", rrdb | {"conv_first.weight": torch.zeros(8)}, r"have not the shapes of ESRGAN"),
        ("NaN", rrdb | {"conv_last.bias": torch.full((3,), math.nan)}, "conv_last.bias holds numbers that are not"),
        ("whole", rrdb | {"conv_last.bias": torch.ones(3, dtype=torch.int8)}, r"conv_last.bias holds whole numbers"),
        ("sparse", rrdb | {"conv_last.bias": torch.ones(3).to_sparse()}, r"conv_last.bias is stored in a form"),
        ("endless", rrdb | {"conv_last.bias": torch.ones(1).expand(1 << 40)}, r"conv_last.bias is stored in a form"),
        ("mixing", edsr_ | {"sub_mean.weight": torch.ones(3, 3, 1, 1)}, r"sub_mean.weight mixes or scales the colours"),
        ("one way", edsr_ | {"add_mean.bias": torch.zeros(3)}, "add_mean.bias does not add what sub_mean"),
        ("half a mean", without(edsr_, "add_mean.bias"), r"add_mean.bias is missing in it"),
        ("no colour", others.edsr(mean=(2, 0, 0))[0], r"sub_mean.bias subtracts \[2.0, 0.0, 0.0\], which is no colour"),
        ("in between", edsr_ | {"body.0.body.1.weight": five}, r"'body.0.body.1' is no layer of a published EDSR"),
        ("slopes", srresnet | {"conv1.1.weight": torch.ones(8)}, r"conv1.1.weight has the shape \(8,\), where \(1,\)"),
        ("MSRResNet", {"conv_first.weight": five, "conv_hr.weight": five}, r"it is BasicSR's MSRResNet"),
        ("InstanceNorm", {"residual.0.in1.weight": five}, r"are of none of"),
        ("Compact", compact | {"body.3.weight": torch.ones(7)}, r"body.3.weight has the shape \(7,\)"),
        ("×17", others.compact(17)[0], "it would enlarge by 17; 1 to 16 can be used here"),
        ("×16", others.rrdb(stages=4)[0], r"scale must be one of 1, 2, 3, 4, 8, got 16"),
    ]  # fmt: skip

    def told(name, state, words):
        with pytest.raises(PublishedError, match=words) as caught:
            read(state)
        assert "\n" not in str(caught.value)

    every(told, cases)
    with pytest.raises(PublishedError, match="no factor on its residuals"):
        read(rrdb, residual_scale=0.1)
    with pytest.raises(PublishedError, match="whose activations are known"):
        read(rrdb, activation="relu")


def test_what_goes_out_comes_back():
    """The names that `to_official` gives are read again, and the network is the same to the bit of its biases."""
    torch.manual_seed(0)
    for net in (RRDBNet(scale=4, blocks=2, width=8, growth=4), RRDBNet(scale=2, blocks=1, width=8, growth=4),
                EDSR(scale=4, blocks=2, width=8)):  # fmt: skip
        same(read(to_official(net.eval())), net, net.scale)
