"""Which checkpoint a name means at which scale; what is copied is tested with the checkpoints."""

from pathlib import Path

import pytest

from srlib import checkpoints
from srlib.checkpoints import CheckpointError
from srlib.training.warm_start import find_start


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_name_means_the_scale_that_is_trained(scale):
    assert find_start("edsr_small", scale).name == f"edsr_small_x{scale}.safetensors"
    assert find_start("mdsr", scale).name == "mdsr_x234.safetensors"


def test_a_file_name_means_itself_and_a_single_file_is_what_there_is():
    assert find_start("edsr_small_x2", 4).name == "edsr_small_x2.safetensors"
    assert find_start("srresnet", 2).name == "srresnet_x4.safetensors"
    assert find_start("own/espcn_x2.safetensors", 4) == Path("own/espcn_x2.safetensors")
    assert find_start(checkpoints.locate("espcn", 3)) == checkpoints.locate("espcn", 3)


def test_what_is_not_shipped_names_what_is():
    with pytest.raises(CheckpointError, match="edsr_small is not shipped for ×8; begin with one of edsr_small_x2, "):
        find_start("edsr_small", 8)
    with pytest.raises(CheckpointError, match="no trained network 'edsr_huge'; shipped: .*edsr_baseline, "):
        find_start("edsr_huge", 4)
    with pytest.raises(CheckpointError, match="only .safetensors is read"):
        find_start("weights.pth", 4)
