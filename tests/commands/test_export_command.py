"""`srlib export`: shipped networks and files become ONNX; one line tells what was written, or what is wrong."""

import re

import pytest
import torch
from safetensors.torch import load_file

from srlib import checkpoints, onnx_export
from srlib.cli import main
from srlib.models.compact import Compact
from srlib.models.esrgan import RRDBNet, from_official
from srlib.onnx_export import onnx_runner

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("model, words, scale", [("espcn", ["--scale", "3"], 3), ("mdsr", [], 4), ("FILE", [], 3)])
def test_a_network_is_written_and_told_in_one_line(tmp_path, shipped, capsys, model, words, scale):
    file, target = shipped / "espcn_x3.safetensors", tmp_path / "net.onnx"
    assert main(["export", str(file) if model == "FILE" else model, str(target), *words]) == 0
    out, error = capsys.readouterr()
    name = "espcn" if model == "FILE" else model
    size = f"{target.stat().st_size:,}"
    assert (
        re.fullmatch(rf"{target}: {name} ×{scale}, {size} bytes, at most \d\.\de-\d\d off torch\n", out) and not error
    )
    path = file if model == "FILE" else next(shipped.glob(f"{model}_x*.safetensors"))
    net = checkpoints.load(path, scale)
    lr = torch.rand(1, net.channels, 9, 13)
    with torch.no_grad():
        torch.testing.assert_close(onnx_runner(target.read_bytes())(lr), net(lr), atol=1e-4, rtol=0)
    assert checkpoints.read_card(path)["sha256"].encode() in target.read_bytes()


def test_32_bits_on_request(tmp_path, trained):
    net = onnx_export.to_half(checkpoints.build("espcn", 2))
    path = checkpoints.save(net, tmp_path / "espcn_x2.safetensors", {"model": "espcn", "scale": 2}, half=True)
    sizes = []
    for words in ([], ["--float32"]):
        assert main(["export", str(path), str(tmp_path / "net.onnx"), *words]) == 0
        sizes.append((tmp_path / "net.onnx").stat().st_size)
    assert 1.8 < sizes[1] / sizes[0] < 2.1


