#!/usr/bin/python3
# Encoders exported as ONNX give the same embeddings: the file is checked by ONNX's own checker, computed
# from ONNX's description of the operators in double precision and, where it is there, by ONNX Runtime.
# Arguments: the programs reference-tool and simclr-export, and folders of npm packages in which
# onnxruntime-node may be (tests/benchmarks/compare fetches it). Exits with 77 (skipped) without ONNX's package.
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import numpy
    import onnx
    from onnx import numpy_helper
except ImportError as error:
    print(f"1..0 # SKIP {error}: install python3-onnx")
    sys.exit(77)

import tensorfile

TOOL, EXPORT, *FOLDERS = sys.argv[1:]
HERE = os.path.dirname(os.path.abspath(__file__))
TOLERANCE = 1e-4
PICTURES = 5
MEAN, DEVIATION = numpy.float32([0.485, 0.456, 0.406]), numpy.float32([0.229, 0.224, 0.225])
failures = 0


def check(name, a, b):
    global failures
    error = numpy.linalg.norm(a - b) / numpy.linalg.norm(b)
    fine = a.shape == b.shape and error < TOLERANCE
    failures += not fine
    print(f"{name}: normalised error {error:.2e}{'' if fine else '  FAILED'}", flush=True)


def runtime_environment():
    """The environment in which node finds ONNX Runtime, or None."""
    for folder in FOLDERS:
        if shutil.which("node") and os.path.isdir(os.path.join(folder, "onnxruntime-node")):
            return os.environ | {"NODE_PATH": folder}
    print("ONNX Runtime: not here (node, and onnxruntime-node as tests/benchmarks/compare fetches it)")
    return None


def windows(x, attributes, fill):
    """(n, c, height, width) to (n, c, height', width', kernel, kernel)"""
    pads, (stride, _) = attributes["pads"], attributes["strides"]
    x = numpy.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=fill)
    view = numpy.lib.stride_tricks.sliding_window_view(x, attributes["kernel_shape"], (2, 3))
    return view[:, :, ::stride, ::stride]


def convolve(attributes, x, weight, bias):
    y = numpy.tensordot(windows(x, attributes, 0), weight, ([1, 4, 5], [1, 2, 3]))
    return y.transpose(0, 3, 1, 2) + bias[:, None, None]


OPERATORS = {
    "Conv": convolve,
    "MaxPool": lambda a, x: windows(x, a, -numpy.inf).max((4, 5)),
    "Relu": lambda a, x: numpy.maximum(x, 0),
    "Add": lambda a, x, y: x + y,
    "Mul": lambda a, x, y: x * y,
    "Div": lambda a, x, y: x / y,
    "Max": lambda a, x, y: numpy.maximum(x, y),
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdims=True),
    "Flatten": lambda a, x: x.reshape(len(x), -1),
    "Gemm": lambda a, x, weight, bias: x @ weight.T + bias,  # transB
    "ReduceL2": lambda a, x: numpy.linalg.norm(x, axis=a["axes"][0], keepdims=True),
}


def compute(model, pictures):
    """The graph in double precision."""
    values = {tensor.name: numpy_helper.to_array(tensor).astype(float) for tensor in model.graph.initializer}
    values["input"] = pictures.astype(float)
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = OPERATORS[node.op_type](attributes, *(values[name] for name in node.input))
    return values["embedding"]


def compute_there(environment, folder, path, size, pictures, batch):
    raw, result = os.path.join(folder, "pictures"), os.path.join(folder, "embeddings")
    pictures.astype("<f4").tofile(raw)
    script = os.path.join(HERE, "run-onnx.js")
    subprocess.run(["node", script, path, str(size), str(batch), raw, result], check=True, env=environment)
    return numpy.fromfile(result, "<f4").reshape(len(pictures), -1)


def embed(folder, weights, output, pictures):
    """By the library itself, which takes normalised pictures (n, size, size, 3)."""
    raw, result = os.path.join(folder, "pictures"), os.path.join(folder, "embeddings")
    pictures.astype("<f4").tofile(raw)
    subprocess.run([TOOL, "embed", weights, output, raw, result], check=True)
    return numpy.fromfile(result, "<f4").reshape(len(pictures), -1)


def make_weights(folder, architecture, width, stem, size, normalization):
    """A checkpoint whose BatchNorm is that of a model in the middle of its training."""
    path = os.path.join(folder, "encoder.safetensors")
    subprocess.run([TOOL, "checkpoint", architecture, str(width), stem, str(size), path], check=True)
    tensors, metadata = tensorfile.read(path)
    random = numpy.random.default_rng(3)
    for name, tensor in tensors.items():
        if tensor.ndim != 1 or name.startswith("optimizer."):
            continue
        low, high = (-0.3, 0.3) if name.endswith(("bias", "running_mean")) else (0.5, 1.2)
        tensor[:] = random.uniform(low, high, tensor.shape)
    tensorfile.write(path, tensors, metadata | {"normalization": normalization})
    return path


def compare(folder, environment, architecture, width, stem, size, normalization="none", by_numpy=True):
    weights = make_weights(folder, architecture, width, stem, size, normalization)
    model_path = os.path.join(folder, "encoder.onnx")
    pictures = numpy.random.default_rng(5).random((PICTURES, size, size, 3), numpy.float32)
    planes = pictures.transpose(0, 3, 1, 2)
    taken = (pictures - MEAN) / DEVIATION if normalization == "imagenet" else pictures
    for output in ("representation", "projection"):
        name = f"{architecture}, width {width}, {stem} stem, {size}x{size}, normalization {normalization}, {output}"
        subprocess.run([EXPORT, f"--output={output}", weights, model_path], check=True, stdout=subprocess.DEVNULL)
        model = onnx.load(model_path)
        onnx.checker.check_model(model, full_check=True)
        ours = embed(folder, weights, output, taken)
        if by_numpy:
            check(f"{name}, NumPy", ours, compute(model, planes))
        for batch in (1, PICTURES) if environment else ():
            there = compute_there(environment, folder, model_path, size, planes, batch)
            check(f"{name}, ONNX Runtime, batch {batch}", ours, there)


def main():
    environment = runtime_environment()
    with tempfile.TemporaryDirectory() as folder:
        compare(folder, environment, "resnet18", 0.25, "cifar", 32)
        compare(folder, environment, "resnet18", 0.25, "imagenet", 65, "imagenet")
        compare(folder, environment, "resnet50", 0.125, "cifar", 32, "imagenet")
        compare(folder, environment, "resnet50", 0.125, "imagenet", 64)
        if environment:  # whole encoders, at a size that a runtime is needed for
            compare(folder, environment, "resnet18", 1, "imagenet", 224, "imagenet", by_numpy=False)
            compare(folder, environment, "resnet50", 1, "imagenet", 224, by_numpy=False)
            compare(folder, environment, "resnet18", 1, "cifar", 32, by_numpy=False)
            compare(folder, environment, "resnet50", 1, "cifar", 32, "imagenet", by_numpy=False)
    return 1 if failures else 0


if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    sys.exit(main())
