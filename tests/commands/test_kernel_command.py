"""`srlib kernel`: what it prints, writes and draws, and what it says of odd folders."""

import json
import re

import pytest
import torch

from srlib import images
from srlib.cli import main
from srlib.degradations import anisotropic_gaussian, motion_kernel
from tests.kernels.scenes import blurred, scale_invariant


@pytest.fixture
def folder(tmp_path):
    """Write pictures into a folder of their own; the folder."""

    def write(pictures, name="pictures"):
        place = tmp_path / name
        place.mkdir()
        for number, picture in enumerate(pictures):
            images.write(place / f"{number}.png", picture)
        return place

    return write


def test_a_gaussian_is_printed_written_and_drawn(folder, tmp_path, capsys):
    place = folder(blurred(scale_invariant(5, (391, 405)), anisotropic_gaussian(2.4, 1.0, 30), 1))
    report, picture = tmp_path / "kernel.json", tmp_path / "kernel.png"
    assert main(["kernel", str(place), "--scale", "4", "--json", str(report), "--picture", str(picture)]) == 0
    first, blur, shrunk = capsys.readouterr().out.splitlines()
    assert first.startswith("from 5 pictures, ")
    numbers = [float(number) for number in re.findall(r"\d+\.\d+", blur)]
    assert (numbers[0], numbers[2]) == pytest.approx((2.4, 1.0), rel=0.1)
    assert re.search(r"angle (29|30|31) ± \d+°", blur) and "noise of luma" in blur and blur.count("±") == 4
    told = json.loads(report.read_text())
    assert told["gaussian"]["fits"] and told["pictures"] == 5
    assert f"{told['gaussian']['sigma'][0]:.2f} ± {told['gaussian']['sigma_error'][0]:.2f}" in blur
    assert shrunk == f"for pictures shrunk by 4: Gaussian, σ {told['shrunk']['sigma'][0]:.2f} and " + (
        f"{told['shrunk']['sigma'][1]:.2f}"
    )
    taps = torch.tensor(told["taps"], dtype=torch.float64)
    assert taps.sum().item() == pytest.approx(1, abs=1e-3)
    drawn = images.read(picture)
    assert drawn.shape == (1, 1, 16 * len(taps), 16 * len(taps))
    torch.testing.assert_close(drawn[0, 0, 8::16, 8::16].double(), taps / taps.max(), atol=0.003, rtol=0)


@pytest.mark.slow
def test_motion_is_said_to_be_no_gaussian_and_drawn_as_it_is(folder, tmp_path, capsys):
    place = folder(blurred(scale_invariant(4, (211, 243)), motion_kernel(8, 40)))
    assert main(["kernel", str(place), "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert not told["gaussian"]["fits"] and len(told["taps"]) == 17 and 0 <= told["free"]["spread"] < 1
    assert main(["kernel", str(place)]) == 0
    _, no, free = capsys.readouterr().out.splitlines()
    assert no.startswith("blur: no Gaussian explains these pictures")
    assert re.search(r"across (3[5-9]|4[0-5])°; uncertain by \d+ % and by a half turn", free)


def test_one_picture_and_grey_ones_and_mixed_sizes(folder, capsys):
    pictures = blurred(scale_invariant(5, (391, 405)), anisotropic_gaussian(2, 2, 0), 1)
    assert main(["kernel", str(folder(pictures[:1], "one"))]) == 0
    assert capsys.readouterr().out.startswith("from 1 picture, ")
    assert main(["kernel", str(folder([images.grey(picture) for picture in pictures], "grey"))]) == 0
    assert re.search(r"σ₁ (2\.[01]|1\.9)\d ± ", capsys.readouterr().out)
    mixed = [pictures[0], pictures[1][..., :197, :200], pictures[2][..., :40, :50], torch.full((3, 200, 230), 0.5)]
    assert main(["kernel", str(folder(mixed, "mixed"))]) == 0
    assert "not used: 1 too small, 1 without detail" in capsys.readouterr().out


def test_what_shows_no_blur_is_one_line(folder, fails, tmp_path):
    rng = torch.Generator().manual_seed(0)
    assert "are flat" in fails("kernel", folder([torch.zeros(3, 90, 90), torch.ones(1, 80, 90)], "flat"))
    noise = [0.5 + 0.1 * torch.randn(1, 200, 200, generator=rng) for _ in range(2)]
    assert "nothing above their noise" in fails("kernel", folder(noise, "noise"))
    assert "at least 64 pixels a side, not 40" in fails("kernel", folder([torch.rand(3, 40, 50)], "small"))
    assert "no pictures in this folder" in fails("kernel", folder([], "empty"))
    assert "no such file or folder" in fails("kernel", tmp_path / "missing")


def test_a_broken_file_is_left_out_and_named(folder, capsys, fails):
    place = folder(blurred(scale_invariant(2, (211, 243)), anisotropic_gaussian(2, 2, 0)))
    (place / "broken.png").write_bytes(b"no picture")
    assert main(["kernel", str(place)]) == 2
    out, error = capsys.readouterr()
    assert out.startswith("from 2 pictures") and error.startswith("srlib: left out: ") and "broken.png" in error
    assert "broken.png" in fails("kernel", place / "broken.png")


def test_wrong_words_are_said_before_the_work(folder, fails, tmp_path):
    place = folder([torch.rand(3, 40, 50)])
    assert "--scale must be above 1" in fails("kernel", place, "--scale", "1")
    assert "--json" in fails("kernel", place, "--json", tmp_path / "nowhere" / "x.json")
    assert "cannot write .xyz" in fails("kernel", place, "--picture", tmp_path / "x.xyz")
