"""images and photo: values a person can check, and every odd file a user may bring."""

import io
import os

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from srlib import images
from srlib.io import codecs
from tests.io.kinds import SRGB

RGB = np.random.default_rng(0).integers(0, 256, (11, 17, 3), dtype=np.uint8)
DEEP = np.random.default_rng(1).integers(0, 65536, (11, 17, 4), dtype=np.uint16)


def stored(array, path, **options):
    Image.fromarray(array).save(path, **options)
    return path


def as_tensor(array):
    return torch.from_numpy(array.astype(np.float32)).permute(2, 0, 1)[None]


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "webp"])
def test_lossless_round_trip_at_odd_sizes(tmp_path, extension):
    path = tmp_path / f"picture.{extension}"
    images.write(path, as_tensor(RGB) / 255)
    torch.testing.assert_close(images.read(path), as_tensor(RGB) / 255)


def test_values_shape_and_dtype(tmp_path):
    image = images.read(stored(RGB, tmp_path / "a.png"))
    assert image.shape == (1, 3, 11, 17) and image.dtype == torch.float32
    assert image[0, 2, 4, 5].item() == pytest.approx(RGB[4, 5, 2] / 255)


def test_grey_one_bit_and_palette(tmp_path):
    grey = images.read(stored(RGB[..., 0], tmp_path / "grey.png"))
    assert grey.shape == (1, 1, 11, 17)
    bits = images.read(stored(RGB[..., 0] > 127, tmp_path / "bits.png"))
    assert bits.shape == (1, 1, 11, 17) and set(bits.unique().tolist()) == {0.0, 1.0}
    palette = Image.fromarray(RGB).quantize(16)
    palette.save(tmp_path / "palette.png")
    expected = as_tensor(np.asarray(palette.convert("RGB"))) / 255
    torch.testing.assert_close(images.read(tmp_path / "palette.png"), expected)


def test_cmyk_becomes_rgb(tmp_path):
    flat = Image.new("CMYK", (9, 7), (0, 255, 255, 0))  # full magenta and yellow: red
    flat.save(tmp_path / "red.jpg", quality=100)
    image = images.read(tmp_path / "red.jpg")
    torch.testing.assert_close(image.mean((0, 2, 3)), torch.tensor([1.0, 0.0, 0.0]), atol=0.02, rtol=0)


def test_alpha_is_dropped_by_read_and_kept_by_load(tmp_path):
    rgba = np.dstack([RGB, RGB[..., :1]])
    path = stored(rgba, tmp_path / "alpha.png")
    torch.testing.assert_close(images.read(path), as_tensor(RGB) / 255)
    torch.testing.assert_close(images.load(path).alpha, as_tensor(RGB[..., :1]) / 255)
    two = stored(np.dstack([RGB[..., 0], RGB[..., 1]]), tmp_path / "grey_alpha.png")
    assert images.load(two).pixels.shape == images.load(two).alpha.shape == (1, 1, 11, 17)


