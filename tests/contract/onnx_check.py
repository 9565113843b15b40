#!/usr/bin/env python3
"""Runs the ONNX files of onnx_contract_test in ONNX Runtime and compares what they give with LibTorch's.

usage: onnx_check.py FOLDER    exit 77: the wheels onnx and onnxruntime are not installed
"""
import json
import sys
from pathlib import Path

try:
    import numpy
    import onnx
    import onnxruntime
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

RELATIVE = 1e-4  # of the largest logit


def problems_of(folder, case):
    path = folder / f"{case['name']}.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    kept = {weight.name for weight in model.graph.initializer}
    # Heads for training alone, auxor.* and *.representation.*, are no part of the graph.
    lost = [name for name in case["parameters"] if name not in kept and "auxor." not in name and "representation." not in name]
    if lost:
        yield f"{len(lost)} weights have lost their names: {lost[:3]}"
    opset, ir = model.opset_import[0].version, model.ir_version
    if (opset, ir) != (17, 8):
        yield f"operator set {opset} and IR {ir}, not 17 and 8"

    shape = (case["images"], case["height"], case["width"], 3)
    if case["floats"]:
        image = numpy.fromfile(folder / f"{case['name']}.input", numpy.float32).reshape(shape[0], 3, *shape[1:3])
    else:
        image = numpy.fromfile(folder / f"{case['name']}.input", numpy.uint8).reshape(shape)
    logits = numpy.fromfile(folder / f"{case['name']}.logits", numpy.float32)
    logits = logits.reshape(case["images"], case["classes"], case["height"], case["width"])
    labels = numpy.fromfile(folder / f"{case['name']}.labels", numpy.uint8).reshape(shape[:3])

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    batch = session.get_inputs()[0].shape[0]
    if (batch == "batch") != case["dynamic"]:
        yield f"the batch is {batch!r}"
    (got,) = session.run([case["output"]], {"image": image})
    best = numpy.sort(logits, axis=1)
    clear = best[:, -1] - best[:, -2] > 2 * RELATIVE * numpy.abs(logits).max()
    if case["output"] == "labels":
        wrong = int(((got != labels) & clear).sum())
        if got.dtype != numpy.uint8 or got.shape != labels.shape or wrong:
            yield f"labels of {got.dtype} {got.shape}, {wrong} of {labels.size} wrong"
        return
    error = float(numpy.abs(got - logits).max() / numpy.abs(logits).max())
    if got.shape != logits.shape or not error <= RELATIVE:
        yield f"logits {got.shape} instead of {logits.shape}, relative error {error:.2g}"
    wrong = int(((got.argmax(1) != logits.argmax(1)) & clear).sum())
    if wrong:
        yield f"another class in {wrong} pixels"
    print(f"{case['name']}: {len(model.graph.node)} nodes, relative error {error:.1e}")


def main(folder):
    problems = []
    for case in json.loads((folder / "cases.json").read_text()):
        problems += [f"{case['name']}: {problem}" for problem in problems_of(folder, case)]
    print("\n".join(problems + [f"{len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(Path(sys.argv[1])))
