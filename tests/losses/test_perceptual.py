"""perceptual: formulas against others written differently; gradients reach the picture alone; what to run is told."""

import pytest
import torch
import torch.nn.functional as F

from srlib.checkpoints import read_card
from srlib.data import datasets
from srlib.data.pretrained import WeightsError
from srlib.degradations import Blur, gaussian_kernel
from srlib.evaluation.lpips import LPIPS, LPIPS_LAYERS
from srlib.losses import perceptual
from srlib.losses.perceptual import (
    FeatureLoss,
    StyleLoss,
    distance,
    esrgan_content,
    freeze,
    gram,
    imagenet,
    random_features,
    srgan_content,
    srlib_content,
    srlib_features,
)
from srlib.losses.pixel import l1, mse
from srlib.models.features import STAGES, FeatureNet
from srlib.models.vgg import MEAN, STD, VGG
from srlib.resample import resize

WIDTHS = (4, 6, 8, 10, 12)


@pytest.fixture
def net():
    """VGG16's layers, narrow."""
    torch.manual_seed(0)
    return VGG(convolutions=(2, 2, 3, 3, 3), widths=WIDTHS)


@pytest.fixture
def deep():
    """VGG19's layers, narrow."""
    torch.manual_seed(0)
    return VGG(convolutions=(2, 2, 4, 4, 4), widths=WIDTHS)


@pytest.fixture
def pair():
    rng = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 19, 26, generator=rng), torch.rand(2, 3, 19, 26, generator=rng)


@pytest.fixture
def heads():
    rng = torch.Generator().manual_seed(3)
    return {f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1, generator=rng) for i, width in enumerate(WIDTHS)}


def test_the_feature_loss_is_the_formula(net, pair):
    sr, hr = pair
    loss = FeatureLoss(net, layers={"conv2_2": 1.0, "relu3_3": 0.5}, rescale=3.0)
    with torch.no_grad():
        a, b = (net(image, ["conv2_2", "relu3_3"]) for image in pair)
    before, after = (a[name] - b[name] for name in ("conv2_2", "relu3_3"))
    expected = 9 * ((before**2).sum() / before.numel() + 0.5 * (after**2).sum() / after.numel())
    torch.testing.assert_close(loss(sr, hr), expected)
    once = FeatureLoss(net, layers={"conv2_2": 1.0}, loss=l1)(sr, hr)
    torch.testing.assert_close(once, before.abs().sum() / before.numel())
    assert loss(hr, hr) == 0


@pytest.mark.parametrize("make", [lambda net: FeatureLoss(net, layers={"relu5_1": 1.0}), StyleLoss])
def test_gradients_reach_sr_alone(net, pair, make):
    sr, hr = (image.clone().requires_grad_() for image in pair)
    net.train()
    loss = make(net)
    loss(sr, hr).backward()
    assert sr.grad.abs().max() > 0 and sr.grad.isfinite().all() and hr.grad is None
    assert all(p.grad is None and not p.requires_grad for p in net.parameters()) and not net.training


def test_the_papers_losses(deep, pair):
    sr, hr = pair
    with torch.no_grad():
        a, b = (deep(image, ["relu2_2", "relu5_4", "conv5_4"]) for image in pair)
    torch.testing.assert_close(srgan_content(deep)(sr, hr), mse(a["relu5_4"], b["relu5_4"]) / 12.75**2)
    plain = srgan_content(deep, "relu2_2", rescale=1.0)
    torch.testing.assert_close(plain(sr, hr), mse(a["relu2_2"], b["relu2_2"]))
    torch.testing.assert_close(esrgan_content(deep)(sr, hr), l1(a["conv5_4"], b["conv5_4"]))
    assert 1 / 12.75**2 == pytest.approx(0.006, abs=2e-4)


def test_gram_by_hand():
    # two channels, two places: F Fᵀ = [[1 + 4, 3 + 8], [3 + 8, 9 + 16]], divided by 2 · 2
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    torch.testing.assert_close(gram(features), torch.tensor([[[1.25, 2.75], [2.75, 6.25]]]))


def test_gram_does_not_know_places(pair):
    shuffled = pair[0].flatten(2)[..., torch.randperm(19 * 26)].view_as(pair[0])
    torch.testing.assert_close(gram(shuffled), gram(pair[0]))


