"""What a photo carries arrives in every format, and says nothing about the old picture."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from srlib import images
from srlib.io import codecs, metadata, profiles
from tests.io.kinds import SRGB, chunk, png_bytes, samples

XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'xmlns:exif="http://ns.adobe.com/exif/1.0/" dc:rights="mine" tiff:Orientation="6" '
    b'exif:PixelXDimension="17"><exif:PixelYDimension>11</exif:PixelYDimension></rdf:Description></rdf:RDF>'
    b'</x:xmpmeta><?xpacket end="w"?>'
)
OPTIONS = {"jpg": {"quality": 95}, "png": {}, "webp": {"lossless": True}, "tif": {}}
RGB = np.random.default_rng(0).integers(0, 256, (11, 17, 3), dtype=np.uint8)


def full_exif():
    exif = Image.Exif()
    exif[0x010F], exif[0x8298], exif[0x0112] = "Maker", "me", 1
    inside = exif.get_ifd(0x8769)
    inside[0xA002], inside[0xA003], inside[0x829A] = 17, 11, 0.01
    exif.get_ifd(0x8825)[2] = (48.0, 8.0, 30.0)
    return exif


def enlarged(path, target, factor=2):
    photo = images.load(path)
    size = torch.Size([photo.pixels.shape[-2] * factor, photo.pixels.shape[-1] * factor])
    pixels = torch.nn.functional.interpolate(photo.pixels, size)
    images.save(target, codecs.Photo(**{**photo.__dict__, "pixels": pixels, "alpha": None}))
    return photo


@pytest.mark.parametrize("source, target", list(itertools.product(OPTIONS, OPTIONS)))
def test_from_every_format_to_every_format(tmp_path, source, target):
    words = OPTIONS[source] | {"exif": full_exif(), "icc_profile": SRGB}
    words |= {} if source == "webp" else {"dpi": (300, 150)}
    words |= {"xmp": XMP} if source in ("jpg", "webp") else {}
    Image.fromarray(RGB).save(tmp_path / f"in.{source}", **words)
    enlarged(tmp_path / f"in.{source}", tmp_path / f"out.{target}")
    with Image.open(tmp_path / f"out.{target}") as file:
        exif, inside, info = file.getexif(), file.getexif().get_ifd(0x8769), file.info
        assert info["icc_profile"] == SRGB
        assert (exif[0x010F], exif[0x8298]) == ("Maker", "me")
        if source != "tif":  # Pillow writes no directories inside that of a TIFF
            assert (inside[0xA002], inside[0xA003]) == (34, 22) and float(inside[0x829A]) == 0.01
            assert [float(v) for v in exif.get_ifd(0x8825)[2]] == [48, 8, 30]
        if "webp" not in (source, target):
            assert tuple(round(float(value)) for value in info["dpi"]) == (300, 150)
        if source in ("jpg", "webp"):
            xmp = info["xmp"]
            assert b'dc:rights="mine"' in xmp and b'tiff:Orientation="1"' in xmp
            assert b'exif:PixelXDimension="34"' in xmp and b"<exif:PixelYDimension>22<" in xmp


@pytest.mark.parametrize("channels, suffix", list(itertools.product((1, 2, 3, 4), ("png", "tif"))))
def test_sixteen_bits_carry_as_much(tmp_path, channels, suffix):
    icc = SRGB if channels > 2 else SRGB[:16] + b"GRAY" + SRGB[20:]
    before = chunk(b"iCCP", b"p\0\0" + zlib.compress(icc)) + chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))
    before += chunk(b"eXIf", full_exif().tobytes()[6:])
    (tmp_path / "in.png").write_bytes(
        png_bytes(samples(channels, 16), 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], before=before)
    )
    photo = images.load(tmp_path / "in.png")
    target = tmp_path / f"out.{suffix}"
    images.save(target, photo)
    again = images.load(target)
    assert again.bits == 16
    assert again.icc == icc or (channels, suffix) == (2, "tif")  # which becomes RGBA
    torch.testing.assert_close(again.pixels, photo.pixels.expand_as(again.pixels))
    if photo.alpha is not None:
        torch.testing.assert_close(again.alpha, photo.alpha)
    assert tuple(round(value) for value in again.dpi) == (300, 300)
    exif = Image.Exif()
    exif.load(again.exif)
    assert exif[0x010F] == "Maker" and float(exif.get_ifd(0x8769)[0x829A]) == 0.01


def test_a_tiff_reads_the_same_in_other_programs(tmp_path):
    import cv2

    for bits, channels in itertools.product((8, 16), (1, 2, 3, 4)):
        array = np.random.default_rng(bits + channels).integers(0, 1 << bits, (300, 217, channels))
        tensor = torch.from_numpy(array).permute(2, 0, 1)[None] / ((1 << bits) - 1)
        split = 1 if channels < 3 else 3
        alpha = tensor[:, split:] if channels in (2, 4) else None
        path = tmp_path / f"{bits}-{channels}.tif"
        images.save(path, codecs.Photo(tensor[:, :split], alpha, bits=bits))
        stored = array[..., 0] if channels == 1 else array[..., [0, 0, 0, 1]] if (bits, channels) == (16, 2) else array
        np.testing.assert_array_equal(tifffile.imread(path), stored)
        if bits == 8 or channels == 1:
            with Image.open(path) as file:
                np.testing.assert_array_equal(np.asarray(file), stored)
        if (bits, channels) not in ((8, 2), (8, 4)):  # OpenCV multiplies 8-bit colour by its alpha
            read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            order = {1: np.s_[:], 3: np.s_[..., ::-1]}.get(channels, np.s_[..., [2, 1, 0, 3]])
            np.testing.assert_array_equal(read[order], stored)


def test_gamma_and_chromaticities_stay_or_become_a_profile(tmp_path):
    wide = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
    said = struct.pack(">8I", *(round(v * 100_000) for v in wide))
    before = chunk(b"gAMA", struct.pack(">I", 100_000)) + chunk(b"cHRM", said)
    (tmp_path / "linear.png").write_bytes(png_bytes(samples(3, 8), 8, 2, before=before))
    photo = images.load(tmp_path / "linear.png")
    assert photo.gamma == 1 and photo.chromaticities == pytest.approx(wide)
    images.save(tmp_path / "again.png", photo)
    with Image.open(tmp_path / "again.png") as file:
        assert file.info["gamma"] == 1 and file.info["chromaticity"] == pytest.approx(wide)
    for suffix in ("jpg", "webp", "tif"):
        images.save(tmp_path / f"linear.{suffix}", photo)
        icc = images.load(tmp_path / f"linear.{suffix}").icc
        assert profiles.fits(icc, 3) and b"gamma 1" in icc


def light(encoded):
    """sRGB -> linear, IEC 61966-2-1."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_profile_of_a_gamma_means_that_gamma(gamma, mode):
    """LittleCMS reads our profile: a value v stands for the light v ** (1 / gamma)."""
    icc = profiles.from_gamma(gamma, None, len(mode))
    values = np.arange(20, 256, 5, dtype=np.uint8)
    shape = (1, -1) if mode == "L" else (1, -1, 1)
    image = Image.fromarray(values.reshape(shape).repeat(len(mode), -1) if mode == "RGB" else values.reshape(shape))
    seen = np.asarray(profiles.converted(image, icc)).reshape(-1, len(mode)) / 255
    np.testing.assert_allclose(light(seen).mean(1), (values / 255) ** (1 / gamma), atol=0.01)