def test_transparent_palette_colour_becomes_alpha(tmp_path):
    Image.fromarray(RGB).quantize(8).save(tmp_path / "p.png", transparency=3)
    alpha = images.load(tmp_path / "p.png").alpha
    assert set(alpha.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("extension", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_read_whole(tmp_path, extension, channels):
    path = tmp_path / f"deep.{extension}"
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    cv2.imwrite(str(path), DEEP[..., order])
    loaded = images.load(path)
    expected = as_tensor(DEEP[..., :channels].astype(np.int64)) / 65535
    assert loaded.bits == 16
    torch.testing.assert_close(loaded.pixels, expected[:, :3])
    if channels == 4:
        torch.testing.assert_close(loaded.alpha, expected[:, 3:])


@pytest.mark.parametrize("extension", ["png", "tif"])
@pytest.mark.parametrize("channels, alpha", [(1, False), (3, False), (3, True), (1, True)])
def test_sixteen_bits_are_written_whole_with_profile(tmp_path, extension, channels, alpha):
    pixels = as_tensor(DEEP[..., :channels].astype(np.int64)) / 65535
    mask = as_tensor(DEEP[..., 3:].astype(np.int64)) / 65535 if alpha else None
    path = tmp_path / f"deep.{extension}"
    images.save(path, images.Photo(pixels, mask, bits=16, icc=SRGB if channels == 3 else None))
    if extension == "tif":
        raw = tifffile.imread(path)
    else:
        raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert raw.dtype == np.uint16
    again = images.load(path)
    torch.testing.assert_close(again.pixels, pixels.expand_as(again.pixels))  # TIFF: grey + alpha become RGBA
    if alpha:
        torch.testing.assert_close(again.alpha, mask)
    if channels == 3:
        assert again.icc == SRGB


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_removed(tmp_path, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "maker"
    path = stored(RGB, tmp_path / "turned.png", exif=exif)
    with Image.open(path) as file:
        upright = np.asarray(ImageOps.exif_transpose(file))
    loaded = images.load(path)
    torch.testing.assert_close(loaded.pixels, as_tensor(upright) / 255)
    images.save(tmp_path / "again.png", loaded)
    with Image.open(tmp_path / "again.png") as file:
        assert 0x0112 not in file.getexif() and file.getexif()[0x010F] == "maker"


@pytest.mark.parametrize("size", [(1, 1), (3, 100000), (100000, 3)])
def test_extreme_sizes(tmp_path, size):
    path = stored(np.full((*size, 3), 51, np.uint8), tmp_path / "thin.png")
    image = images.read(path)
    assert image.shape == (1, 3, *size) and (image == 0.2).all()


def test_bad_files_give_one_line_with_the_name(bad_files):
    for path in bad_files:
        with pytest.raises(images.ImageError) as error:
            images.read(path)
        message = str(error.value)
        assert path.name in message and "\n" not in message and len(message) < len(str(path)) + 200


@pytest.mark.parametrize("seed", range(3))
def test_flipped_bytes_never_escape_as_another_error(tmp_path, seed):
    rng = np.random.default_rng(seed)
    for extension in ("png", "jpg", "webp", "tif", "bmp"):
        buffer = io.BytesIO()
        Image.fromarray(RGB).save(buffer, codecs.FORMATS["." + extension])
        data = bytearray(buffer.getvalue())
        for _ in range(20):
            damaged = bytearray(data)
            for place in rng.integers(0, len(data), 4):
                damaged[place] = rng.integers(0, 256)
            path = tmp_path / f"damaged.{extension}"
            path.write_bytes(damaged)
            try:
                image = images.read(path)
            except images.ImageError as error:
                assert path.name in str(error)
            else:
                assert image.isfinite().all()


def test_write_refuses_what_the_format_cannot_hold(tmp_path):
    pixels = torch.rand(1, 3, 5, 7)
    for path, picture, word in [
        ("a.xyz", images.Photo(pixels), ".xyz"),
        ("a", images.Photo(pixels), "extension"),
        ("a.jpg", images.Photo(pixels, bits=16), "8 bits"),
        ("a.jpg", images.Photo(pixels, alpha=pixels[:, :1]), "transparency"),
        ("nowhere/a.png", images.Photo(pixels), "no folder"),
        ("a.png", images.Photo(torch.rand(2, 3, 5, 7)), "shape"),
    ]:
        with pytest.raises(images.ImageError, match=word):
            images.save(tmp_path / path, picture)
    assert list(tmp_path.iterdir()) == []


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "old.jpg"
    images.write(path, torch.zeros(3, 4, 4))
    before = path.read_bytes()
    with pytest.raises(images.ImageError, match="old.jpg"):
        images.write(path, torch.zeros(3, 1, 70_000))  # wider than JPEG can say
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["old.jpg"]


def test_to_uint8_clamps_and_rounds():
    image = torch.tensor([-1.0, 0.0, 0.5 / 255 + 1e-6, 254.49 / 255, 2.0]).view(1, 1, 1, 5)
    assert images.to_uint8(image).flatten().tolist() == [0, 0, 1, 254, 255]
    with pytest.raises(TypeError, match="float"):
        images.to_uint8(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))
    tall = torch.rand(1, 1, 1025, 3)
    torch.testing.assert_close(images.from_uint8(images.to_uint8(tall)), tall, atol=0.5 / 255 + 1e-6, rtol=0)


def test_luma_known_values():
    white, black = torch.ones(1, 3, 1, 1), torch.zeros(1, 3, 1, 1)
    assert images.to_y(white).item() * 255 == pytest.approx(235, abs=1e-4)
    assert images.to_y(black).item() * 255 == pytest.approx(16, abs=1e-4)
    assert images.grey(white).item() == pytest.approx(1) and images.grey(black).item() == 0
    single = torch.rand(1, 1, 3, 5)
    assert images.to_y(single) is single and images.grey(single) is single


def test_ycbcr_equals_scikit_image_and_inverts():
    from skimage.color import rgb2ycbcr

    image = torch.rand(2, 3, 7, 5, dtype=torch.float64)
    reference = torch.from_numpy(rgb2ycbcr(image.permute(0, 2, 3, 1).numpy())).permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(images.to_ycbcr(image), reference, atol=1e-12, rtol=0)
    torch.testing.assert_close(images.from_ycbcr(images.to_ycbcr(image)), image, atol=1e-12, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(images.to_ycbcr(image.float()), reference.float(), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="3 channels"):
        images.to_ycbcr(torch.rand(1, 1, 4, 4))