def test_the_style_loss_is_the_formula(net, pair):
    sr, hr = pair
    with torch.no_grad():
        a, b = (net(image, ["relu1_2", "relu2_2"]) for image in pair)
    expected = torch.zeros(2)
    for name in ("relu1_2", "relu2_2"):
        for n in range(2):
            each = [torch.einsum("chw,dhw->cd", x[name][n], x[name][n]) / x[name][n].numel() for x in (a, b)]
            expected[n] += torch.linalg.matrix_norm(each[0] - each[1]) ** 2
    torch.testing.assert_close(StyleLoss(net, layers=("relu1_2", "relu2_2"))(sr, hr), expected.mean())


def test_lpips_is_the_formula_place_by_place(net, heads, pair):
    a, b = (image[..., :16, :18] for image in pair)
    found = LPIPS(net, heads)(a, b)
    seen, wanted = (net(image, LPIPS_LAYERS) for image in (a, b))
    for n in range(2):
        total = 0.0
        for i, name in enumerate(LPIPS_LAYERS):
            x, y, weight = seen[name][n], wanted[name][n], heads[f"lin{i}.model.1.weight"].flatten()
            places = []
            for row in range(x.shape[1]):
                for column in range(x.shape[2]):
                    u, v = (F.normalize(z[:, row, column], dim=0, eps=1e-10) for z in (x, y))
                    places.append(float(torch.dot(weight, (u - v) ** 2)))
            total += sum(places) / len(places)
        assert found[n].item() == pytest.approx(total, rel=1e-4)


def test_lpips_with_heads_of_one_is_twice_one_less_the_cosine(net, pair):
    ones = {f"lin{i}.model.1.weight": torch.ones(1, width, 1, 1) for i, width in enumerate(WIDTHS)}
    layers = [name.replace("relu", "conv") for name in LPIPS_LAYERS]  # no place where all channels are off
    seen, wanted = (net(image, layers) for image in pair)
    expected = sum(2 - 2 * F.cosine_similarity(seen[name], wanted[name], dim=1).mean((1, 2)) for name in layers)
    torch.testing.assert_close(LPIPS(net, ones, layers)(*pair), expected, atol=1e-5, rtol=1e-4)


