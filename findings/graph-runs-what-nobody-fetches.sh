#!/usr/bin/env bash
# ONNX Runtime: a session runs the whole graph, also where one output is fetched "only by its path"
# Of a segmentation graph with two outputs, scores and what softmax makes of them, the scores alone are asked for. The
# softmax is computed all the same: RunOptions.only_execute_path_to_fetches changes nothing, and a graph that no longer
# names the second output as one keeps its nodes, too. A map's confidences cost a third of a small network's time so.
# Remedy: cut the graph down to what its wanted outputs need before it is opened (onnx.utils.Extractor).
# Exits with 1 where the behaviour has changed. PYTHON=... chooses the interpreter.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2
cd "$work"
ORT_DISABLE_TELEMETRY=1 "$work/venv/bin/python" - <<'EOP'
import json

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

floats = TensorProto.FLOAT
image, scores, shares = (
    helper.make_tensor_value_info(name, floats, [1, channels, 32, 32])
    for name, channels in (("image", 3), ("scores", 5), ("shares", 5))
)
weight = onnx.numpy_helper.from_array(np.ones((5, 3, 1, 1), np.float32), "weight")
nodes = [
    helper.make_node("Conv", ["image", "weight"], ["scores"]),
    helper.make_node("Softmax", ["scores"], ["shares"], axis=1),
]


def model(outputs, used=nodes):
    graph = helper.make_graph(used, "map", [image], outputs, [weight])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString()


def kernels(content, by_path):
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    how = onnxruntime.RunOptions()
    how.only_execute_path_to_fetches = by_path
    session.run(["scores"], {"image": np.ones((1, 3, 32, 32), np.float32)}, how)
    with open(session.end_profiling()) as told:
        events = json.load(told)
    return sorted({e["args"]["op_name"] for e in events if e["name"].endswith("_kernel_time")} & {"Conv", "Softmax"})


print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}; fetched: scores")
seen = [
    kernels(model([scores, shares]), False),
    kernels(model([scores, shares]), True),
    kernels(model([scores]), False),
    kernels(model([scores], nodes[:1]), False),
]
told = ("two outputs", "two outputs, by its path", "one output named, both nodes there", "one output, its node alone")
for how, ran in zip(told, seen):
    print(f"{how}: ran {', '.join(ran)}")
if seen != [["Conv", "Softmax"]] * 3 + [["Conv"]]:
    raise SystemExit("changed: expected Conv, Softmax three times, then Conv")
EOP
