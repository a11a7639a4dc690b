#!/usr/bin/python3
# Makes corpus/index: logs and parts of an index that must load (y_) and that must not (n_).
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import struct
import zlib

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "index")


def header(size=2, first=0, encoder=b"resnet18", version=1, magic=b"SIMCLRLG"):
    fixed = magic + struct.pack("<IIQI", version, size, first, len(encoder)) + encoder
    return fixed + struct.pack("<I", zlib.crc32(fixed))


def record(time=5, stream=b"door", source=b"", size=(0, 0), floats=(0.6, 0.8), pixels=None, payload=None):
    if payload is None:
        payload = (struct.pack("<qIIII", time, len(stream), len(source), *size) + struct.pack(f"<{len(floats)}f", *floats)
                   + stream + source + (bytes(size[0] * size[1] * 3) if pixels is None else pixels))
    head = struct.pack("<II", len(payload), zlib.crc32(payload))
    return head + struct.pack("<I", zlib.crc32(head)) + payload


NAN, INFINITE = float("nan"), float("inf")
PART = {"time": ("I64", [2], "<2q", (3, 9)), "origin": ("I64", [2], "<2q", (0, 0)),
        "picture": ("I64", [2, 3], "<6q", (3, 1, 1, 3, 0, 0)), "embedding": ("F32", [2, 2], "<4f", (1, 0, 0, 1)),
        "center": ("F32", [1, 2], "<2f", (.5, .5)), "radius": ("F32", [1], "<f", (.71,)),
        "scale": ("F32", [2], "<2f", (.004, .004)), "error": ("F32", [2], "<2f", (.004, .004)),
        "code": ("U8", [4], "<4b", (127, -127, -127, 127)), "thumbnail": ("U8", [3], "<3B", (1, 2, 3))}
METADATA = {"kind": "simclr-index-1", "first": "0", "encoder": "resnet18", "stream.0": "door", "source.0": ""}


def part(metadata=None, **tensors):
    head, data = {"__metadata__": {k: v for k, v in {**METADATA, **(metadata or {})}.items() if v is not None}}, b""
    for name, tensor in {**PART, **tensors}.items():
        if tensor is None:
            continue
        dtype, shape, layout, values = tensor
        content = struct.pack(layout, *values)
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def changed(name, values, shape=None):
    dtype, old_shape, layout, _ = PART[name]
    if shape:
        layout = f"<{len(values)}{layout[-1]}"
    return {name: (dtype, shape or old_shape, layout, values)}


FILES = {
    "y_log_empty": header(),
    "y_log_two": header() + record() + record(time=-9, source=b"a.webm", size=(2, 1)),
    "y_log_cut": header() + record() + record()[:30],
    "y_log_cut_head": header() + record() + record()[:7],
    "y_log_not_finite": header() + record(floats=(NAN, INFINITE)) + record(),
    "y_log_first": header(first=2**40) + record(),
    "n_log_magic": b"SIMCLRLG",
    "n_log_version": header(version=2) + record(),
    "n_log_no_floats": header(size=0),
    "n_log_many_floats": header(size=2**31) + record(),
    "n_log_first": header(first=2**63) + record(),
    "n_log_encoder": header(encoder=b"\xff"),
    "n_log_encoder_long": header()[:24] + b"\xff\xff\xff\xff" + header()[28:],
    "n_log_checksum": header()[:-1] + b"x" + record(),
    "n_log_record_checksum": header() + record()[:-1] + b"x" + record(),
    "n_log_last_checksum": header() + record()[:-1] + b"x",
    "n_log_length_checksum": header() + b"\xff" + record()[1:],
    "n_log_short": header() + record(payload=bytes(20)),
    "n_log_no_payload": header() + record(payload=b""),
    "n_log_texts": header() + record(payload=struct.pack("<qIIII", 0, 2**32 - 1, 2, 0, 0) + bytes(8)),
    "n_log_picture": header() + record(size=(5000, 1)),
    "n_log_picture_missing": header() + record(size=(5, 5), pixels=b""),
    "n_log_surplus": header() + record(pixels=b"xyz"),
    "n_log_stream": header() + record(stream=b"\xff\xfe"),
    "y_part": part(),
    "y_part_numbers": part(**changed("embedding", (NAN, INFINITE, -INFINITE, 3e38)), **changed("center", (NAN, 1e38))),
    "y_part_lies": part(**changed("error", (0, 1e38)), **changed("radius", (-1,)), **changed("scale", (1e38, 0))),
    "y_part_no_encoder": part({"encoder": None}),
    "n_part_kind": part({"kind": "simclr-replay-1"}),
    "n_part_first": part({"first": "-1"}),
    "n_part_first_missing": part({"first": None}),
    "n_part_stream": part({"stream.0": None}),
    "n_part_source": part({"source.0": None}),
    "n_part_origin": part(**changed("origin", (0, -7))),
    "n_part_scale": part(**changed("scale", (NAN, 0))),
    "n_part_scale_negative": part(**changed("scale", (-1, 0))),
    "n_part_error": part(**changed("error", (0, INFINITE))),
    "n_part_radius": part(**changed("radius", (NAN,))),
    "n_part_picture_end": part(**changed("picture", (3, 1, 1, 2**62, 0, 0))),
    "n_part_picture_negative": part(**changed("picture", (3, -1, -1, 3, 0, 0))),
    "n_part_picture_beyond": part(**changed("picture", (3, 1, 1, 6, 1, 1))),
    "n_part_picture_overflow": part(**changed("picture", (2**63 - 1, 2**62, 2**62, 3, 0, 0))),
    "n_part_code": part(**changed("code", (1, 2, 3), [3])),
    "n_part_code_shape": part(code=("U8", [2, 2], "<4b", (1, 2, 3, 4))),
    "n_part_centers": part(**changed("center", (1, 2, 3, 4), [2, 2])),
    "n_part_no_rows": part(**changed("embedding", (), [0, 2])),
    "n_part_type": part(embedding=("F64", [2, 2], "<4d", (1, 0, 0, 1))),
    **{f"n_part_no_{name}": part(**{name: None}) for name in PART},
}

os.makedirs(FOLDER, exist_ok=True)
for name, content in FILES.items():
    with open(os.path.join(FOLDER, name), "wb") as output:
        output.write(content)
