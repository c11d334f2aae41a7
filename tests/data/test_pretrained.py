"""weights: only the published file is opened, and what is missing or wrong is told in one line with the way out."""

import hashlib
import pickle

import pytest
import torch

from srlib.data import datasets, fetch, pretrained
from srlib.data.pretrained import WeightsError, read


class Trap:
    """A pickle that runs code when it is opened."""

    def __reduce__(self):
        return print, ("opened",)


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Writes a file as the published `toy`; its sha256 goes into the manifest."""
    entry = {"file": "toy.pth", "source": [{"url": "https://example.org/toy.pth", "sha256": ""}]}
    for module in (pretrained, fetch):
        monkeypatch.setattr(module, "manifest", lambda: {"toy": entry, "Set5": {"images": 5}})
    monkeypatch.setattr(datasets.pooch, "os_cache", lambda name: tmp_path / "cache")
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path / "mine"))

    def write(content, place="mine", **options):
        path = tmp_path / place / "weights" / "toy.pth"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, path, **options)
        entry["source"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        return path

    return write


@pytest.mark.parametrize("place", ["mine", "cache"])
@pytest.mark.parametrize("zipped", [True, False])
def test_the_published_file_is_read_from_either_place(published, place, zipped):
    state = {"features.0.weight": torch.rand(2, 3), "classifier.0.bias": torch.rand(4)}
    published(state, place, _use_new_zipfile_serialization=zipped)
    again = read("toy")
    assert again.keys() == state.keys() and all(torch.equal(again[name], state[name]) for name in state)


def test_a_file_elsewhere(published, tmp_path):
    path = published({"a": torch.ones(2)})
    path = path.rename(tmp_path / "other.pth")
    assert torch.equal(read("toy", path)["a"], torch.ones(2))
    with pytest.raises(WeightsError, match="nowhere.pth; get them with: srlib fetch toy"):
        read("toy", tmp_path / "nowhere.pth")


def test_a_missing_file_names_the_places_and_the_command(published, tmp_path):
    with pytest.raises(WeightsError) as caught:
        read("toy")
    message = str(caught.value)
    assert message.endswith("get them with: srlib fetch toy") and "\n" not in message
    assert str(tmp_path / "mine" / "weights") in message and str(tmp_path / "cache" / "weights") in message


def test_a_wrong_file_is_never_opened(published, monkeypatch):
    path = published({"a": torch.ones(2)})
    path.write_bytes(pickle.dumps(Trap()))

    def opened(*arguments, **options):
        raise AssertionError("the file was opened")

    monkeypatch.setattr(torch, "load", opened)
    with pytest.raises(WeightsError, match=r"toy.pth \(sha256 .{8}…, not .{8}…\); delete it and run: srlib fetch toy"):
        read("toy")


@pytest.mark.parametrize("zipped", [True, False])
def test_even_the_right_file_runs_no_code(published, capsys, zipped):
    published({"a": Trap()}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="cannot be read by torch"):
        read("toy")
    assert capsys.readouterr().out == ""


def test_sets_are_no_weights(published):
    with pytest.raises(WeightsError, match="no weights 'Set5'; there are toy"):
        read("Set5")


def test_shipped_names():
    assert {"vgg16", "vgg19", "lpips_vgg"} == {name for name, entry in datasets.manifest().items() if "file" in entry}


def test_fetch_puts_the_file_where_it_is_looked_for(published, monkeypatch, tmp_path):
    content = published({"a": torch.ones(3)})
    source = content.rename(tmp_path / "source.pth")

    def download(url, folder, *, known_hash, size, progress):
        assert url.endswith("toy.pth") and known_hash == "sha256:" + hashlib.sha256(source.read_bytes()).hexdigest()
        (folder / "toy.pth").write_bytes(source.read_bytes())
        return folder / "toy.pth"

    monkeypatch.setattr(fetch, "download", download)
    with pytest.raises(WeightsError, match="srlib fetch toy"):
        read("toy")
    path = fetch.fetch("toy")
    assert path == tmp_path / "mine" / "weights" / "toy.pth" and torch.equal(read("toy")["a"], torch.ones(3))
    assert sorted(file.name for file in (tmp_path / "mine").iterdir()) == ["weights"]
    monkeypatch.delattr(fetch, "download")
    assert fetch.fetch("toy") == path  # it is there: nothing is asked for