def test_primaries_are_where_the_file_says():
    """A profile made from sRGB's chromaticities and nearly its gamma changes an sRGB picture by little."""
    icc = profiles.from_gamma(1 / 2.2, profiles.SRGB_CHROMATICITIES, 3)
    colours = np.array([[[220, 40, 60], [50, 200, 70], [60, 70, 210], [128, 128, 128]]], dtype=np.uint8)
    seen = np.asarray(profiles.converted(Image.fromarray(colours), icc))
    assert np.abs(seen.astype(int) - colours).max() <= 6
    wide = profiles.from_gamma(1 / 2.2, (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06), 3)
    redder = np.asarray(profiles.converted(Image.fromarray(colours), wide)).astype(int)
    assert redder[0, 0, 0] > colours[0, 0, 0] + 10 and abs(redder[0, 3] - 128).max() <= 2


def test_a_bmp_has_the_colours_converted(tmp_path):
    photo = codecs.Photo(torch.full((1, 3, 5, 7), 0.5), icc=profiles.from_gamma(1.0, None, 3))
    images.save(tmp_path / "a.bmp", photo)
    expected = 0.7353569  # 0.5 of light, as sRGB
    assert images.read(tmp_path / "a.bmp").mean().item() == pytest.approx(expected, abs=0.01)
    images.save(tmp_path / "grey.bmp", codecs.Photo(torch.full((1, 1, 5, 7), 0.5), icc=photo.icc))
    assert images.read(tmp_path / "grey.bmp").mean().item() == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("colours, icc", [(3, b"GRAY"), (1, b"CMYK"), (3, b"CMYK"), (3, b"Lab ")])
