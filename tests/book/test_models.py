"""What the playground loads: every shipped network, the pictures, an index of both; made once, and then left alone."""

import base64
import json

import pytest
from PIL import Image

from book._tools import lighten, models
from book._tools.pages import BuildError
from srlib import checkpoints, onnx_export
from srlib.data.datasets import EVAL_PHOTOS
from srlib.models.catalogue import CATALOGUE

pytestmark = pytest.mark.book


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty place, and one network to export."""
    names = ("espcn_x2", "espcn_x4", "edvr_small_x4")  # the last takes clips: it has no place here
    shipped = [path for path in checkpoints.shipped() if path.stem in names]
    monkeypatch.setattr(checkpoints, "shipped", lambda: shipped)
    monkeypatch.setattr(models, "PLAYGROUND", tmp_path / "playground")
    return tmp_path / "playground"


def test_the_index_names_files_that_are_there(folder):
    models.models()
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    first, second = index["models"]
    assert (first["scale"], second["scale"]) == (2, 4)
    assert second == {
        "name": "espcn", "label": "ESPCN", "scale": 4, "channels": 1, "receptive_radius": 6,
        "multiple": 1, "parameters": 24752,
        "file": "models/espcn_x4.onnx", "bytes": (folder / "models/espcn_x4.onnx").stat().st_size,
        "psnr": 30.63, "kind": "true",
    }  # fmt: skip
    assert second["bytes"] < 60_000
    for entry in index["pictures"]:
        with Image.open(folder / entry["file"]) as picture:
            assert picture.size == (entry["width"], entry["height"])
        assert entry["height"] % 12 == entry["width"] % 12 == 0 and max(entry["height"], entry["width"]) <= 384
        assert len(entry["alt"]) > 15 and entry["label"]


def test_nothing_is_made_twice_and_everything_when_something_changes(folder, monkeypatch):
    models.models()
    stamp, index, stray = folder / "made-from", folder / "index.json", folder / "models" / "gone_x2.onnx"
    stray.touch()
    models.models()
    assert stray.exists()
    stamp.write_text("of another exporter")
    models.models()
    assert index.exists() and not stray.exists()
    monkeypatch.setattr(models, "networks", lambda: [])
    index.unlink()
    models.models()
    assert index.exists()


def test_a_missing_package_stops_the_build_in_one_line(folder, monkeypatch):
    monkeypatch.setattr(onnx_export, "_NEEDED", ("no_such_package",))
    with pytest.raises(BuildError, match="pip install"):
        models.models()
    assert not (folder / "made-from").exists()


def test_the_catalogue_says_what_every_shipped_network_was_asked_for():
    cards = {checkpoints.name_of(path): checkpoints.read_card(path) for path in checkpoints.shipped()}
    pixels_alone = {name for name, card in cards.items() if card["recipe"].get("loss") in ("l1", "mse")}
    assert {name for name in cards if CATALOGUE[name].kind == "textured"} == {
        *("johnson", "srgan", "esrgan_small", "cincgan_small"),
    }
    assert {name for name in cards if CATALOGUE[name].kind == "video"} == {
        name for name in cards if CATALOGUE[name].frames > 1
    }
    assert pixels_alone <= {name for name, entry in CATALOGUE.items() if entry.kind == "true"}


def test_no_network_was_trained_on_the_pictures():
    assert models.PHOTOS.keys() == set(EVAL_PHOTOS)


def test_networks_inside_pages_become_files_beside_them(tmp_path, monkeypatch):
    monkeypatch.setattr(lighten, "SITE", tmp_path)
    content = bytes(range(256)) * 8
    inside = json.dumps({"name": "mine", "onnx": base64.b64encode(content).decode(), "scale": 2})
    page = f'<p>"onnx": "abc"</p><script type="application/json" class="srlib-network">{inside}</script>'
    light = lighten.networks(page)
    about = json.loads(light.partition('srlib-network">')[2].removesuffix("</script>"))
    assert about.keys() == {"name", "file", "scale"} and light.startswith('<p>"onnx": "abc"</p>')
    assert (tmp_path / "_static" / "playground" / about["file"]).resolve().read_bytes() == content
