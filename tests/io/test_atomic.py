"""A file is written whole or not at all, several files all or none."""

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


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "写" * 83 + ".png", os.fsdecode(b"caf\xe9" * 60)])
def test_any_name_that_the_disk_takes_can_be_written(tmp_path, name):
    for _ in range(2):
        atomic.write(tmp_path / name, b"1")
    assert os.listdir(os.fsencode(tmp_path)) == [os.fsencode(name)]


@pytest.mark.parametrize("write", [atomic.write, lambda path, content: atomic.write_all({path: content})])
def test_a_link_is_written_through(tmp_path, write):
    (tmp_path / "sub").mkdir()
    for name in ("sub/there.txt", "sub/not-yet.txt"):
        link = tmp_path / name.replace("/", "-")
        link.symlink_to(tmp_path / name)
    (tmp_path / "sub" / "there.txt").write_text("old")
    write(tmp_path / "sub-there.txt", "new")
    write(tmp_path / "sub-not-yet.txt", "new")
    assert [path.read_text() for path in sorted((tmp_path / "sub").iterdir())] == ["new", "new"]
    assert all(path.is_symlink() for path in tmp_path.iterdir() if path.is_file())


def test_a_private_file_stays_private(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o600)
    atomic.write(path, "new")
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="no file that can be replaced"):
            atomic.write(path, b"1")
    assert (tmp_path / "pipe").is_fifo()


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


@pytest.fixture
def three(tmp_path):
    """Three files to write, of which the second is not there yet: {path: new content}, and the folder's old bytes."""
    (tmp_path / "a.bin").write_bytes(b"old a")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.csv").write_bytes(b"old c\r\n")
    return {tmp_path / "a.bin": b"\0\xff", tmp_path / "b.json": '{"\u00e9": 1}\n', tmp_path / "sub" / "c.csv": b"c\n"}


def bytes_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def failing_at(call, position, error, *, afterwards=False):
    """A function that raises at its `position`-th call: before what it does, or just after."""
    count = 0

    def run(*arguments):
        nonlocal count
        count += 1
        if count == position and not afterwards:
            raise error
        result = call(*arguments)
        if count == position:
            raise error
        return result

    return run


def test_several_files_are_written_and_nothing_lies_beside_them(tmp_path, three):
    atomic.write_all({str(path): content for path, content in three.items()})
    expected = {"a.bin": b"\0\xff", "b.json": b'{"\xc3\xa9": 1}\n', os.path.join("sub", "c.csv"): b"c\n"}
    assert bytes_below(tmp_path) == expected
    atomic.write_all({})
    assert bytes_below(tmp_path) == expected


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "stop"])
@pytest.mark.parametrize("afterwards", [False, True])
@pytest.mark.parametrize(
    ("failing", "position"), [*(("fsync", k) for k in range(1, 6)), *(("replace", k) for k in range(1, 4))]
)
def test_when_one_of_several_fails_all_are_as_they_were(
    tmp_path, three, monkeypatch, failing, position, afterwards, error
):
    before = bytes_below(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, failing, failing_at(getattr(os, failing), position, error, afterwards=afterwards))
        with pytest.raises(type(error)):
            atomic.write_all(three)
    assert bytes_below(tmp_path) == before
    atomic.write_all(three)
    assert len(bytes_below(tmp_path)) == 3


def test_a_folder_that_is_not_there_stops_all(tmp_path, three):
    before = bytes_below(tmp_path)
    with pytest.raises(FileNotFoundError):
        atomic.write_all(three | {tmp_path / "nowhere" / "d.txt": b"d"})
    assert bytes_below(tmp_path) == before


def test_an_old_file_that_cannot_be_put_back_is_kept_and_named(tmp_path, three, monkeypatch):
    def broken(source, target, replace=os.replace):
        if broken.calls:
            raise OSError(5, "Input/output error")
        broken.calls += 1
        replace(source, target)

    broken.calls = 0
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", broken)
        with pytest.raises(OSError, match=r"could not put back .*\.a\.bin\.\w+\.\d+\.old\.part -> .*a\.bin$"):
            atomic.write_all(three)
    (copy,) = tmp_path.rglob("*.part")
    assert copy.read_bytes() == b"old a" and (tmp_path / "sub" / "c.csv").read_bytes() == b"old c\r\n"
