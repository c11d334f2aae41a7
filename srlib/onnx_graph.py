"""Graphs of ONNX made plain: what is known before a picture comes is computed, what does nothing is taken out."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

_SMALL = 64  # numbers that are too few to be worth a Cast
_LARGEST = 1024  # numbers that folding may make; weights stay as they are
_IR = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}  # the lowest IR version of an opset (onnx, docs/Versioning.md)
_SAME_SIZE = ("Reshape", "Expand", "Identity", "Slice", "Pad")  # do nothing where the shape stays as it was

Shape = tuple[int | str, ...]


def simplify(model: "onnx.ModelProto") -> None:
    """Fold constants, take out nodes without effect, and ask for the lowest IR version that the opset needs.

    torch's exporter computes shapes, sizes of padding and scales inside the graph, where they could be numbers. Many
    runtimes, OpenCV's among them, only read the numbers.

    Raises: ValueError for a graph in which a stored tensor and the result of a node have one name.
    """
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    if twice := sorted(stored & {name for node in graph.node for name in node.output}):
        # torch names a result after its function, and a tensor after its attribute
        raise ValueError(f"two values of the exported graph are called {twice[0]!r}; rename the network's buffer")
    model.ir_version = _IR.get(model.opset_import[0].version, model.ir_version)
    shapes = dict(_shapes(graph))
    constants = {tensor.name: tensor for tensor in graph.initializer}
    replaced, kept = {}, []
    for node in graph.node:
        for k, name in enumerate(node.input):
            node.input[k] = replaced.get(name, name)
        if _is_idle(node, shapes, constants):
            replaced[node.output[0]] = node.input[0]
        elif (values := _folded(node, constants)) is not None:
            constants |= {tensor.name: tensor for tensor in values}
        else:
            kept.append(node)
    _rename_results(graph, kept, replaced)
    kept = _merged(kept, constants)
    kept = _needed(kept, {value.name for value in graph.output})
    used = {name for node in kept for name in node.input}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(tensor for name, tensor in constants.items() if name in used)


def _shapes(graph: "onnx.GraphProto") -> Iterator[tuple[str, Shape]]:
    """The shapes that the exporter knows: numbers, and words such as h for what only a picture tells."""
    for value in (*graph.value_info, *graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        yield value.name, tuple(dim.dim_param or dim.dim_value for dim in dims)


def _is_idle(node: "onnx.NodeProto", shapes: dict[str, Shape], constants: dict) -> bool:
    """Whether a node gives back what it is given."""
    if node.op_type == "CastLike":  # of a number to the type of a picture; all are 32-bit floats
        return node.input[0] in constants and constants[node.input[0]].data_type == 1
    if node.op_type not in _SAME_SIZE or node.input[0] in constants:
        return False
    before, after = shapes.get(node.input[0]), shapes.get(node.output[0])
    if node.op_type == "Identity" or before is None or before != after:
        return node.op_type == "Identity"
    if node.op_type == "Slice":  # which may also turn round
        return (
            len(node.input) == 5 and node.input[4] in constants and bool((_array(constants, node.input[4]) == 1).all())
        )
    if node.op_type == "Pad":  # ... and this may also shift
        return node.input[1] in constants and not _array(constants, node.input[1]).any()
    return True


def _array(constants: dict[str, "onnx.TensorProto"], name: str) -> np.ndarray:
    from onnx import numpy_helper

    return numpy_helper.to_array(constants[name])


def _folded(node: "onnx.NodeProto", constants: dict[str, "onnx.TensorProto"]) -> list["onnx.TensorProto"] | None:
    """What a node computes, where it needs no picture for it and the result is small."""
    from onnx import helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    inputs = [name for name in node.input if name]
    if any(name not in constants for name in inputs) or any(attribute.g.node for attribute in node.attribute):
        return None
    given = {name: numpy_helper.to_array(constants[name]) for name in inputs}
    if node.op_type != "Shape" and sum(value.size for value in given.values()) > _LARGEST:
        return None
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(name, constants[name].data_type, value.shape) for name, value in given.items()],
        [helper.make_empty_tensor_value_info(name) for name in node.output],
    )
    values = ReferenceEvaluator(helper.make_model(graph)).run(None, given)
    if sum(value.size for value in values) > _LARGEST:
        return None
    pairs = zip(values, node.output, strict=True)
    return [numpy_helper.from_array(np.asarray(value), name) for value, name in pairs]


def _merged(nodes: list["onnx.NodeProto"], constants: dict[str, "onnx.TensorProto"]) -> list["onnx.NodeProto"]:
    """Batch norm after a transposed convolution, as a factor on its weights and a new bias.

    Every runtime does this on loading. OpenCV 4 does it again whenever the size of the picture changes, on weights that
    have the factor already, and so is wrong from the second size on.
    """
    from onnx import helper, numpy_helper

    makers = {node.output[0]: node for node in nodes if node.op_type == "ConvTranspose" and len(node.input) == 3}
    users = [name for node in nodes for name in node.input]
    kept = []
    for node in nodes:
        conv = makers.get(node.input[0]) if node.op_type == "BatchNormalization" and node.input else None
        if conv is None or users.count(conv.output[0]) > 1:
            kept.append(node)
            continue
        epsilon = next((each.f for each in node.attribute if each.name == "epsilon"), 1e-5)
        weight, bias, mean, variance = (numpy_helper.to_array(constants[name]) for name in node.input[1:])
        factor = weight / np.sqrt(variance + np.float32(epsilon))
        new = (numpy_helper.to_array(constants[conv.input[2]]) - mean) * factor + bias
        name = conv.input[1]
        for suffix, values in (("factor", factor.reshape(1, -1, 1, 1)), ("bias", new)):
            constants[f"{name}.{suffix}"] = numpy_helper.from_array(values.astype("float32"), f"{name}.{suffix}")
        place = next(k for k, each in enumerate(kept) if each is conv)
        kept.insert(place, helper.make_node("Mul", [name, f"{name}.factor"], [f"{name}.normed"], f"factor.{name}"))
        conv.input[1], conv.input[2], conv.output[0] = f"{name}.normed", f"{name}.bias", node.output[0]
    return kept


def _rename_results(graph: "onnx.GraphProto", nodes: list["onnx.NodeProto"], replaced: dict[str, str]) -> None:
    """Where the last node was idle, the one before it makes the result of the graph, under its name."""
    for value in graph.output:
        if (source := replaced.get(value.name)) is None:
            continue
        for node in nodes:
            for names in (node.input, node.output):
                for k, name in enumerate(names):
                    names[k] = value.name if name == source else name


def _needed(nodes: list["onnx.NodeProto"], wanted: set[str]) -> list["onnx.NodeProto"]:
    """The nodes on whose results the outputs depend, in their order."""
    kept = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    return kept[::-1]


def strip(model: "onnx.ModelProto") -> None:
    """Take out what the exporter tells about itself: lines of source, paths of this machine, sizes in between."""
    graph = model.graph
    del graph.value_info[:]
    for entry in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        entry.doc_string = ""
        del entry.metadata_props[:]


def halve(model: "onnx.ModelProto") -> None:
    """Keep numbers that fit 16 bits in 16 bits, and cast them in the graph; a runtime does it once, on loading."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _SMALL:
            continue
        short = values.astype("float16")
        if (short.astype("float32") == values).all():
            name = f"{tensor.name}.half"
            casts.append(helper.make_node("Cast", [name], [tensor.name], f"cast.{tensor.name}", to=TensorProto.FLOAT))
            tensor.CopyFrom(numpy_helper.from_array(short, name))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
