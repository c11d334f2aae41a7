"""What the tests of the commands need: a picture, a call that must fail, and a folder of shipped networks."""

import pytest
import torch

from srlib import checkpoints, images
from srlib.cli import main


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "in.png"
    images.write(path, torch.rand(3, 13, 22, generator=torch.Generator().manual_seed(0)))
    return path


@pytest.fixture
def fails(capsys):
    """Run, expect status 2 and one line on stderr; the line."""

    def run(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code
        out, error = capsys.readouterr()
        assert status == 2 and out == "" and error.count("\n") == 1 and error.startswith("srlib"), (status, out, error)
        return error

    return run


@pytest.fixture
def trained(tmp_path):
    """Write a network with random weights and its card; the file."""

    def write(model, scale, place=tmp_path, **card):
        torch.manual_seed(scale)
        path = place / f"{model}_x{''.join(map(str, card.get('scales', [scale])))}.safetensors"
        return checkpoints.save(checkpoints.build(model, scale), path, {"model": model, "scale": scale} | card)

    return write


@pytest.fixture
def shipped(tmp_path_factory, trained, monkeypatch):
    """A data folder that ships edsr_small for ×2 and ×4, espcn for ×3, and mdsr."""
    data = tmp_path_factory.mktemp("data")
    folder = data / "checkpoints"
    folder.mkdir()
    scores = {"4": {"Set5": {"psnr": 31.4159, "ssim": 0.88}}}
    trained("edsr_small", 4, folder, steps=40_000, seconds=5400, scores=scores)
    trained("edsr_small", 2, folder)
    trained("espcn", 3, folder, steps=60_000, seconds=1000, scores={})
    trained("mdsr", 4, folder, scales=[2, 3, 4], steps=15_000, seconds=7200, scores={})
    monkeypatch.setattr(checkpoints, "data_folder", lambda: data)
    return folder
