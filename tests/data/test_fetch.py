"""fetching and downloading against a server on this machine: resuming, checks, failing cleanly."""

import errno
import hashlib
import io
import os
import shutil
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srlib.data import datasets, download
from srlib.data import fetch as fetching
from srlib.data.fetch import FetchError, fetch

RNG = np.random.default_rng(0)


def png(height, width, channels=3):
    array = RNG.integers(0, 256, (height, width, channels)[: 2 if channels == 1 else 3], dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "png")
    return stream.getvalue()


PICTURES = {"a.png": png(181, 233), "b.png": png(17, 11, 1), "c.png": png(160, 211)}


def tar(members, mode="w:gz"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def packed(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


GOOD = tar({f"Toy_HR/{name}": content for name, content in PICTURES.items()})


class Server:
    """Files over HTTP with Range; `cut` drops the next answer after so many bytes."""

    def __init__(self):
        self.files, self.asked, self.cut = {}, [], None
        self.etag, self.kind, self.ranges = '"one"', "application/octet-stream", True
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def answer(self, request):
        asked = request.headers.get("Range")
        self.asked.append(asked)
        content = self.files.get(request.path)
        if content is None:
            return request.send_error(404)
        start = int(asked[len("bytes=") : -1]) if asked and self.ranges else 0
        if start >= len(content):
            return request.send_error(416)
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - start))
        request.send_header("Content-Type", self.kind)
        request.send_header("ETag", self.etag)
        request.end_headers()
        body, self.cut = content[start:][: self.cut], None
        request.wfile.write(body)
        request.close_connection = True

    def stop(self):
        if not self.thread.is_alive():
            return
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch):
    for key in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(key, "127.0.0.1")
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def toy(server, monkeypatch, tmp_path):
    """A manifest with one set, `Toy`, at the server; returns its entry."""
    server.files["/Toy_HR.tar.gz"] = GOOD
    source = {"url": f"{server.url}/Toy_HR.tar.gz", "sha256": hashlib.sha256(GOOD).hexdigest()}
    entry = {"images": 3, "source": [source]}
    monkeypatch.setattr(fetching, "manifest", lambda: {"Toy": entry, "Other": entry})
    monkeypatch.setattr(datasets.pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.delenv("SRLIB_DATA", raising=False)
    return entry


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def parts(folder):
    return list((folder / ".fetch" / "Toy").glob("*.part"))


def test_fetched_whole_and_nothing_else_left(toy, server, tmp_path):
    seen = []
    path = fetch("Toy", tmp_path / "sets", progress=lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "sets" / "Toy" / "HR"
    assert left(tmp_path / "sets") == ["Toy", "Toy/HR", *(f"Toy/HR/{name}" for name in PICTURES)]
    assert all((path / name).read_bytes() == content for name, content in PICTURES.items())
    assert seen[-1] == (len(GOOD), len(GOOD)) and seen == sorted(seen)
    assert fetch("Toy", tmp_path / "sets") == path
    assert server.asked == [None]  # the second call asked for nothing


def test_goes_to_srlib_data_else_to_the_cache(toy, monkeypatch, tmp_path):
    assert fetch("Toy") == tmp_path / "cache" / "srlib" / "Toy" / "HR"
    (tmp_path / "file").write_text("not a folder")
    listed = os.pathsep.join([str(tmp_path / "file" / "below"), str(tmp_path / "mine")])
    monkeypatch.setenv("SRLIB_DATA", listed)
    assert fetch("Other") == tmp_path / "mine" / "Other" / "HR"
    assert fetch("Toy") == datasets.find("Toy") == tmp_path / "cache" / "srlib" / "Toy" / "HR"
    assert [name for name, _ in datasets.images_of("Other")] == ["a", "b", "c"]


def test_lost_connection_is_taken_up_where_it_broke(toy, server, tmp_path):
    server.cut = 150_000
    path = fetch("Toy", tmp_path)
    assert len(list(path.iterdir())) == 3
    first, second = server.asked
    assert first is None and 0 < int(second[len("bytes=") : -1]) <= 150_000


def interrupt(toy, folder):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("Toy", folder, progress=stop)


def test_interrupted_then_resumed(toy, server, tmp_path):
    interrupt(toy, tmp_path)
    (part,) = parts(tmp_path)
    assert left(tmp_path) == [".fetch", ".fetch/Toy", f".fetch/Toy/{part.name}"]  # nothing under Toy
    assert part.read_bytes() == GOOD[: part.stat().st_size]
    have = part.stat().st_size
    fetch("Toy", tmp_path)
    assert server.asked == [None, f"bytes={have}-"]
    assert left(tmp_path)[0] == "Toy"


def test_server_without_ranges_starts_again(toy, server, tmp_path):
    interrupt(toy, tmp_path)
    server.ranges = False
    assert (fetch("Toy", tmp_path) / "a.png").read_bytes() == PICTURES["a.png"]


@pytest.mark.parametrize("longer", [False, True])
def test_changed_file_starts_again(toy, server, tmp_path, longer):
    interrupt(toy, tmp_path)
    other = tar({f"Toy_HR/{name}": png(150, 190) for name in PICTURES}, "w") if longer else GOOD
    server.files["/Toy_HR.tar.gz"], server.etag = other, '"two"'
    toy["source"][0]["sha256"] = hashlib.sha256(other).hexdigest()
    fetch("Toy", tmp_path)
    assert [asked is None for asked in server.asked] == [True, False, True]


def test_part_longer_than_the_file_starts_again(toy, server, tmp_path):
    interrupt(toy, tmp_path)
    parts(tmp_path)[0].write_bytes(bytes(len(GOOD) + 5))
    fetch("Toy", tmp_path)
    assert len(server.asked) == 3


def test_wrong_hash_deletes_the_file_and_says_both(toy, server, tmp_path):
    toy["source"][0]["sha256"] = "0" * 64
    with pytest.raises(FetchError) as caught:
        fetch("Toy", tmp_path)
    message = str(caught.value)
    assert message.startswith("Toy: http") and "\n" not in message and "deleted" in message
    assert f"expected sha256:{'0' * 64} but got {hashlib.sha256(GOOD).hexdigest()}" in message
    assert left(tmp_path) == []


def test_next_address_after_a_bad_one(toy, server, tmp_path):
    toy["source"].insert(0, {"url": f"{server.url}/gone.zip"})
    assert fetch("Toy", tmp_path).is_dir()


@pytest.mark.parametrize("where", ["download", "unpack"])
def test_full_disk_removes_what_was_half_written(toy, monkeypatch, tmp_path, where):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    class Full(io.FileIO):
        write = full

    if where == "download":
        monkeypatch.setattr(download, "open", lambda path, mode: Full(path, "ab"), raising=False)
    else:
        monkeypatch.setattr(fetching.shutil, "copyfileobj", full)
    with pytest.raises(FetchError, match="Toy: no space left in .*removed") as caught:
        fetch("Toy", tmp_path)
    assert "\n" not in str(caught.value) and left(tmp_path) == []


def test_too_little_room_is_seen_before_anything_is_written(toy, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=len(GOOD) + 10)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(FetchError, match="needs 0 MB in .*are free"):
        fetch("Toy", tmp_path)
    assert left(tmp_path) == []


def test_not_found_web_page_and_wrong_length(toy, server, tmp_path):
    toy["source"] = [{"url": f"{server.url}/no.zip"}]
    with pytest.raises(FetchError, match="Toy: .*no.zip: the server answered 404"):
        fetch("Toy", tmp_path)
    server.kind = "text/html; charset=utf-8"
    toy["source"] = [{"url": f"{server.url}/Toy_HR.tar.gz"}]
    with pytest.raises(FetchError, match="web page"):
        fetch("Toy", tmp_path)
    server.kind = "application/zip"
    toy["source"][0]["bytes"] = len(GOOD) + 1
    with pytest.raises(FetchError, match=f"has {len(GOOD)} bytes instead of {len(GOOD) + 1}"):
        fetch("Toy", tmp_path)
    assert left(tmp_path) == []


def test_server_gone(toy, server, tmp_path):
    interrupt(toy, tmp_path)
    server.stop()
    with pytest.raises(FetchError, match=r"Toy: .*no connection.*bytes are kept") as caught:
        fetch("Toy", tmp_path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    assert len(parts(tmp_path)) == 1


def serve(toy, server, content, **more):
    server.files["/x"] = content
    toy["source"] = [{"url": f"{server.url}/x", **more}]


def test_page_instead_of_an_archive_and_truncated_archives(toy, server, tmp_path):
    plain = tar({f"Toy/{name}": content for name, content in PICTURES.items()}, "w")
    zipped = packed({f"Toy/{name}": content for name, content in PICTURES.items()})
    for content in (b"<!doctype html><title>Sign in</title>", GOOD[:-9000], zipped[:-9000], plain[:90_000]):
        serve(toy, server, content)
        with pytest.raises(FetchError, match="not a (complete )?zip or tar archive"):
            fetch("Toy", tmp_path)
        assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["../out.png", "/out.png", "a/../../out.png", "..\\out.png", "C:\\out.png"])
@pytest.mark.parametrize("pack", [tar, packed])
def test_names_that_lead_out_are_refused(toy, server, tmp_path, name, pack):
    serve(toy, server, pack(PICTURES | {name: PICTURES["a.png"]}))
    with pytest.raises(FetchError, match="leads out of its folder"):
        fetch("Toy", tmp_path / "deep" / "sets")
    assert not list(tmp_path.rglob("out.png")) and left(tmp_path / "deep" / "sets") == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(toy, server, tmp_path, kind):
    stream = io.BytesIO(tar(PICTURES, "w"))
    with tarfile.open(fileobj=stream, mode="a") as archive:
        link = tarfile.TarInfo("d.png")
        link.type, link.linkname = kind, "/outside"
        archive.addfile(link)
    serve(toy, server, stream.getvalue())
    with pytest.raises(FetchError, match="link or a device"):
        fetch("Toy", tmp_path)
    info = zipfile.ZipInfo("d.png")
    info.external_attr = 0o120777 << 16
    stream = io.BytesIO(packed(PICTURES))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(info, "/outside")
    serve(toy, server, stream.getvalue())
    with pytest.raises(FetchError, match="link or a device"):
        fetch("Toy", tmp_path)
    assert left(tmp_path) == []


def test_only_the_images_of_the_named_folder(toy, server, tmp_path):
    members = {f"benchmark/Toy/HR/{name}": content for name, content in PICTURES.items()}
    members |= {f"benchmark/Toy/LR/{name}": content for name, content in PICTURES.items()}
    members |= {"__MACOSX/benchmark/Toy/HR/._a.png": b"x", "benchmark/Toy/HR/readme.txt": b"x"}
    serve(toy, server, packed(members), inside="Toy/HR")
    toy["subfolder"] = "."
    assert fetch("Toy", tmp_path) == tmp_path / "Toy"
    assert left(tmp_path) == ["Toy", *(f"Toy/{name}" for name in PICTURES)]


def test_twins_wrong_count_and_wrong_pixels(toy, server, tmp_path):
    serve(toy, server, tar({f"{folder}/a.png": PICTURES["a.png"] for folder in "xy"}))
    with pytest.raises(FetchError, match="two images named a.png"):
        fetch("Toy", tmp_path)
    serve(toy, server, tar({"a.png": PICTURES["a.png"]}))
    with pytest.raises(FetchError, match="1 images in the archive instead of 3"):
        fetch("Toy", tmp_path)
    serve(toy, server, GOOD)
    toy["pixels"] = "f" * 64
    with pytest.raises(FetchError, match=f"sha256 of the pixels: expected {'f' * 64} but got [0-9a-f]{{64}}"):
        fetch("Toy", tmp_path)
    assert left(tmp_path) == []
    serve(toy, server, GOOD, files_md5="f" * 32)
    with pytest.raises(FetchError, match="md5 of the files"):
        fetch("Toy", tmp_path)


def test_digests_by_hand(toy, server, tmp_path):
    each = []
    for content in PICTURES.values():
        array = np.asarray(Image.open(io.BytesIO(content)))
        planes = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        head = f"{len(planes)} {array.shape[0]} {array.shape[1]}\n".encode()
        each.append(hashlib.sha256(head + planes.tobytes()).hexdigest())
    toy["pixels"] = hashlib.sha256("".join(sorted(each)).encode()).hexdigest()
    md5 = "".join(hashlib.md5(content).hexdigest() for content in PICTURES.values())
    toy["source"][0]["files_md5"] = hashlib.md5(md5.encode()).hexdigest()
    assert fetch("Toy", tmp_path).is_dir()


@pytest.mark.skipif(fetching.fcntl is None, reason="no file locks on this system")
def test_two_fetches_of_one_set_do_not_mix(toy, tmp_path):
    def second(done, total):
        with pytest.raises(FetchError, match="another process"):
            fetch("Toy", tmp_path)

    assert fetch("Toy", tmp_path, progress=second).is_dir()


def test_unknown_name_lists_the_manifest(toy, tmp_path):
    with pytest.raises(FetchError, match="Nope is not in the manifest; it has Toy, Other"):
        fetch("Nope", tmp_path)
    with pytest.raises(FetchError, match="Toy: .*" + str(tmp_path / "file")):
        Path(tmp_path / "file").write_text("")
        fetch("Toy", tmp_path / "file")


def test_the_shipped_manifest_is_complete():
    sets = datasets.manifest()
    assert {"Set5", "Set14", "BSD100", "Urban100", "DIV2K_train_HR", "DIV2K_valid_LR_bicubic_X4"} <= set(sets)
    for name, entry in sets.items():
        kinds = {"file"} if "file" in entry else {"images", "pixels", "subfolder"}
        assert set(entry) <= {"about", "terms", "source"} | kinds, name
        assert entry["about"] and entry["terms"] and (entry.get("file") or entry["images"] > 0)
        for source in entry["source"]:
            assert set(source) <= {"url", "bytes", "sha256", "md5", "files_md5", "inside"}, name
            assert source["url"].startswith("https://")
            assert {"sha256", "md5", "files_md5"} & set(source) or "pixels" in entry, f"{name} has no checksum"
            assert len(source.get("sha256", "0" * 64)) == 64 and len(source.get("md5", "0" * 32)) == 32


def absent(name):
    return datasets.find_in(datasets.search_path(), name) is None


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.skipif(absent(name), reason=f"{name} is not in $SRLIB_DATA"))
        for name in ("Set5", "Set14", "BSD100")
    ],
)
def test_pixel_digests_of_the_real_sets(name):
    assert fetching.pixel_digest(datasets.find(name)) == datasets.manifest()[name]["pixels"]
