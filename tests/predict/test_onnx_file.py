"""An ONNX file is narrowed to what some of its outputs need, graphs inside nodes included."""

import numpy as np
import pytest

from hierars_geo.predict.onnx_file import narrowed

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture
def path(tmp_path):
    """Two outputs of one input; the first comes from a branch, which takes a weight from around it."""
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT

    def value(name):
        return helper.make_tensor_value_info(name, floats, [1, 3])

    weights = {
        name: np.full((1, 3), size, np.float32) for name, size in (("near", 2), ("far", 3), ("other", 5))
    }
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node("Add", ["seen", weight], [f"{name}_sum"])], name, [], [value(f"{name}_sum")]
        )
        for name, weight in (("then", "near"), ("else", "far"))
    }
    nodes = [
        helper.make_node("Relu", ["image"], ["seen"]),
        helper.make_node("ReduceSum", ["seen"], ["total"], keepdims=0),
        helper.make_node("Cast", ["total"], ["bright"], to=onnx.TensorProto.BOOL),
        helper.make_node("Mul", ["seen", "other"], ["product"]),
        helper.make_node("If", ["bright"], ["chosen"], **branches),
        helper.make_node("Softmax", ["product"], ["share"]),
    ]
    graph = helper.make_graph(
        nodes,
        "both",
        [value("image")],
        [value("chosen"), value("share")],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
        value_info=[value("seen"), value("product")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path = tmp_path / "both.onnx"
    onnx.save(model, path)
    return path


def run(path, image, outputs):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(outputs, {"image": image})


@pytest.mark.parametrize(
    ("output", "operators", "weights"),
    [
        ("chosen", ["Relu", "ReduceSum", "Cast", "If"], {"near", "far"}),
        ("share", ["Relu", "Mul", "Softmax"], {"other"}),
    ],
)
def test_only_what_an_output_needs_is_left(path, output, operators, weights):
    with narrowed(path, [output]) as narrow:
        model = onnx.load(narrow)
        onnx.checker.check_model(model, full_check=True)
        assert [node.op_type for node in model.graph.node] == operators
        assert {tensor.name for tensor in model.graph.initializer} == weights
        assert [value.name for value in model.graph.output] == [output]
        for image in (np.zeros((1, 3), np.float32), np.array([[1, -2, 4]], np.float32)):
            np.testing.assert_array_equal(*run(narrow, image, [output]), run(path, image, [output])[0])
    assert not narrow.exists()


def test_a_file_of_which_all_is_wanted_stays_what_it_is(path):
    with narrowed(path, ["share", "chosen"]) as narrow:
        assert narrow == path
