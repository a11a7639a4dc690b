#!/usr/bin/python3
# Writes an encoder of noise as ONNX, for compare-onnxruntime.js: architecture, size, file.
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import sys

try:
    import torch
    import torchvision  # noqa: F401, the model below needs it
except ImportError as error:
    sys.exit(f"{error}: install python3-torch and python3-torchvision")

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
from simclr_torch import Encoder  # noqa: E402

architecture, size, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
torch.manual_seed(1)
encoder = Encoder(architecture, 1, "cifar" if size <= 32 else "imagenet").eval()
torch.onnx.export(
    encoder,
    torch.rand(1, 3, size, size),
    path + ".part",
    input_names=["pictures"],
    output_names=["embeddings"],
    dynamic_axes={"pictures": {0: "n"}, "embeddings": {0: "n"}},
    opset_version=13,
)
os.rename(path + ".part", path)