def test_bicubic_is_a_graph_too(tmp_path, capsys):
    assert main(["export", "bicubic", str(tmp_path / "net.onnx"), "--scale", "2"]) == 0
    assert "bicubic ×2" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        (["espcn", "OUT.onnx", "--scale", "2"], "espcn is shipped for ×3"),
        (["espcn", "OUT.onnx", "--scale", "1.5"], "espcn needs a whole --scale"),
        (["espcm", "OUT.onnx"], "no model 'espcm'"),
        (["missing.safetensors", "OUT.onnx"], "no such file"),
        (["nearest", "OUT.onnx"], "of the interpolators only bicubic"),
        (["espcn", "OUT.bin", "--scale", "3"], "must end in .onnx"),
        (["espcn", "nowhere/OUT.onnx", "--scale", "3"], "no folder nowhere"),
        (["espcn"], "required"),
        (["espcn", "OUT.onnx", "--scale", "3", "--growth", "32"], "--growth is for --format basicsr"),
        (["espcn", "OUT.pth", "--scale", "3", "--size", "9", "9"], "--size and --float32 are for --format onnx"),
        (["espcn", "OUT.onnx", "--scale", "3", "--format", "basicsr"], "are a .pth, .pt or .safetensors file"),
        (["espcn", "nowhere/OUT.pth", "--scale", "3"], "no folder nowhere"),
        (["espcn", "OUT.pth", "--scale", "3"], "espcn: BasicSR has no network like ESPCN"),
        (["bicubic", "OUT.pth"], "BasicSR has no network like Interpolator"),
        (["edsr_small", "OUT.pth", "--scale", "2"], "edsr_small: BasicSR's EDSR enlarges its feature maps"),
        (["espcn", "OUT.onnx", "--scale", "3", "--size", "9"], "expected 2 arguments"),
    ],
)
def test_wrong_words_are_named(tmp_path, shipped, fails, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert message in fails("export", *words)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_missing_package_is_one_line(tmp_path, shipped, fails, monkeypatch):
    monkeypatch.setattr(onnx_export.importlib.util, "find_spec", lambda name: None)
    assert 'pip install "srlib[web]"' in fails("export", "edsr_small", tmp_path / "net.onnx")


def test_one_size_on_request(tmp_path, shipped, capsys):
    target = tmp_path / "net.onnx"
    assert main(["export", "edsr_small", str(target), "--scale", "2", "--size", "9", "13"]) == 0
    assert f"{target}: edsr_small ×2 for 9 x 13 pixels, " in capsys.readouterr().out
    model = onnx.load(target)
    dims = [value.type.tensor_type.shape.dim for value in (model.graph.input[0], model.graph.output[0])]
    assert [[d.dim_value for d in each] for each in dims] == [[1, 3, 9, 13], [1, 3, 18, 26]]
    assert {entry.key: entry.value for entry in model.metadata_props}["size"] == "9 x 13"
    net, lr = checkpoints.load(shipped / "edsr_small_x2.safetensors"), torch.rand(1, 3, 9, 13)
    with torch.no_grad():
        torch.testing.assert_close(onnx_runner(target.read_bytes())(lr), net(lr), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("growth", [4, 8])
def test_basicsr_names_as_their_files_have_them(tmp_path, capsys, name, growth):
    torch.manual_seed(0)
    net = RRDBNet(scale=4, blocks=1, width=8, growth=4).eval()
    source = checkpoints.save(net, tmp_path / "ours_x4.safetensors", {"model": "rrdbnet", "scale": 4})
    words = ["--growth", str(growth)] if growth > 4 else []
    assert main(["export", str(source), str(tmp_path / name), *words]) == 0
    told = "; it grows by 4; for programs that assume 32, give --growth 32" if growth == 4 else ""
    out = capsys.readouterr().out
    assert out == f"{tmp_path / name}: rrdbnet ×4, {(tmp_path / name).stat().st_size:,} bytes{told}\n"
    if name.endswith(".pth"):
        state = torch.load(tmp_path / name, weights_only=True)
        assert state.keys() == {"params"}
    else:
        state = load_file(tmp_path / name)
    again = RRDBNet(scale=4, blocks=1, width=8, growth=growth).eval()
    again.load_state_dict(from_official(state))
    lr = torch.rand(1, 3, 9, 7)
    with torch.no_grad():
        torch.testing.assert_close(again(lr), net(lr))
    assert main(["convert", str(tmp_path / name), str(tmp_path / "back.safetensors")]) == 0
    with torch.no_grad():
        torch.testing.assert_close(checkpoints.load(tmp_path / "back.safetensors")(lr), net(lr))


def test_the_licence_goes_along(tmp_path):
    card = {"model": "compact", "scale": 2, "licence": "BSD-3-Clause", "source": "A. Body"}
    path = checkpoints.save(Compact(scale=2, width=8, convolutions=1), tmp_path / "net_x2.safetensors", card)
    assert main(["export", str(path), str(tmp_path / "net.onnx")]) == 0
    said = {entry.key: entry.value for entry in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert (said["licence"], said["source"], said["model"]) == ("BSD-3-Clause", "A. Body", "compact")


@pytest.mark.parametrize("name", ["net.onnx", "net.pth"])
def test_numbers_that_are_not_finite_are_refused(tmp_path, fails, name):
    net = Compact(scale=2, width=8, convolutions=1)
    with torch.no_grad():
        net.body[0].bias[3] = float("nan")
    path = checkpoints.save(net, tmp_path / "bad_x2.safetensors", {"model": "compact", "scale": 2})
    assert "compact: body.0.bias holds numbers that are not finite" in fails("export", path, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_network_is_not_exported_onto_itself(tmp_path, trained, fails):
    path = trained("compact", 2)
    assert "is the network itself" in fails("export", path, path)
