"""What is drawn by the seed: the same anywhere, other for each purpose; pictures from a folder instead."""

import numpy as np
import pytest
import torch

from srlib import images
from srlib.grading import drawn
from srlib.grading.questions import MeasuredQuestion


@pytest.fixture
def question():
    return MeasuredQuestion("restore", 5, lambda *_: (0.0, ""), lambda x: x, picture_size=24, pictures=3)


def numbers(*names, seed=0):
    return torch.rand(3, generator=drawn.generator(seed, *names))


def test_a_seed_and_names_give_known_numbers_everywhere():
    torch.testing.assert_close(numbers("a"), torch.tensor([0.5094, 0.3198, 0.2571]), atol=5e-5, rtol=0)


def test_each_purpose_student_and_seed_has_its_own():
    found = [numbers("a"), numbers("b"), numbers("a", "b"), numbers("ab"), numbers("a", seed=1), numbers("a", "é")]
    assert len({tuple(values.tolist()) for values in found}) == len(found)
    assert numbers("a", seed=10**18).equal(numbers("a", seed=10**18))


def test_drawn_pictures_are_colour_reproducible_and_use_no_global_state(question):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = drawn.pictures(question, drawn.generator(5, "x"))
    assert torch.get_rng_state().equal(before)
    assert [picture.shape for picture in first] == [(3, 24, 24)] * 3
    assert all(0 <= picture.min() and picture.max() <= 1 and picture.std() > 0.05 for picture in first)
    assert all(a.equal(b) for a, b in zip(first, drawn.pictures(question, drawn.generator(5, "x")), strict=True))
    assert not first[0].equal(drawn.pictures(question, drawn.generator(6, "x"))[0])


def test_pictures_of_a_folder_are_cropped(question, tmp_path):
    rng = np.random.default_rng(0)
    for name, side in {"a": 24, "b": 40, "c": 31, "small": 20}.items():
        picture = torch.from_numpy(rng.random((1, 3, side, side + 3), dtype=np.float32))
        images.write(tmp_path / f"{name}.png", picture)
    images.write(tmp_path / "grey.png", torch.rand(1, 1, 50, 50))
    found = drawn.pictures(question, drawn.generator(0, "x"), tmp_path)
    assert [picture.shape for picture in found] == [(3, 24, 24)] * 3
    (tmp_path / "c.png").unlink()
    with pytest.raises(ValueError, match="2 RGB pictures of 24 pixels or more, 3 are needed"):
        drawn.pictures(question, drawn.generator(0, "x"), tmp_path)


@pytest.mark.parametrize("name", ["ada", "../../etc", "=1+1", "é" * 100, "", "CON", "a/b\\c", "x" * 300])
def test_a_file_name_is_plain_and_its_own(name):
    made = drawn.plain(name)
    assert made.isascii() and len(made) < 60 and all(c.isalnum() or c == "-" for c in made)
    assert made != drawn.plain(name + " ")
