"""`srlib degrade`: random numbers for every picture, from the seed and its name; odd folders and refusals."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from srlib import images
from srlib.cli import main
from srlib.commands.degrade import generator
from srlib.data.cameras import camera_of
from srlib.data.datasets import photo
from srlib.degradations import Blur, gaussian_kernel
from srlib.random_degradations.presets import PRESETS, classic, mild, real
from srlib.random_degradations.two_stage import TwoStage
from srlib.resample import resize
from tests.io.kinds import SRGB


@pytest.fixture
def folder(tmp_path):
    """A colour, a grey, a flat and a tiny picture, of mixed sizes and formats."""
    place = tmp_path / "photos"
    place.mkdir()
    images.write(place / "cat.png", photo("chelsea")[..., :67, :90])
    images.write(place / "grey.bmp", photo("camera")[..., :45, :52])
    images.write(place / "flat.jpg", torch.full((3, 33, 20), 0.6))
    images.write(place / "tiny.png", torch.rand(3, 1, 3))
    noise = torch.randn(3, 40, 41, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.5
    images.write(place / "noise.png", noise.clamp(0, 1))
    return place


def results(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_degrade_equals_the_library(folder, tmp_path):
    target = tmp_path / "out.png"
    assert main(["degrade", str(folder / "cat.png"), str(target), "--seed", "7", "--scale", "2"]) == 0
    expected = TwoStage(scale=2)(images.read(folder / "cat.png"), [generator(7, "cat.png")])
    assert torch.equal(images.to_uint8(images.read(target)), images.to_uint8(expected))
    assert images.read(target).shape == (1, 3, 34, 45)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_folder_of_odd_pictures(folder, tmp_path, preset, capsys):
    if preset == "classic":
        (folder / "tiny.png").unlink()  # a blur of one picture is not one of three pixels: refused, see below
    assert main(["degrade", str(folder), str(tmp_path / "out"), "--preset", preset]) == 0
    assert capsys.readouterr() == ("", "")
    shapes = {path.name: images.read(path).shape for path in (tmp_path / "out").iterdir()}
    tiny = {} if preset == "classic" else {"tiny.png": (1, 3, 1, 1)}
    assert shapes == tiny | {
        "cat.png": (1, 3, 17, 23),
        "grey.png": (1, 1, 12, 13),
        "flat.png": (1, 3, 9, 5),
        "noise.png": (1, 3, 10, 11),
    }


def test_a_picture_comes_out_the_same_alone_in_a_folder_and_beside_others(folder, tmp_path):
    def degraded(source, name, *words):
        assert main(["degrade", str(source), str(tmp_path / name), *words]) == 0
        return results(tmp_path / name) if (tmp_path / name).is_dir() else (tmp_path / name).read_bytes()

    first, again = degraded(folder, "one"), degraded(folder, "two")
    assert first == again
    assert degraded(folder / "cat.png", "cat.png") == first["cat.png"]
    (folder / "tiny.png").unlink()
    fewer = degraded(folder, "three")
    assert fewer == {name: first[name] for name in fewer} and len(fewer) == 4
    other = degraded(folder, "four", "--seed", "1")
    assert all(other[name] != first[name] for name in ("cat.png", "grey.png", "noise.png"))
    shutil.copy(folder / "cat.png", folder / "same.png")
    assert degraded(folder / "same.png", "same.png") != first["cat.png"]


def test_presets_differ_in_strength():
    """Distance to a plain shrunk picture, over 12 draws of each."""
    hr = photo("coffee")[..., :160, :160]

    def distance(degrade):
        lr = torch.cat([degrade(hr, [torch.Generator().manual_seed(seed)]) for seed in range(12)])
        return (lr - torch.nn.functional.avg_pool2d(hr, 4)).square().mean().sqrt().item()

    found = [distance(make(4)) for make in (mild, real)]
    assert found[0] < 0.75 * found[1], found
    assert classic(3).scale == 3 and distance(classic(4)) < found[1]


def test_alpha_and_profile_stay_and_results_have_8_bits(tmp_path):
    pixels, alpha = torch.rand(1, 3, 21, 30), torch.ones(1, 1, 21, 30)
    alpha[..., :12] = 0
    images.save(tmp_path / "deep.png", images.Photo(pixels, alpha, bits=16, icc=SRGB))
    assert main(["degrade", str(tmp_path / "deep.png"), str(tmp_path / "out.png"), "--scale", "3"]) == 0
    found = images.load(tmp_path / "out.png")
    assert found.bits == 8 and found.icc == SRGB and found.pixels.shape == (1, 3, 7, 10)
    assert found.alpha[..., :3].max() == 0 and found.alpha[..., 5:].min() == 1


def test_formats_suffixes_and_subfolders(folder, tmp_path):
    (folder / "below").mkdir()
    shutil.copy(folder / "cat.png", folder / "below" / "cat.png")
    words = ["--format", "webp", "--suffix", "_x4", "--recursive"]
    assert main(["degrade", str(folder), str(tmp_path / "out"), *words]) == 0
    assert (tmp_path / "out" / "below" / "cat_x4.webp").exists() and (tmp_path / "out" / "flat_x4.webp").exists()
    assert main(["degrade", str(folder / "cat.png"), str(tmp_path / "out.jpg")]) == 0
    with Image.open(tmp_path / "out.jpg") as file:
        assert file.format == "JPEG"


def test_bad_pictures_do_not_stop_the_others(folder, tmp_path, capsys):
    (folder / "broken.png").write_text("no picture")
    assert main(["degrade", str(folder), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "broken.png" in error
    assert len(results(tmp_path / "out")) == 5


def test_too_small_for_a_preset_is_said_of_that_picture(folder, tmp_path, capsys):
    assert main(["degrade", str(folder), str(tmp_path / "out"), "--preset", "classic"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "tiny.png: a blur of " in error and "too wide for images of 3 x 1" in error


@pytest.mark.parametrize(
    "words, message",
    [
        (["IN", "OUT.png", "--scale", "1.5"], "--scale must be whole here, got 1.5"),
        (["IN", "OUT.png", "--seed", "-1"], "'-1' is not a seed; give a whole number"),
        (["IN", "OUT.png", "--preset", "worst"], "invalid choice: 'worst'"),
        (["-", "OUT.png"], "-: a pipe has no name to draw numbers for; give files or folders"),
        (["IN", "-"], "a pipe has no name"),
        (["IN", "IN"], "is the input file"),
        (["missing.png", "OUT.png"], "missing.png: no such file"),
        (["IN", "OUT.xyz"], "cannot write .xyz"),
    ],
)
def test_errors(picture, fails, words, message):
    places = {"IN": picture, "OUT.png": picture.with_name("out.png"), "OUT.xyz": picture.with_name("out.xyz")}
    assert message in fails("degrade", *(places.get(word, word) for word in words))
    assert not picture.with_name("out.png").exists()


def test_a_folder_cannot_replace_itself(folder, fails):
    before = results(folder)
    assert "would overwrite the input pictures" in fails("degrade", folder, folder)
    assert results(folder) == before


def test_seeds_and_names_give_unlike_numbers():
    drawn = {
        (seed, name): torch.rand(3, generator=generator(seed, name)).tolist()
        for seed in (0, 1, 10)
        for name in ("a.png", "b.png", "0 a.png", "\udcff.png")
    }
    assert len({tuple(numbers) for numbers in drawn.values()}) == 12
    assert np.allclose(drawn[0, "a.png"], torch.rand(3, generator=generator(0, "a.png")).tolist())


@pytest.fixture
def camera(tmp_path):
    """Photographs of one camera: blurred by σ = 1.5, with noise of 3/255 in each channel."""
    place = tmp_path / "camera"
    place.mkdir()
    blur, rng = Blur(gaussian_kernel(1.5)), torch.Generator().manual_seed(0)
    for name in ("astronaut", "coffee", "rocket", "motorcycle_left"):
        picture = blur(resize(photo(name), 0.5))
        images.write(place / f"{name}.png", picture + 3 / 255 * torch.randn(picture.shape, generator=rng))
    return place


def test_like_a_camera_blurs_and_adds_noise_as_its_photographs_have(camera, folder, tmp_path, capsys):
    (folder / "tiny.png").unlink()
    out = tmp_path / "out"
    assert main(["degrade", str(folder), str(out), "--like", str(camera), "--scale", "2"]) == 0
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.startswith(f"srlib: like {camera}: blur of σ 1.")
    found = camera_of([images.read(path) for path in sorted(camera.iterdir())], 2)
    steps = torch.arange(len(found.kernel)) - len(found.kernel) // 2
    assert (found.kernel.sum(0) * steps**2).sum().sqrt().item() == pytest.approx(1.5, rel=0.1)
    assert 255 * found.noise == pytest.approx(3, rel=0.2)
    expected = found(images.read(folder / "cat.png"), [generator(0, "cat.png")])
    assert torch.equal(images.to_uint8(images.read(out / "cat.png")), images.to_uint8(expected))
    assert images.read(out / "cat.png").shape == (1, 3, 34, 45)


def test_like_what_cannot_be_a_camera_is_one_line(folder, tmp_path, capsys):
    empty, flat = tmp_path / "empty", tmp_path / "flat"
    for place in (empty, flat):
        place.mkdir()
    images.write(flat / "flat.png", torch.full((3, 200, 200), 0.5))
    for like, words in ((tmp_path / "none", "no such"), (empty, "no pictures"), (flat, "flat")):
        assert main(["degrade", str(folder), str(tmp_path / "out"), "--like", str(like)]) in (1, 2)
        told = capsys.readouterr()
        assert told.out == "" and told.err.count("\n") == 1 and words in told.err
        assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit):
        main(["degrade", str(folder), str(tmp_path / "out"), "--like", str(flat), "--preset", "mild"])
