#!/usr/bin/python3
# Makes corpus/safetensors and corpus/classifier: small files that must load (y_) and that must not (n_).
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import struct

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def file(header, data=b"", length=None):
    if not isinstance(header, (bytes, str)):
        header = json.dumps(header)
    if isinstance(header, str):
        header = header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def resnet18(width=1, rename=str, **metadata):
    """All tensors of a narrow ResNet-18, so that a mutation can reach the weights reader. With metadata it is
    fine-tuned on two labels, from the head's layer."""
    shapes = {"conv1.weight": [width, 3, 3, 3]}

    def norm(name, channels):
        for field in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{field}"] = [channels]

    norm("bn1", width)
    channels = width
    for layer in range(1, 5):
        out = width * 2 ** (layer - 1)
        for block in range(2):
            prefix = f"layer{layer}.{block}"
            shapes[f"{prefix}.conv1.weight"] = [out, channels, 3, 3]
            norm(f"{prefix}.bn1", out)
            shapes[f"{prefix}.conv2.weight"] = [out, out, 3, 3]
            norm(f"{prefix}.bn2", out)
            if block == 0 and layer > 1:
                shapes[f"{prefix}.downsample.0.weight"] = [out, channels, 1, 1]
                norm(f"{prefix}.downsample.1", out)
            channels = out
    shapes["projection_head.layers.0.weight"] = [2, channels]
    shapes["projection_head.layers.1.weight"] = [2]
    shapes["projection_head.layers.1.running_mean"] = [2]
    shapes["projection_head.layers.1.running_var"] = [2]
    if metadata:
        shapes["fc.weight"] = [2, 8 if metadata.get("head_layer") == "0" else 2]
        shapes["fc.bias"] = [2]
    header, offset = {"__metadata__": {"format": "simclr", "version": "1", "step": "7", **metadata}}, 0
    for name, shape in shapes.items():
        size = 4
        for dimension in shape:
            size *= dimension
        header[rename(name)] = tensor("F32", shape, offset, offset + size)
        offset += size
    return file(json.dumps(header, separators=(",", ":")), bytes(offset))


def as_lightly(name):
    modules = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    module, rest = name.split(".", 1)
    return f"backbone.{modules[module]}.{rest}" if module in modules else name


def as_supcontrast(name):
    return "encoder.module." + name.replace("downsample", "shortcut")


