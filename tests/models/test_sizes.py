"""How many parameters the published networks have, and who says so."""

import pytest
import torch

from srlib.models.edsr import edsr, edsr_baseline, edsr_small, mdsr
from srlib.models.esrgan import rrdb_small, rrdbnet
from srlib.models.fcn import espcn, fsrcnn, fsrcnn_s, srcnn, vdsr
from srlib.models.johnson import johnson, johnson_small
from srlib.models.srgan import srresnet

SCALES = (2, 3, 4)

# What each published network has, and who says so. "code": the authors' or the best-known implementation, counted;
# "sum": added up from the layers the paper lists, biases included. Frozen mean shifts are not counted.
COUNTS = [
    (srcnn, (57_281, 57_281, 57_281), "sum: 9-5-5; the paper's 57,184 are the weights alone"),
    (fsrcnn, (12_809, 12_809, 12_809), "sum: the paper's 12,464 weights, 173 biases, 172 slopes"),
    (fsrcnn_s, (4_086, 4_086, 4_086), "sum: the paper's 3,937 weights, 75 biases, 74 slopes"),
    (vdsr, (665_921, 665_921, 665_921), "sum: 664,704 weights and 1,217 biases"),
    (espcn, (21_284, 22_729, 24_752), "sum: 21,184, 22,624 and 24,640 weights"),
    (srresnet, (1_401_749, 1_586_389, 1_549_462), "code: ×2 and ×4; sum: ×3"),
    (edsr, (40_729_603, 43_680_003, 43_089_923), "code"),
    (edsr_baseline, (1_369_859, 1_554_499, 1_517_571), "code"),
    (edsr_small, (161_580, 165_915, 171_984), "sum: ours"),
    (mdsr, (3_227_203, 3_227_203, 3_227_203), "code: all scales in one"),
    (johnson, (393_475, 659_715, 459_203), "sum: with kernels of 4 and 9 where the paper has 3"),
    (johnson_small, (106_627, 173_187, 123_107), "sum: ours"),
    (rrdbnet, (16_703_171, 16_661_059, 16_697_987), "code: ×2, folded, and ×4; sum: ×3"),
    (rrdb_small, (569_507, 569_507, 578_755), "sum: ours"),
]


@pytest.mark.parametrize("make, counts, source", COUNTS, ids=lambda value: getattr(value, "__name__", ""))
def test_number_of_parameters(make, counts, source):
    with torch.device("meta"):  # no memory behind the numbers
        found = tuple(sum(p.numel() for p in make(scale).parameters()) for scale in SCALES)
    assert found == counts, source
    for count in counts:
        assert f"{count:,}" in make.__doc__
