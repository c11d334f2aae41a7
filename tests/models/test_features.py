"""FeatureNet and its heads: the size, what the answers depend on, losses by hand."""

import math

import pytest
import torch

from srlib.models.features import STAGES, Answers, FeatureNet, Pretext, pretext_losses


def test_size_and_layers():
    net = FeatureNet()
    count = sum(p.numel() for p in net.parameters())
    assert count == 321_232 and "321,232" in FeatureNet.__doc__
    found = net(torch.rand(1, 3, 33, 50), STAGES)
    expected = [(16, 33, 50), (32, 16, 25), (64, 8, 12), (96, 4, 6), (128, 2, 3)]
    assert [tuple(x.shape[1:]) for x in found.values()] == expected


def test_grey_in_the_middle_is_zero_inside():
    net, seen = FeatureNet(), []
    net.features[0].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    net(torch.tensor([0.45, 0.70]).view(2, 1, 1, 1).expand(2, 3, 4, 5), ["conv1_1"])
    torch.testing.assert_close(seen[0][0], torch.zeros(3, 4, 5), atol=1e-6, rtol=0)
    torch.testing.assert_close(seen[0][1], torch.ones(3, 4, 5))


def test_the_heads_answer_every_question_and_train_every_weight():
    torch.manual_seed(0)
    net = Pretext(net=FeatureNet(), rotations=4, downscales=3, types=6)
    answers = net(torch.rand(2, 3, 35, 24))
    assert [tuple(part.shape) for part in answers] == [(2, 4), (2, 3), (2, 6), (2,)]
    labels = torch.tensor([[1, 2, 0, 0.0], [3, 0, 5, 0.7]])
    sum(pretext_losses(answers, labels).values()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_losses_by_hand():
    even = Answers(torch.zeros(2, 4), torch.zeros(2, 3), torch.zeros(2, 6), torch.tensor([0.9, 0.2]))
    losses = pretext_losses(even, torch.tensor([[1, 2, 0, 0.0], [3, 0, 5, 0.7]]))
    for name, classes in (("rotation", 4), ("downscale", 3), ("type", 6)):
        assert losses[name].item() == pytest.approx(math.log(classes))
    assert losses["strength"].item() == pytest.approx(0.25)  # the first is not damaged, its strength is not asked
    sure = even._replace(rotation=torch.tensor([[0.0, 99, 0, 0], [0, 0, 0, 99.0]]))
    assert pretext_losses(sure, torch.tensor([[1, 0, 0, 0.0], [3, 0, 0, 0.0]]))["rotation"] == 0
    assert pretext_losses(sure, torch.tensor([[1, 0, 0, 0.0], [3, 0, 0, 0.0]]))["strength"] == 0