def test_the_papers_scaling_of_minus_one_to_one_is_the_normalisation_of_zero_to_one():
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    colours = torch.rand(5, 3)
    ours = (colours - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(ours, (2 * colours - 1 - shift) / scale, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("bad", [None, torch.rand(1, 9, 1, 1), -torch.ones(1, 8, 1, 1)])
def test_heads_that_do_not_fit(net, heads, bad):
    heads["lin2.model.1.weight"] = bad
    with pytest.raises(ValueError, match=r"head for relu3_3 must be 8 numbers \(1, C, 1, 1\), none negative"):
        LPIPS(net, {name: head for name, head in heads.items() if head is not None})


def test_distance_is_the_formula(pair):
    net = random_features(1)
    seen, wanted = (net(image, STAGES) for image in pair)
    each = []
    for name in STAGES:
        u, v = (
            x / torch.sqrt(torch.einsum("nchw,nchw->nhw", x, x) + 1e-4)[:, None] for x in (seen[name], wanted[name])
        )
        each.append(torch.einsum("nchw->n", (u - v) ** 2) / u[0, 0].numel())
    torch.testing.assert_close(distance(*pair, net), sum(each) / 5)


@pytest.mark.parametrize("net", [None, random_features(0)], ids=["trained", "random"])
def test_distance_is_one(net, pair):
    a, b = pair
    found = distance(a, b, net)
    assert found.shape == (2,) and (found > 0).all() and (found <= 2).all()
    assert torch.equal(found, distance(b, a, net))
    assert torch.equal(distance(a, a, net), torch.zeros(2))
    torch.testing.assert_close(found[1:], distance(a[1:], b[1:], net))  # each pair for itself
    grey, other = a[:, :1], b[:, :1]
    expected = distance(grey.expand(-1, 3, -1, -1), other.expand(-1, 3, -1, -1), net)
    torch.testing.assert_close(distance(grey, other, net), expected)


def test_more_blur_is_further_away():
    hr = datasets.photo("coffee")[..., 100:164, 200:290]
    blurred = [Blur(gaussian_kernel(sigma))(hr) for sigma in (0.6, 1.0, 1.6, 2.4)]
    found = torch.cat([distance(image, hr) for image in blurred])
    assert (found.diff() > 0).all()


def test_gradients_are_finite_where_nothing_is_active():
    net = random_features(0)
    with torch.no_grad():
        silent = FeatureNet()
        silent.load_state_dict(net.state_dict())
        for layer in silent.features:
            if isinstance(layer, torch.nn.Conv2d):
                layer.bias.fill_(-9)
    a = torch.rand(1, 3, 16, 16, requires_grad=True)
    distance(a, torch.rand(1, 3, 16, 16), silent).sum().backward()
    assert a.grad.isfinite().all()


def test_the_shipped_network_is_frozen_and_read_once():
    net = srlib_features()
    assert net is srlib_features() and not net.training
    assert not any(p.requires_grad for p in net.parameters())
    assert all(value.isfinite().all() for value in net.state_dict().values())
    assert FeatureLoss(layers={"conv3_2": 1.0}).net is net and perceptual.NAME == "srlib features v1"


def test_the_shipped_card_says_what_it_is():
    path = datasets.data_file("checkpoints/features.safetensors")
    card = read_card(path)
    assert card["model"] == "features_v1" and path.stat().st_size <= 1e6 and card["parameters"] == 321_232
    assert {"recipe", "data", "steps", "seconds", "device", "commit", "torch", "protocol", "scores"} <= card.keys()
    assert card["scores"]["kind"] > 2 / 6  # twice as often right as by chance


def test_random_features_follow_their_seed_and_leave_the_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, again, other = random_features(1), random_features(1), random_features(2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one.features[0].weight, again.features[0].weight)
    assert not torch.equal(one.features[0].weight, other.features[0].weight)


@pytest.mark.parametrize("make", [imagenet, srgan_content, esrgan_content, StyleLoss, LPIPS])
def test_without_a_file_one_line_says_what_to_run(make, monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.pooch, "os_cache", lambda name: tmp_path)
    monkeypatch.delenv("SRLIB_DATA", raising=False)
    with pytest.raises(WeightsError, match=r"^the weights of vgg1\d are not in .*: srlib fetch vgg1\d$"):
        make()


def test_imagenet_weights_by_file(monkeypatch, net, pair):
    state = net.state_dict() | {"classifier.6.weight": torch.zeros(10, 4)}
    asked = []
    monkeypatch.setattr(perceptual, "vgg16", lambda: VGG(convolutions=(2, 2, 3, 3, 3), widths=WIDTHS))
    monkeypatch.setattr(perceptual.pretrained, "read", lambda *told: asked.append(told) or state)
    loaded = imagenet("vgg16", "somewhere.pth")
    assert asked == [("vgg16", "somewhere.pth")] and not loaded.training
    layer = ["relu5_3"]
    assert torch.equal(loaded(pair[0], layer)["relu5_3"], freeze(net)(pair[0], layer)["relu5_3"])


def test_errors(net, pair):
    with pytest.raises(ValueError, match="no ImageNet weights for 'alexnet'; there are vgg16, vgg19"):
        imagenet("alexnet")
    with pytest.raises(ValueError, match="no layer relu9_9; there are conv1_1"):
        FeatureLoss(net, layers={"relu9_9": 1.0})
    with pytest.raises(ValueError, match="no layer given"):
        FeatureLoss(net, layers={})
    with pytest.raises(ValueError, match=r"\(2, 1, 19, 26\) and \(2, 3, 19, 26\)"):
        distance(pair[0][:, :1], pair[1], random_features(0))
    with pytest.raises(ValueError, match="at least 16 x 16"):
        distance(*(image[..., :11] for image in pair), random_features(0))
    with pytest.raises(TypeError, match="uint8"):
        distance(pair[0].byte(), pair[1].byte(), random_features(0))


def test_our_content_weighs_its_depths_about_equally():
    hr = datasets.photo("coffee")[..., 100:196, 200:296]
    sr = resize(resize(hr, 1 / 4), 4).clamp(0, 1)
    loss = srlib_content()
    assert loss(hr, hr) == 0
    parts = [FeatureLoss(layers={name: weight}, loss=l1)(sr, hr).item() for name, weight in loss.layers.items()]
    assert loss(sr, hr).item() == pytest.approx(sum(parts), rel=1e-4)
    assert max(parts) < 3 * min(parts)
