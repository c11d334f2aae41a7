"""`srlib export`: shipped networks and files become ONNX; one line tells what was written, or what is wrong."""

import re

import pytest
import torch

from srlib import checkpoints, onnx_export
from srlib.cli import main
from srlib.onnx_export import onnx_runner

pytest.importorskip("onnx")
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
    ],
)
def test_wrong_words_are_named(tmp_path, shipped, fails, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert message in fails("export", *words)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_missing_package_is_one_line(tmp_path, shipped, fails, monkeypatch):
    monkeypatch.setattr(onnx_export.importlib.util, "find_spec", lambda name: None)
    assert 'pip install "srlib[web]"' in fails("export", "edsr_small", tmp_path / "net.onnx")
