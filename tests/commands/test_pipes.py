"""Pictures through pipes: standard input and output, named pipes, and what cannot go through."""

import io
import os
import sys
import threading
from types import SimpleNamespace

import pytest

from srlib import images
from srlib.cli import main

BICUBIC = ("--model", "bicubic", "--scale", "2")


@pytest.fixture
def stdin(monkeypatch):
    """Put bytes on standard input."""

    def put(content):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    return put


def test_standard_input(tmp_path, picture, stdin):
    for target, name in ((tmp_path / "out.png", "out.png"), (tmp_path / "new" / "", "new/stdin.png")):
        stdin(picture.read_bytes())
        assert main(["upscale", "-", f"{target}" + "/" * (name != "out.png"), *BICUBIC]) == 0
        assert images.read(tmp_path / name).shape == (1, 3, 26, 44)


def test_standard_output(picture, capsysbinary, tmp_path):
    assert main(["upscale", str(picture), "-", "--format", "webp", *BICUBIC]) == 0
    out, error = capsysbinary.readouterr()
    assert out[:4] == b"RIFF" and error == b""
    (tmp_path / "out.webp").write_bytes(out)
    assert images.read(tmp_path / "out.webp").shape == (1, 3, 26, 44)


@pytest.mark.parametrize("content, words", [(b"", "empty"), (b"no picture at all", "standard input")])
def test_what_is_no_picture_is_named(tmp_path, stdin, fails, content, words):
    stdin(content)
    assert words in fails("upscale", "-", tmp_path / "out.png", *BICUBIC)
    assert not (tmp_path / "out.png").exists()


def test_what_cannot_go_through(tmp_path, picture, fails, monkeypatch):
    deep = tmp_path / "deep.png"
    images.save(deep, images.Photo(images.read(picture), bits=16))
    assert "give it, such as --format png" in fails("upscale", picture, "-", *BICUBIC)
    assert "give it, such as --format png" in fails("upscale", picture, "/dev/stdout", *BICUBIC)
    assert "8 bits" in fails("upscale", deep, "-", "--format", "jpg", *BICUBIC)
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is not open" in fails("upscale", "-", tmp_path / "out.png", *BICUBIC)


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes and devices")
def test_named_pipes_and_devices(tmp_path, picture, fails):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(picture.read_bytes(),))
    writer.start()
    assert main(["upscale", str(pipe), str(tmp_path / "out.png"), *BICUBIC]) == 0
    writer.join()
    assert images.read(tmp_path / "out.png").shape == (1, 3, 26, 44)
    seen = []
    reader = threading.Thread(target=lambda: seen.append(pipe.read_bytes()))
    reader.start()
    assert main(["upscale", str(picture), str(pipe), "--format", "png", *BICUBIC]) == 0
    reader.join()
    assert seen[0] == (tmp_path / "out.png").read_bytes()
    assert "nothing is piped in" in fails("upscale", "/dev/zero", tmp_path / "zero.png", *BICUBIC)
    assert main(["upscale", str(picture), "/dev/null", "--format", "png", *BICUBIC]) == 0


def test_what_never_ends_is_refused(tmp_path, stdin, fails, monkeypatch):
    monkeypatch.setattr("srlib.commands.pipes.LARGEST", 100)
    stdin(b"y\n" * 51)
    assert "save it as a file first" in fails("upscale", "-", tmp_path / "out.png", *BICUBIC)
