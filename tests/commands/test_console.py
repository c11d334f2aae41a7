"""Consoles of any encoding, readers that stop, and signals: a command ends well and says no more than it must."""

import io
import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from srlib import cli, images
from srlib.cli import main
from srlib.commands import console

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


@pytest.fixture
def encoded(monkeypatch):
    """Give standard output and error an encoding; what was printed."""

    def put(encoding):
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding=encoding))

    put.printed = lambda: [stream.buffer.getvalue() for stream in (sys.stdout, sys.stderr)]
    return put


@pytest.mark.parametrize("encoding", ["cp1251", "cp932", "cp1254", "ascii", "latin-1", "utf-8"])
def test_every_encoding_prints_every_command(encoded, tmp_path, encoding):
    (tmp_path / "写真").mkdir()
    images.write(tmp_path / "写真" / "ß–×.png", torch.rand(3, 33, 31))
    report = tmp_path / "scores.json"
    for words in (["models"], ["evaluate", "bicubic", "--on", str(tmp_path / "写真"), "--json", str(report)]):
        encoded(encoding)
        assert main(words) == 0
        out, error = encoded.printed()
        assert b"bicubic" in out and error == b""
        assert b"x4" in out or "×4".encode(encoding) in out
    assert [row["name"] for row in json.loads(report.read_text(encoding="utf-8"))["images"]] == ["ß–×"]
    encoded(encoding)
    assert main(["upscale", str(tmp_path / "写真.png"), str(tmp_path / "out.png"), "--model", "bicubic"]) == 2
    assert b"no such file" in encoded.printed()[1]


@pytest.mark.parametrize("text, expected", [("×2 – 3…", b"x2 - 3..."), ("写 caf\udce9", rb"\u5199 caf\udce9")])
def test_signs_become_plainer_or_are_escaped(encoded, text, expected):
    encoded("ascii")
    console.any_encoding()
    print(text, flush=True)
    assert encoded.printed()[0] == expected + b"\n"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names there are text")
def test_names_with_bytes_that_are_no_text(encoded, tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    images.write(folder / os.fsdecode(b"\xff.png"), torch.rand(3, 33, 31))
    (folder / "bad.png").touch()
    encoded("utf-8")
    words = ["--scale", "2", "--json", str(tmp_path / "x.json"), "--csv", str(tmp_path / "x.csv")]
    assert main(["evaluate", "bicubic", "--on", str(folder), *words]) == 2
    out, error = encoded.printed()
    assert rb"on caf\udce9: PSNR" in out and rb"caf\udce9/bad.png: empty" in error
    report = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert report["images"][0]["name"] == "\udcff" and "caf" in (tmp_path / "x.csv").read_text(encoding="utf-8")
    assert main(["upscale", str(folder), str(folder / "out"), "--model", "bicubic"]) == 2
    assert (folder / "out" / os.fsdecode(b"\xff.png")).exists()


PRINTS = """
import sys
from srlib import cli
cli._parser().parse_args  # everything is imported
from srlib.commands import models
models.run = lambda options: {body}
models.add.__globals__["run"] = models.run
sys.exit(cli.main({words}))
"""


def ended(body, *, words="['models']", tail="cat", stdout=subprocess.PIPE):
    """Run a command whose work is `body`, with its output through a shell's `tail`; (status, stdout, stderr)."""
    command = f'set -o pipefail; "$PYTHON" -c "$CODE" | {tail}'
    env = os.environ | {"PYTHON": sys.executable, "CODE": PRINTS.format(body=body, words=words)}
    done = subprocess.run(["bash", "-c", command], env=env, stdout=stdout, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stdout, done.stderr


@posix
@pytest.mark.slow
def test_a_reader_that_stops_is_no_complaint():
    assert ended("[print('x' * 99) for _ in range(9999)] and 0", tail="head -c 5") == (cli.PIPE_CLOSED, "xxxxx", "")
    status, _, error = ended("0", words="['upscale', '--help']", tail="true")
    assert status == 0 and error == ""
    status, _, error = ended("print('y') or 0", tail="sh -c 'cat > /dev/full' 2>/dev/null")
    assert error == ""


@posix
@pytest.mark.slow
def test_an_output_without_room_is_an_error():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    env = os.environ | {"CODE": PRINTS.format(body="print('y') or 0", words="['models']"), "PYTHON": sys.executable}
    done = subprocess.run(["bash", "-c", '"$PYTHON" -c "$CODE" > /dev/full'], env=env, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "No space left" in done.stderr


@posix
@pytest.mark.parametrize(
    "number, status, word", [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_signals_end_a_command_in_order(picture, monkeypatch, capsys, number, status, word):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr("srlib.commands.enlarge.upscale", lambda *_, **__: os.kill(os.getpid(), number))
        target = picture.with_name("out.png")
        assert main(["upscale", str(picture), str(target), "--model", "bicubic"]) == status
        assert capsys.readouterr().err == f"srlib: {word}\n" and not target.exists()
        assert signal.getsignal(signal.SIGTERM) == before[1]
    finally:
        signal.signal(signal.SIGINT, before[0])