ONE = {"x": tensor("F32", [1], 0, 4)}
FILES = {
    "y_empty": file("{}"),
    "y_spaces": file("{}      "),
    "y_metadata": file({"__metadata__": {"k": "v", "\u00e9\"\\": "\n\U0001f600"}}),
    "y_scalar": file({"x": tensor("I64", [], 0, 8)}, bytes(8)),
    "y_zero_elements": file({"x": tensor("F32", [0], 0, 0), **{"y": tensor("U8", [1], 0, 1)}}, b"1"),
    "y_types": file(
        {
            "a": tensor("F64", [2], 0, 16),
            "b": tensor("F32", [3, 1], 16, 28),
            "c": tensor("F16", [2], 28, 32),
            "d": tensor("BF16", [2], 32, 36),
            "e": tensor("BOOL", [4], 36, 40),
            "f": tensor("F4", [4], 40, 42),
        },
        bytes(range(42)),
    ),
    "y_resnet18": resnet18(),
    "y_resnet18_lightly": resnet18(rename=as_lightly),
    "y_resnet18_supcontrast": resnet18(rename=as_supcontrast),
    "n_nothing": b"",
    "n_short": bytes(7),
    "n_long_header": file("{}", length=3),
    "n_huge_header": file("{}", length=2**63 - 1),
    "n_all_ones": b"\xff" * 16,
    "n_not_json": file("hello"),
    "n_zip": b"PK\x03\x04" + bytes(60),
    "n_array": file("[]"),
    "n_leading_space": file(" {}"),
    "n_two_objects": file("{}{}"),
    "n_nested": file('{"x":' + "[" * 2000),
    "n_nested_objects": file('{"x":' * 500),
    "n_comment": file('{/*"*/}'),
    "n_cut": file({"x": tensor("F32", [2], 0, 8)}, bytes(7)),
    "n_surplus": file(ONE, bytes(5)),
    "n_hole": file({**ONE, "y": tensor("F32", [1], 8, 12)}, bytes(12)),
    "n_overlap": file({"x": tensor("F32", [2], 0, 8), "y": tensor("F32", [1], 4, 8)}, bytes(8)),
    "n_backwards": file({"x": tensor("F32", [1], 4, 0)}, bytes(4)),
    "n_overflow": file({"x": tensor("F32", [2**62 + 1], 0, 4)}, bytes(4)),
    "n_overflow_zero": file({"x": tensor("F32", [2**32, 2**32], 0, 0)}),
    "n_offsets_wrap": file({"x": tensor("U8", [4], 2**64 - 4, 2**64)}, bytes(4)),
    "n_negative": file({"x": tensor("F32", [-1], 0, 4)}, bytes(4)),
    "n_fraction": file({"x": tensor("F32", [1.5], 0, 6)}, bytes(6)),
    "n_size": file({"x": tensor("F16", [1], 0, 4)}, bytes(4)),
    "n_dtype": file({"x": tensor("F33", [1], 0, 4)}, bytes(4)),
    "n_nine_dims": file({"x": tensor("F32", [1] * 9, 0, 4)}, bytes(4)),
    "n_twice": file('{"x":%s,"x":%s}' % ((json.dumps(ONE["x"]),) * 2), bytes(4)),
    "n_twice_escaped": file('{"x":%s,"\\u0078":%s}' % ((json.dumps(ONE["x"]),) * 2), bytes(4)),
    "n_field_twice": file('{"x":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"1"),
    "n_field_missing": file({"x": {"dtype": "U8", "shape": [1]}}, b"1"),
    "n_field_unknown": file({"x": {**ONE["x"], "more": 1}}, bytes(4)),
    "n_metadata_number": file({"__metadata__": {"k": 1}}),
    "n_metadata_null": file({"__metadata__": None}),
    "n_metadata_twice": file('{"__metadata__":{},"__metadata__":{}}'),
    "n_surrogate": file('{"__metadata__":{"k":"\\ud800"}}'),
    "n_nul": file('{"__metadata__":{"k":"\\u0000"}}'),
    "n_utf8": file(b'{"__metadata__":{"k":"\xff"}}'),
    "n_control": file(b'{"__metadata__":{"k":"\n"}}'),
    "n_unterminated": file('{"__metadata__":{"k":"v'),
    "n_long_name": file({"x" * 3000: ONE["x"]}, bytes(4)),
}



def classifier(labels='["a", "\u732b [{"]', method="knn", classes=(0, 1, 1), value=1.0, linear=True, reach=None):
    """Three examples of two floats."""
    floats = {"examples": [value, 2, 3, 4, 5, 6], "classes": list(classes)}
    shapes = {"examples": [3, 2], "classes": [len(classes)]}
    if linear:
        floats.update(weight=[1, 2, 3, 4], bias=[1, -1])
        shapes.update(weight=[2, 2], bias=[2])
    if reach is not None:
        floats.update(reach=reach)
        shapes.update(reach=[len(reach)])
    metadata = {"format": "simclr-classifier", "version": "1", "method": method, "labels": labels,
                "novelty_distance": "0.1"}  # fmt: skip
    header, data = {"__metadata__": metadata}, b""
    for name, values in floats.items():
        begin = len(data)
        data += struct.pack(f"<{len(values)}f", *values)
        header[name] = tensor("F32", shapes[name], begin, len(data))
    return file(header, data)


CLASSIFIERS = {
    "y_neighbours": classifier(linear=False),
    "y_linear": classifier(method="linear"),
    "y_prototypes": classifier(method="prototype"),
    "y_reach": classifier(linear=False, reach=[0.1, 0.2]),
    "n_reach": classifier(linear=False, reach=[0.1, float("nan")]),
    "n_reach_short": classifier(linear=False, reach=[0.1]),
    "y_fine_tuned": resnet18(head_layer="0"),
    "y_fine_tuned_layer": resnet18(head_layer="1", labels='["a", "\u732b"]'),
    "n_fine_tuned_layer": resnet18(head_layer="2"),
    "n_fine_tuned_labels": resnet18(head_layer="1", labels='["a"]'),
    "n_encoder": FILES["y_resnet18"],
    "n_labels_nested": classifier("[" * 100000),
    "n_labels_twice": classifier('["a", "a"]'),
    "n_labels_numbers": classifier("[1, 2]"),
    "n_labels_surplus": classifier('["a", "b", "c"]'),
    "n_class": classifier(classes=(0, 1, 2)),
    "n_class_fraction": classifier(classes=(0, 1, 0.5)),
    "n_class_missing": classifier(classes=(0, 1)),
    "n_infinite": classifier(value=float("inf")),
    "n_huge": classifier(value=1e30),
    "n_method": classifier(method="none"),
    "n_other": FILES["y_metadata"],
}

for folder, files in ("safetensors", FILES), ("classifier", CLASSIFIERS):
    os.makedirs(os.path.join(CORPUS, folder), exist_ok=True)
    for name, content in files.items():
        with open(os.path.join(CORPUS, folder, name), "wb") as out:
            out.write(content)
