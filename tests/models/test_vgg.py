"""VGG: torchvision's names and order, published sizes, layers before and after the activation, any picture size."""

import pytest
import torch
import torch.nn.functional as F

from srlib.models.vgg import VGG, load_state, vgg16, vgg19

# Place of a layer in torchvision's `features`, as the literature uses it.
PLACES = {
    vgg16: {"conv1_1": 0, "relu1_2": 3, "pool1": 4, "conv2_2": 7, "relu2_2": 8, "relu3_3": 15, "relu5_3": 29},
    vgg19: {"relu2_2": 8, "pool2": 9, "conv3_4": 16, "relu4_4": 26, "conv5_4": 34, "relu5_4": 35, "pool5": 36},
}
WIDTHS = (4, 6, 8, 10, 12)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return VGG(convolutions=(2, 2, 3, 3, 3), widths=WIDTHS).eval()


@pytest.mark.parametrize("make, parameters", [(vgg16, 14_714_688), (vgg19, 20_024_384)])
def test_published_sizes_and_places(make, parameters):
    with torch.device("meta"):
        net = make()
    assert sum(p.numel() for p in net.parameters()) == parameters and f"{parameters:,}" in make.__doc__
    assert {name: net.layers.index(name) for name in PLACES[make]} == PLACES[make]
    assert len(net.features) == len(net.layers) == {vgg16: 31, vgg19: 37}[make]


def test_names_and_shapes_of_the_state_are_those_of_torchvision():
    with torch.device("meta"):
        state = vgg19().state_dict()
    places = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    assert set(state) == {f"features.{place}.{kind}" for place in places for kind in ("weight", "bias")}
    assert state["features.0.weight"].shape == (64, 3, 3, 3)
    assert state["features.10.weight"].shape == (256, 128, 3, 3)
    assert state["features.34.bias"].shape == (512,)


def test_layers_are_what_the_plain_formula_gives(net):
    image = torch.rand(2, 3, 17, 21)
    found = net(image, ("relu1_1", "conv2_1", "pool1", "relu1_2"))
    assert list(found) == ["relu1_1", "conv2_1", "pool1", "relu1_2"]  # as asked
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (image - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    first, second, third = (net.features[i] for i in (0, 2, 5))
    x = F.conv2d(x, first.weight, first.bias, padding=1).clamp(min=0)
    torch.testing.assert_close(found["relu1_1"], x)
    x = F.conv2d(x, second.weight, second.bias, padding=1).clamp(min=0)
    torch.testing.assert_close(found["relu1_2"], x)
    x = x[..., :16, :20].unflatten(-1, (10, 2)).unflatten(-3, (8, 2)).amax((-1, -3))
    torch.testing.assert_close(found["pool1"], x)
    torch.testing.assert_close(found["conv2_1"], F.conv2d(x, third.weight, third.bias, padding=1))


def test_what_is_before_an_activation_stays_before_it(net):
    found = net(torch.rand(1, 3, 17, 23), ("conv3_3", "relu3_3"))
    assert found["conv3_3"].min() < 0
    assert torch.equal(found["relu3_3"], found["conv3_3"].relu())


def test_nothing_behind_the_last_layer_is_computed(net):
    called = []
    for i, layer in enumerate(net.features):
        layer.register_forward_hook(lambda layer, inputs, output, i=i: called.append(i))
    net(torch.rand(1, 3, 4, 6), ["conv1_2", "relu2_1"])
    assert called == list(range(net.layers.index("relu2_1") + 1))


@pytest.mark.parametrize("size, layer, shape", [((17, 11), "relu4_1", (2, 1)), ((1, 1), "relu1_2", (1, 1))])
def test_odd_and_small_pictures(net, size, layer, shape):
    assert net(torch.rand(1, 3, *size), [layer])[layer].shape[-2:] == shape


def test_weights_with_a_classifier_fit_and_others_change_nothing(net):
    torch.manual_seed(1)
    other = VGG(convolutions=(2, 2, 3, 3, 3), widths=WIDTHS)
    state = other.state_dict() | {"classifier.0.weight": torch.zeros(7, 7)}
    assert load_state(net, state) is net
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    before = {name: value.clone() for name, value in net.state_dict().items()}
    zeros = {name: torch.zeros_like(value) for name, value in state.items()}
    for bad in (zeros | {"features.28.bias": torch.zeros(13)}, {k: v for k, v in zeros.items() if k[9:11] != "28"}):
        with pytest.raises(ValueError, match="not the weights of this network: features.28"):
            load_state(net, bad)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_errors(net):
    with pytest.raises(ValueError, match="no layer conv1_3, relu9; there are conv1_1, relu1_1"):
        net(torch.rand(1, 3, 8, 8), ["conv1_1", "conv1_3", "relu9"])
    with pytest.raises(ValueError, match="no layer given"):
        net(torch.rand(1, 3, 8, 8), [])
    with pytest.raises(ValueError, match=r"relu5_1 needs at least 16 x 16 pixels, got \(1, 3, 17, 11\)"):
        net(torch.rand(1, 3, 17, 11), ["conv1_1", "relu5_1"])
    with pytest.raises(ValueError, match=r"\(1, 1, 8, 8\)"):
        net(torch.rand(1, 1, 8, 8), ["conv1_1"])
    with pytest.raises(TypeError, match="uint8"):
        net(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), ["conv1_1"])