def test_a_profile_for_other_pixels_is_left_behind(tmp_path, colours, icc):
    profile = SRGB[:16] + icc + SRGB[20:]
    file = io.BytesIO()
    Image.fromarray(RGB if colours == 3 else RGB[..., 0]).save(file, "PNG", icc_profile=profile)
    assert images.load(io.BytesIO(file.getvalue())).icc is None
    images.save(tmp_path / "a.jpg", codecs.Photo(torch.rand(1, colours, 5, 7), icc=profile))
    with Image.open(tmp_path / "a.jpg") as written:
        assert "icc_profile" not in written.info


def test_what_is_too_long_for_a_jpeg_loses_the_maker_note_first(tmp_path):
    exif = full_exif()
    exif.get_ifd(0x8769)[0x927C] = bytes(70_000)
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    enlarged(tmp_path / "a.png", tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as file:
        assert file.getexif()[0x010F] == "Maker" and 0x927C not in file.getexif().get_ifd(0x8769)


def test_damaged_exif_costs_the_exif_only(tmp_path):
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    photo = images.load(io.BytesIO(file.getvalue()))
    assert photo.exif is None
    torch.testing.assert_close(photo.pixels, images.from_uint8(RGB))


def test_dpi_turns_with_the_picture():
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "JPEG", exif=exif, dpi=(300, 150))
    assert images.load(io.BytesIO(file.getvalue())).dpi == (150, 300)


def test_xmp_without_numbers_stays_as_it_is():
    assert metadata.xmp_for(b"<x/>", 3, 4) == b"<x/>" and metadata.xmp_for(None, 3, 4) is None
    assert metadata.xmp_upright("") is None


def test_a_thumbnail_is_left_behind(tmp_path):
    """EXIF's second directory shows the old picture."""
    exif = full_exif()
    exif._ifds[1] = {0x0201: 0, 0x0202: 4}
    kept = Image.Exif()
    kept.load(metadata.without_storage(exif))
    assert kept.get_ifd(1) == {}


def test_a_profile_is_made_of_what_cms_can_read():
    for colours in (1, 3):
        profile = ImageCms.ImageCmsProfile(io.BytesIO(profiles.from_gamma(0.45455, None, colours)))
        assert profile.profile.xcolor_space.strip() == {1: "GRAY", 3: "RGB"}[colours]


def test_a_tiff_of_luma_and_chroma_keeps_its_profile(tmp_path):
    """Its pixels become RGB, for which the profile was."""
    path = tmp_path / "a.tif"
    image = Image.new("RGB", (16, 16), (200, 90, 40)).convert("YCbCr")
    image.save(path, compression="jpeg", quality=100, icc_profile=SRGB)
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].photometric == 6
    photo = images.load(path)
    assert photo.icc == SRGB
    torch.testing.assert_close(photo.pixels.mean((0, 2, 3)) * 255, torch.tensor([200.0, 90, 40]), atol=3, rtol=0)
