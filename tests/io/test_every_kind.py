"""Every kind of file through read, upscale, write and read again: right, or refused in one line."""

import numpy as np
import pytest
import torch
from PIL import Image

from srlib.cli import main
from srlib.io import codecs
from srlib.resample import resize
from tests.io.kinds import CMYK, GREY, KINDS, SRGB, turned

COMBINATIONS = [
    (kind, orientation, icc)
    for kind in KINDS
    for orientation in (range(1, 9) if kind.turns else (1,))
    for icc in ((None, "right", "wrong") if kind.profiled and orientation == 6 else (None,))
]


def as_array(tensor):
    return None if tensor is None else tensor[0].permute(1, 2, 0).numpy()


def doubled(array, orientation):
    return turned(array, orientation).repeat(2, 0).repeat(2, 1)


def smooth(alpha, orientation):
    stored = torch.from_numpy(turned(alpha, orientation).copy()).permute(2, 0, 1)[None]
    return as_array(resize(stored, 2).clamp(0, 1))


def test_there_are_enough():
    assert len(COMBINATIONS) >= 400


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_was_stored_comes_out(tmp_path, kind, capsys):
    for _, orientation, word in (each for each in COMBINATIONS if each[0] is kind):
        made = kind.make(orientation, None)
        right, wrong = (SRGB, GREY) if made.pixels.shape[2] == 3 else (GREY, CMYK)
        made = kind.make(orientation, {None: None, "right": right, "wrong": wrong}[word])
        source = tmp_path / f"in.{kind.suffix}"
        source.write_bytes(made.content)
        said = codecs.header(source)
        pixels = doubled(made.pixels, orientation)
        assert (said.bits, said.alpha) == (made.bits, made.alpha is not None)
        assert (2 * said.height, 2 * said.width) == pixels.shape[:2]
        for suffix in ("png", "tif") if made.bits == 16 or made.alpha is not None else ("png", "bmp"):
            target = tmp_path / f"out.{suffix}"
            words = ["upscale", str(source), str(target), "--model", "nearest", "--scale", "2"]
            assert main(words) == 0, capsys.readouterr().err
            photo = codecs.load(target)
            assert photo.bits == made.bits
            assert (photo.alpha is None) == (made.alpha is None)
            seen = np.ones_like(pixels, dtype=bool)
            if made.alpha is not None:
                seen &= doubled(made.alpha, orientation) > 0  # what is hidden has the nearest colour that is not
                np.testing.assert_allclose(as_array(photo.alpha), smooth(made.alpha, orientation), atol=0.003, rtol=0)
            found = as_array(photo.pixels)[..., : pixels.shape[2]]  # 16-bit grey with alpha becomes RGBA in a TIFF
            np.testing.assert_allclose(found[seen], pixels[seen], atol=made.tolerance, rtol=0)
            if suffix != "bmp" and photo.pixels.shape[1] == made.pixels.shape[2]:
                assert photo.icc == (right if word == "right" else None)
            with Image.open(target) as file:
                assert 0x0112 not in file.getexif()
                if kind.turns and suffix != "bmp":
                    assert file.getexif()[0x010F] == "maker"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.suffix in ("png", "tif")], ids=lambda kind: kind.name)
def test_what_a_format_cannot_hold_is_said_before_the_work(tmp_path, kind, capsys):
    made = kind.make(1, None)
    source = tmp_path / f"in.{kind.suffix}"
    source.write_bytes(made.content)
    for suffix in ("jpg", "webp", "bmp"):
        fits = made.bits == 8 and (made.alpha is None or suffix == "webp")
        words = ["upscale", str(source), str(tmp_path / f"out.{suffix}"), "--model", "nearest", "--scale", "2"]
        assert main(words) == (0 if fits else 2)
        said = capsys.readouterr().err
        assert fits or ("out." in said and ".png" in said and said.count("\n") == 1)
        assert (tmp_path / f"out.{suffix}").exists() == fits
