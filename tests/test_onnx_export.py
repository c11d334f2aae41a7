"""Exporting: a file computes what torch computes, at every size; it is whole or not there; it tells what it is."""

import copy
import math

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from srlib import checkpoints, onnx_export, onnx_graph
from srlib.models.catalogue import CATALOGUE
from srlib.models.edsr import EDSR
from srlib.models.esrgan import RRDBNet
from srlib.models.fcn import SRCNN, espcn
from srlib.models.interpolators import bicubic, lanczos
from srlib.onnx_export import ExportError, convert, export, onnx_runner, to_half

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

ARCHITECTURES = {entry.small: entry.label for entry in CATALOGUE.values() if entry.frames == 1}


def small(scale=2):
    """A network of a moment's work, with numbers that fit no 16 bits."""
    torch.manual_seed(0)
    return EDSR(scale=scale, blocks=1, width=8, tail="light").eval()


def pictures(channels, *sizes):
    rng = torch.Generator().manual_seed(1)
    return [torch.rand(1, channels, *size, generator=rng) for size in sizes]


def same(net, content, *sizes, tolerance=1e-4):
    run = onnx_runner(content)
    for lr in pictures(net.channels, *sizes):
        with torch.no_grad():
            torch.testing.assert_close(run(lr), net(lr), atol=tolerance, rtol=0)


COMPUTED = {"Shape", "Constant", "CastLike", "Expand", "Reshape", "Identity", "Squeeze"}  # what should be numbers


def test_a_network_of_clips_is_refused():
    with pytest.raises(onnx_export.ExportError, match="EDVR takes clips of 5 frames; networks of one picture can be"):
        convert(CATALOGUE["edvr_m"].small(4, frames=5))


@pytest.mark.parametrize("small", ARCHITECTURES, ids=ARCHITECTURES.values())
def test_every_architecture_equals_torch(small, monkeypatch):
    """In onnxruntime and in OpenCV, which reads graphs in which only the picture is left to compute."""
    monkeypatch.setattr(onnx_export, "_TRIED", ())  # compared here
    torch.manual_seed(0)
    net = small(4).eval()
    content = convert(net).content
    same(net, content, (33, 17), (20, 48), (1, 2))
    graph = onnx.load_from_string(content).graph
    assert not {node.op_type for node in graph.node} & COMPUTED
    assert {tensor.name for tensor in graph.initializer} <= {name for node in graph.node for name in node.input}
    opencv = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
    for lr in pictures(net.channels, (24, 32), (17, 40)):
        opencv.setInput(lr.numpy())
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(opencv.forward()), net(lr), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name, scale", [("espcn", 2), ("edsr_small", 3)])
def test_shipped_networks_equal_torch(name, scale, monkeypatch):
    """Building the book writes all of them, and `export` compares each with torch."""
    monkeypatch.setattr(onnx_export, "_TRIED", ())
    net = checkpoints.load(name, scale)
    content = convert(net).content
    same(net, content, (33, 17), (20, 48), (1, 2))
    assert len(content) < 1.25 * 2 * sum(p.numel() for p in net.parameters()) + 12_000  # 16 bits a number


def test_numbers_of_16_bits_are_the_same_numbers():
    net = to_half(small())
    short, long = convert(net), convert(net, half=False)
    (lr,) = pictures(3, (19, 31))
    assert torch.equal(onnx_runner(short.content)(lr), onnx_runner(long.content)(lr))
    assert len(short.content) < len(long.content) and short.difference == long.difference < 1e-6


def test_nothing_is_rounded_that_does_not_fit():
    net = small()
    kept = {
        t.name: onnx.numpy_helper.to_array(t) for t in onnx.load_from_string(convert(net).content).graph.initializer
    }
    for name, value in net.state_dict().items():
        assert (torch.from_numpy(kept[name].copy()) == value).all()


def test_rounding_moves_a_number_by_the_last_of_16_bits():
    net = small()
    for value, short in zip(net.parameters(), to_half(net).parameters(), strict=True):
        assert short.dtype == torch.float32 and torch.equal(short.half().float(), short)
        torch.testing.assert_close(short, value, rtol=2**-11, atol=2**-24)


@pytest.mark.parametrize(
    "net",
    [
        bicubic(3),
        SRCNN(scale=2, channels=3, widths=(8, 4)),
        RRDBNet(scale=2, blocks=1, width=8, growth=4, fold=2),
        RRDBNet(scale=1, blocks=1, width=8, growth=4, fold=4),
    ],
    ids=["bicubic", "SRCNN in colour", "folded", "folded twice"],
)
def test_sizes_stay_free(net):
    content = convert(net.eval()).content
    if getattr(net, "channels", None) is None:
        net.channels = 3
    same(net, content, (33, 17), (6, 5), (1, 1), tolerance=1e-5)
    shape = onnx.load_from_string(content).graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in shape] == [1, 3, "h", "w"]


