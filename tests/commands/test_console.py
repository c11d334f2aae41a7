"""Consoles of any encoding, readers that stop, and signals: a command ends well and says no more than it must."""

import importlib
import io
import json
import os
import signal
import sys

import pytest
import torch

from srlib import cli, images
from srlib.cli import main
from srlib.commands import console
from srlib.commands.report import Report, write
from srlib.scores import Scores

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


@pytest.mark.parametrize("text, expected", [("×2 – 3…", b"x2 - 3..."), ("写 z\udcfcrich", rb"\u5199 z\udcfcrich")])
def test_signs_become_plainer_or_are_escaped(encoded, text, expected):
    encoded("ascii")
    console.any_encoding()
    print(text, flush=True)
    assert encoded.printed()[0] == expected + b"\n"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names there are text")
def test_names_with_bytes_that_are_no_text(encoded, tmp_path):
    folder = tmp_path / os.fsdecode(b"z\xfcrich")
    folder.mkdir()
    images.write(folder / os.fsdecode(b"\xff.png"), torch.rand(3, 33, 31))
    (folder / "bad.png").touch()
    encoded("utf-8")
    words = ["--scale", "2", "--json", str(tmp_path / "x.json"), "--csv", str(tmp_path / "x.csv")]
    assert main(["evaluate", "bicubic", "--on", str(folder), *words]) == 2
    out, error = encoded.printed()
    assert rb"on z\udcfcrich: PSNR" in out and rb"z\udcfcrich/bad.png: empty" in error
    report = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert report["images"][0]["name"] == "\udcff" and "rich" in (tmp_path / "x.csv").read_text(encoding="utf-8")
    assert main(["upscale", str(folder), str(folder / "out"), "--model", "bicubic"]) == 2
    assert (folder / "out" / os.fsdecode(b"\xff.png")).exists()


def test_names_that_the_language_of_the_system_cannot_read_stay_what_they_are(tmp_path):
    ascii_name = "写真".encode().decode("ascii", "surrogateescape")  # what Python makes of it under LC_ALL=C
    write([Report(ascii_name, "set", Scores("P", ({"name": ascii_name, "psnr": 30.0, "ssim": 0.9},), 4))],
          str(tmp_path / "a.json"), str(tmp_path / "a.csv"))  # fmt: skip
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["images"][0]["name"] == "写真"
    assert "\n写真,4,set," in (tmp_path / "a.csv").read_text(encoding="utf-8")


def test_a_closed_stream_takes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["upscale", str(tmp_path / "nope.png"), str(tmp_path / "out.png"), "--model", "bicubic"]) == 2
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["models"]) == 0


@pytest.fixture
def broken(monkeypatch):
    """Make standard output a pipe whose reader has gone; the stream."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as stream:

        def put():
            monkeypatch.setattr(sys, "stdout", stream)
            return stream

        yield put


@posix
@pytest.mark.parametrize("size", [10, 100_000])  # noticed at the end, and within a print
def test_a_reader_that_stops_is_no_complaint(broken, monkeypatch, capsys, size):
    monkeypatch.setattr("srlib.commands.models.read", lambda: print("x" * size) or [])
    stream = broken()
    assert main(["models"]) == cli.PIPE_CLOSED
    stream.write("what Python writes as it ends")
    stream.flush()  # goes nowhere
    assert capsys.readouterr().err == ""


@posix
def test_a_reader_of_the_help_may_stop(broken, capsys):
    stream = broken()
    with pytest.raises(SystemExit) as stop:
        main(["upscale", "--help"])
    stream.flush()
    assert stop.value.code == 0 and capsys.readouterr().err == ""


@posix
def test_scores_are_in_their_file_before_they_are_printed(broken, tmp_path):
    images.write(tmp_path / "a.png", torch.rand(3, 33, 31))
    report = tmp_path / "scores.json"
    words = ["evaluate", "bicubic", "nearest", "--on", str(tmp_path), "--json", str(report)]
    broken()
    assert main(words) == cli.PIPE_CLOSED
    assert len(json.loads(report.read_text(encoding="utf-8"))) == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_an_output_without_room_is_an_error(capsys, monkeypatch):
    with open("/dev/full", "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["models"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "No space left" in error


def test_another_broken_pipe_is_an_error(monkeypatch, capsys):
    def stop(options):
        raise BrokenPipeError(32, "Broken pipe", "workers")

    monkeypatch.setattr("srlib.commands.models.read", lambda: stop(None))
    assert main(["models"]) == 2 and "workers" in capsys.readouterr().err


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["srlib.commands.enlarge.upscale", "srlib.io.atomic.os.replace"])
def test_signals_end_a_command_in_order(tmp_path, monkeypatch, capsys, number, where):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in "abc":
        images.write(source / f"{name}.png", torch.rand(3, 5, 7))
    module, name = where.rsplit(".", 1)
    plain = getattr(importlib.import_module("os" if name == "replace" else module), name)
    calls = []

    def second_time(*words, **options):
        calls.append(words)
        if len(calls) == 2:
            os.kill(os.getpid(), number)
        return plain(*words, **options)

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr(where, second_time)
        status = main(["upscale", str(source), str(out), "--model", "bicubic"])
        assert signal.getsignal(signal.SIGTERM) == before[1]
    finally:
        signal.signal(signal.SIGINT, before[0])
    told = {signal.SIGINT: (130, "srlib: interrupted\n"), signal.SIGTERM: (143, "srlib: terminated\n")}
    assert (status, capsys.readouterr().err) == told[number]
    assert [path.name for path in out.iterdir()] == ["a.png"] and images.read(out / "a.png").shape[-1] == 28
