"""A file is written whole or not at all."""

import os

import pytest

from srlib.io import atomic


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize(
    ("content", "found"), [("é\n", b"\xc3\xa9\n"), (b"\0\xff", b"\0\xff"), (memoryview(b"ab"), b"ab")]
)
def test_the_file_holds_the_content_and_nothing_lies_beside_it(tmp_path, content, found, durable):
    path = tmp_path / "a.txt"
    path.write_text("something longer that was there before")
    atomic.write(path, content, durable=durable)
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
        atomic.write(path, "new", durable=True)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_has_all_columns_and_leaves_out_what_a_row_lacks(tmp_path):
    path = tmp_path / "a.csv"
    atomic.write_table(path, [{"a": 1, "b": "x, y"}, {"c": 2.5, "a": 3}])
    assert path.read_bytes() == b'a,b,c\n1,"x, y",\n3,,2.5\n'
    atomic.write_table(path, iter([{"b": 1}]), ["a", "b"])
    assert path.read_text() == "a,b\n,1\n"
    with pytest.raises(ValueError, match="'c'"):
        atomic.write_table(path, [{"a": 1}, {"c": 2}], ["a"])
    assert path.read_text() == "a,b\n,1\n"
    atomic.write_table(path, [])
    assert path.read_text() == ""
