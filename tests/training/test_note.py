"""A run's folder: whose it is, what may change before it goes on, and what is said of the rest."""

import json

import pytest
import torch

from srlib.recipes import ours
from srlib.training import note
from srlib.training.note import RUN, check_free, claim, digest
from srlib.training.recipe import describe
from srlib.training.run import TrainingError


def known(recipe=None, pictures="abc", data="photos: 2 pictures", start=None):
    recipe = ours.espcn(2) if recipe is None else recipe
    found = {"recipe": describe(recipe), "data": {"hr": [data]}, "start": start}
    return found | ({"pictures": {"hr": pictures}} if pictures else {})


def test_a_digest_knows_values_sizes_and_order():
    a = torch.arange(2 * 3 * 5 * 7, dtype=torch.uint8).view(2, 3, 5, 7)
    pictures = [a[:1], a[1:]]
    assert digest(pictures) == digest([picture.clone() for picture in pictures])
    changed = a.clone()
    changed[1, 2, 4, 6] += 1
    others = [[a[1:], a[:1]], [a[:1]], [a[:1], changed[1:]], [a[:1], a[1:].mT], [a[:1].float(), a[1:]], []]
    assert len({digest(other) for other in [pictures, *others]}) == 7
    assert digest([a.mT]) == digest([a.mT.contiguous()])


def test_a_longer_run_and_a_moved_folder_are_the_same_run(tmp_path):
    claim(tmp_path, known(), resume=False)
    claim(tmp_path, known(ours.espcn(2).with_config(steps=5, log_every=1)), resume=True)
    claim(tmp_path, known(data="elsewhere: 2 pictures"), resume=True)
    assert "elsewhere" in (tmp_path / RUN).read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": ours.espcn(2).with_config(seed=3)}, r"has other settings: seed was 0, now 3; keep the old one, or"),
        ({"recipe": ours.espcn(2).with_lr(0.5)}, r'make was "Muon\(lr=0.003\)", now "Muon\(lr=0.5\)"'),
        ({"recipe": ours.espcn(3)}, r'name was "espcn_x2", now "espcn_x3"'),
        ({"pictures": "xyz"}, r"the pictures \(hr\) are not those that this run began with; .* --start"),
        ({"start": {"g": {"sha256": "1"}}}, r'start was null, now {"g": {"sha256": "1"}}'),
    ],
)
def test_another_run_is_refused_with_what_differs(tmp_path, changes, message):
    claim(tmp_path, known(), resume=False)
    before = (tmp_path / RUN).read_bytes()
    with pytest.raises(TrainingError, match=message):
        claim(tmp_path, known(**changes), resume=True)
    assert (tmp_path / RUN).read_bytes() == before


def test_a_note_from_before_there_were_digests_goes_by_its_words(tmp_path):
    (tmp_path / RUN).write_text(note._text(known(pictures=None)))
    with pytest.raises(TrainingError, match="began with other data; give the same --data"):
        claim(tmp_path, known(data="photos: 3 pictures"), resume=True)
    claim(tmp_path, known(), resume=True)
    assert json.loads((tmp_path / RUN).read_text())["pictures"] == {"hr": "abc"}


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\ufffd"])
def test_a_damaged_note_is_one_line(tmp_path, text):
    (tmp_path / RUN).write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match="run.json: damaged; give another --out, or delete this folder"):
        claim(tmp_path, known(), resume=True)


def test_a_folder_that_is_taken(tmp_path):
    check_free(tmp_path / "new", resume=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="file: is a file; give another folder with --out"):
        check_free(tmp_path / "file", resume=True)
    claim(tmp_path / "run", known(), resume=True)
    with pytest.raises(TrainingError, match="holds a run already; give --resume to go on with it, or another --out"):
        check_free(tmp_path / "run", resume=False)
