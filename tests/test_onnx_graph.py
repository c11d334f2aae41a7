"""onnx_graph: what is folded is right, what has an effect stays, what is taken out leaves the result and its name."""

import numpy as np
import pytest
import torch

from srlib.onnx_export import onnx_runner
from srlib.onnx_graph import halve, simplify

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def made(nodes, shapes=(), **constants):
    """A model x (1, 2, h, w) -> y with these nodes, the shapes in between that an exporter knows, and constants."""
    shape = [1, 2, "h", "w"]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, dict(shapes).get("y", shape))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
        value_info=[
            helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in dict(shapes).items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def simplified(model, *sizes):
    """Its operators after simplifying; the results stay as they were."""
    before = onnx_runner(model.SerializeToString())
    simplify(model)
    onnx.checker.check_model(model, full_check=True)
    after = onnx_runner(model.SerializeToString())
    for size in sizes or ((5, 7), (1, 2)):
        x = torch.rand(1, 2, *size)
        torch.testing.assert_close(after(x), before(x), atol=1e-6, rtol=1e-6)
    return [node.op_type for node in model.graph.node]


@pytest.fixture(autouse=True)
def named_as_here(monkeypatch):
    """`onnx_runner` asks for "sr" from "lr"; the graphs here have short names."""
    import onnxruntime

    plain = onnxruntime.InferenceSession

    class Session(plain):
        def run(self, names, feed):
            return super().run(None, {self.get_inputs()[0].name: next(iter(feed.values()))})

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)


def test_shapes_and_types_that_are_known_become_numbers():
    node = helper.make_node
    model = made(
        [
            node("Shape", ["weight"], ["s"], start=0, end=1),
            node("CastLike", ["half", "x"], ["c"]),
            node("Expand", ["c", "s"], ["bias"]),
            node("Conv", ["x", "weight", "bias"], ["y"]),
        ],
        weight=np.random.default_rng(0).random((2, 2, 1, 1), dtype=np.float32),
        half=np.float32(0.5),
    )
    assert simplified(model) == ["Conv"] and model.ir_version == 8
    assert {tensor.name for tensor in model.graph.initializer} == {"weight", "bias"}


def test_nodes_without_effect_go_and_the_result_keeps_its_name():
    node = helper.make_node
    zero = np.zeros(8, np.int64)
    model = made(
        [
            node("Reshape", ["x", "same"], ["a"]),
            node("Relu", ["a"], ["b"]),
            node("Pad", ["b", "zero"], ["c"]),
            node("Identity", ["c"], ["y"]),
        ],
        [(name, [1, 2, "h", "w"]) for name in "abc"],
        same=np.array([0, 0, 0, 0]),
        zero=zero,
    )
    assert simplified(model) == ["Relu"] and list(model.graph.node[0].output) == ["y"]


@pytest.mark.parametrize(
    "node, constants",
    [
        (("Slice", ["x", "start", "end", "axis", "step"]), {"start": [-1], "end": [-99], "axis": [2], "step": [-1]}),
        (("Pad", ["x", "pads"]), {"pads": [0, 0, 1, 0, 0, 0, -1, 0]}),
        (("Reshape", ["x", "shape"]), {"shape": [1, 2, -1, 7]}),
    ],
)
def test_nodes_that_move_pixels_stay(node, constants):
    """The shape stays as it was, and the pixels turn round or shift; or the shape is told by other words."""
    words = [1, 2, "h", "w"] if node[0] != "Reshape" else [1, 2, "n", 7]
    model = made([helper.make_node(*node, ["y"])], [("y", words)], **{k: np.array(v) for k, v in constants.items()})
    assert simplified(model, (5, 7)) == [node[0]]


def test_results_too_large_to_keep_are_left_to_the_runtime():
    node = helper.make_node
    model = made(
        [
            node("Expand", ["one", "shape"], ["many"]),
            node("ReduceSum", ["many"], ["sum"]),
            node("Add", ["x", "sum"], ["y"]),
        ],
        one=np.float32(1),
        shape=np.array([64, 64]),
    )
    assert "Expand" in simplified(model)


@pytest.mark.parametrize("seen", [False, True])
def test_batch_norm_goes_into_a_transposed_convolution_that_nobody_else_sees(seen):
    rng = np.random.default_rng(0)
    node = helper.make_node
    last = node("Add", ["n", "c" if seen else "n"], ["y"])
    model = made(
        [
            node("ConvTranspose", ["x", "weight", "bias"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
            node("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"], epsilon=1e-3),
            last,
        ],
        [("y", [1, 2, "p", "q"])],
        weight=rng.random((2, 2, 4, 4), dtype=np.float32),
        **{name: 0.1 + rng.random(2, dtype=np.float32) for name in ("bias", "g", "b", "m", "v")},
    )
    expected = ["ConvTranspose", "BatchNormalization", "Add"] if seen else ["Mul", "ConvTranspose", "Add"]
    assert simplified(model) == expected


def test_halving_leaves_what_is_small_and_what_does_not_fit():
    model = made(
        [helper.make_node("Conv", ["x", "weight"], ["a"]), helper.make_node("Conv", ["a", "odd"], ["b"]),
         helper.make_node("Add", ["b", "one"], ["y"])],
        weight=np.full((64, 2, 1, 1), 0.5, np.float32), odd=np.full((2, 64, 1, 1), 1 / 3, np.float32),
        one=np.float32(0.5),
    )  # fmt: skip
    halve(model)
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert types == {"weight.half": TensorProto.FLOAT16, "odd": TensorProto.FLOAT, "one": TensorProto.FLOAT}


def test_two_values_of_one_name_are_refused():
    """As torch's exporter makes them for a buffer `mean` beside a call of `mean`."""
    nodes = [helper.make_node("ReduceMean", ["x"], ["mean"]), helper.make_node("Add", ["x", "mean"], ["y"])]
    with pytest.raises(ValueError, match="'mean'; rename"):
        simplify(made(nodes, mean=np.float32(0.5)))
