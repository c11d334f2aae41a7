"""A file is written whole or not at all."""

import os

import pytest

from srlib import files


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize(
    ("content", "found"), [("é\n", b"\xc3\xa9\n"), (b"\0\xff", b"\0\xff"), (memoryview(b"ab"), b"ab")]
)
def test_the_file_holds_the_content_and_nothing_lies_beside_it(tmp_path, content, found, durable):
    path = tmp_path / "a.txt"
    path.write_text("something longer that was there before")
    files.write(path, content, durable=durable)
    assert path.read_bytes() == found
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_after_a_failure_the_old_file_stays_and_no_other(tmp_path, monkeypatch, failing):
    def full(*_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, failing, full)
    with pytest.raises(OSError, match="No space"):
        files.write(path, "new", durable=True)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
