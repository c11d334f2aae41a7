"""The command line as a user mistypes it: one line on stderr, status 2, nothing damaged."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from srlib import checkpoints, cli, images
from srlib.data.download import FetchError
from srlib.models.catalogue import CATALOGUE


@pytest.mark.parametrize(
    "words, message",
    [
        (["upscale"], "required"),
        (["upscale", "IN", "OUT", "--scale", "0"], "'0' is not a scale"),
        (["upscale", "IN", "OUT", "--scale", "nan"], "'nan' is not a scale"),
        (["upscale", "IN", "OUT", "--scale", "two"], "'two' is not a scale"),
        (["upscale", "IN", "OUT", "--scale", "99"], "between 0 and 16"),
        (["upscale", "IN", "OUT", "--tile", "-5"], "'-5' is not a positive integer"),
        (["upscale", "IN", "OUT", "--model", "edrs"], "no model 'edrs'; there are nearest"),
        (["upscale", "IN", "OUT", "--device", "tpu9"], "try --device cpu"),
        (["upscale", "IN", "OUT.xyz", "--model", "bicubic"], "cannot write .xyz"),
        (["upscale", "IN", "nowhere/OUT.png", "--model", "bicubic"], "no folder"),
        (["upscale", "IN", "IN", "--model", "bicubic"], "is the input file"),
        (["enlarge"], "invalid choice: 'enlarge'"),
        (["evaluate", "bicubic"], "--on"),
        (["evaluate", "bicubic", "--on", "Set99"], "the set Set99 is not on this machine"),
        (["evaluate", "bicubic", "--on", "Set5"], "srlib fetch Set5"),
        (["evaluate", "bicubic", "--on", "EMPTY"], "no pictures"),
        (["evaluate", "edrs", "--on", "Set5"], "no model 'edrs'"),
        (["evaluate", "bicubic", "--on", "Set5", "--json", "nowhere/x.json"], "--json"),
        (["fetch", "Set99"], "no data set Set99; there are"),
    ],
)
def test_wrong_words_are_named(picture, fails, monkeypatch, words, message):
    monkeypatch.chdir(picture.parent)
    monkeypatch.setenv("SRLIB_DATA", str(picture.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(picture.parent))
    (picture.parent / "empty").mkdir()
    places = {"IN": str(picture), "OUT": "out.png", "EMPTY": "empty"}
    before = picture.read_bytes()
    assert message in fails(*[places.get(word, word) for word in words])
    assert picture.read_bytes() == before and not picture.with_name("out.png").exists()


@pytest.mark.parametrize(
    "error, message",
    [
        (MemoryError(), "not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "not enough memory"),
        (FetchError("Set5: no source\n answers"), "Set5: no source answers"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_what_stops_a_command_is_one_line(picture, fails, monkeypatch, error, message):
    def stop(*arguments, **options):
        raise error

    monkeypatch.setattr("srlib.commands.enlarge.upscale", stop)
    assert message in fails("upscale", picture, picture.with_name("out.png"), "--model", "bicubic")


def test_a_bug_is_no_user_error(picture, monkeypatch):
    def stop(*arguments, **options):
        raise RuntimeError("a bug")

    monkeypatch.setattr("srlib.commands.enlarge.upscale", stop)
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main(["upscale", str(picture), str(picture.with_name("out.png")), "--model", "bicubic"])


def test_every_command_has_help(capsys):
    names = ("upscale", "train", "evaluate", "fetch", "models", "kernel", "degrade", "convert", "export", "publish")
    for command in ([], *([name] for name in names)):
        with pytest.raises(SystemExit) as stop:
            cli.main([*command, "--help"])
        assert stop.value.code == 0 and "usage: srlib" in capsys.readouterr().out, command


def test_as_a_module_in_another_process(picture):
    def run(*arguments):
        return subprocess.run([sys.executable, "-m", "srlib", *arguments], capture_output=True, text=True)

    done = run("upscale", picture, picture.with_name("out.png"), "--scale", "2", "--model", "bicubic")
    assert (done.returncode, done.stdout) == (0, "") and images.read(picture.with_name("out.png")).shape[-1] == 44
    done = run("upscale", "missing.png", "x.png", "--model", "bicubic")
    assert done.returncode == 2 and done.stderr == "srlib: missing.png: no such file\n"


@pytest.mark.parametrize("words", [["upscale", "IN", "out.png", "--model"], ["evaluate", "--on", "IN"], ["export"]])
def test_a_network_of_clips_is_refused_by_name(words, picture, tmp_path, monkeypatch, capsys):
    entry = CATALOGUE["edvr_m"]
    monkeypatch.setitem(CATALOGUE, "edvr_m", replace(entry, build=entry.small))
    monkeypatch.chdir(tmp_path)
    net = checkpoints.build("edvr_m", 4)
    path = checkpoints.save(net, tmp_path / "edvr_m_x4.safetensors", {"model": "edvr_m", "scale": 4})
    words = [str(picture) if word == "IN" else word for word in words]
    assert cli.main([*words, str(path), *(["out.onnx"] if words == ["export"] else [])]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "edvr_m_x4.safetensors takes clips of 3 frames, and here are pictures" in error