def test_of_a_network_for_several_scales_one_is_in_the_file():
    net = checkpoints.build("mdsr", 3).eval()
    model = onnx.load_from_string(convert(net).content)
    names = {tensor.name for tensor in model.graph.initializer}
    assert any(name.startswith("first.3") for name in names)
    assert not [name for name in names if name.startswith(("first.2", "first.4", "upsample.2", "upsample.4"))]


def test_the_file_says_what_it_is_and_nothing_of_this_machine():
    content = convert(espcn(2), name="mine", sha256="abc").content
    model = onnx.load_from_string(content)
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said == {
        "model": "mine", "scale": "2", "channels": "1", "receptive_radius": "6", "multiple": "1",
        "parameters": "21284", "sha256": "abc"
    }  # fmt: skip
    assert (model.producer_name, model.opset_import[0].version) == ("srlib", onnx_export.OPSET)
    assert model.ir_version == 8  # the lowest that opset 18 needs, by the table of onnx: onnxruntime 1.17 reads up to 9
    assert b"site-packages" not in content and b".py" not in content and b"/srlib/" not in content


def test_the_network_stays_as_it_was(capfd):
    net = small().train()
    before = copy.deepcopy(net.state_dict())
    convert(net)
    assert net.training and all(p.requires_grad for p in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", [(24, 32), (17, 39)])
def test_a_file_for_one_size(size, monkeypatch):
    monkeypatch.setattr(onnx_export, "_difference", lambda *arguments: None)
    net = RRDBNet(scale=2, blocks=1, width=8, growth=4, fold=2).eval()
    content = convert(net, size=size).content
    same(net, content, size, tolerance=1e-5)
    graph = onnx.load_from_string(content).graph
    operators = {node.op_type for node in graph.node}
    assert [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [1, 3, *size]
    assert not operators & COMPUTED
    assert ("Slice" in operators) == (size == (17, 39))  # whole blocks need no cut


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    net = small()
    with torch.no_grad():
        net.tail[0].bias[3] = math.inf
    with pytest.raises(ExportError, match="EDSR: tail.0.bias holds numbers that are not finite"):
        export(net, tmp_path / "x.onnx")
    net = small()
    with torch.no_grad():
        for value in net.parameters():
            value.fill_(1e20)  # every number is finite, and the sum of products is not
    with pytest.raises(ExportError, match="EDSR: its result for a picture holds numbers that are not finite"):
        export(net, tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


class Strange(nn.Module):
    """What ONNX has no word for: a matrix of the size of the picture, and its eigenvalues."""

    scale, channels = 1, 1

    def forward(self, lr):
        return lr * torch.linalg.eigvals(lr[0, 0, :4, :4]).abs().sum()


def test_what_cannot_be_exported_is_named_and_leaves_no_file(tmp_path):
    with pytest.raises(ExportError, match="Strange cannot be written as a graph of ONNX"):
        export(Strange(), tmp_path / "x.onnx")
    with pytest.raises(ExportError, match="lanczos3 ×2: of the interpolators only bicubic"):
        export(lanczos(2), tmp_path / "x.onnx")
    with pytest.raises(ExportError, match="bicubic ×1.5"):
        export(bicubic(1.5), tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("factor", [1.5, math.nan])
def test_a_file_that_computes_something_else_is_not_written(tmp_path, monkeypatch, factor):
    def spoil(model):
        weight = next(t for t in model.graph.initializer if t.name == "head.weight")
        weight.CopyFrom(onnx.numpy_helper.from_array(factor * onnx.numpy_helper.to_array(weight), weight.name))

    path = tmp_path / "net.onnx"
    path.write_bytes(b"an older file")
    monkeypatch.setattr(onnx_graph, "halve", spoil)
    with pytest.raises(ExportError, match="EDSR: onnxruntime's result is .* off torch's"):
        export(small(), path)
    assert path.read_bytes() == b"an older file" and list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written_are_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "convert", None)
    with pytest.raises(ExportError, match="must end in .onnx"):
        export(small(), tmp_path / "net.pt")
    with pytest.raises(ExportError, match="no folder"):
        export(small(), tmp_path / "nowhere" / "net.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_package_is_named_with_the_way_out(monkeypatch, package):
    found = onnx_export.importlib.util.find_spec
    monkeypatch.setattr(onnx_export.importlib.util, "find_spec", lambda name: None if name == package else found(name))
    assert not onnx_export.is_available()
    with pytest.raises(ExportError, match=rf'no {package} here: pip install "srlib\[web\]"'):
        convert(small())


def test_without_onnxruntime_the_file_is_written_unchecked(tmp_path, monkeypatch):
    found = onnx_export.importlib.util.find_spec
    monkeypatch.setattr(
        onnx_export.importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else found(name)
    )
    done = export(small(), tmp_path / "net.onnx")
    assert done.difference is None and (tmp_path / "net.onnx").read_bytes() == done.content
