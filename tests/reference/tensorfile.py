# safetensors in a few lines, so that the comparison does not depend on the code it checks.
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import struct

import numpy

NAMES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8"}
KINDS = {numpy.dtype(kind): name for name, kind in NAMES.items()}


def write(path, tensors, metadata=None):
    """tensors: name to numpy array; metadata: string to string."""
    header, blobs, offset = {}, [], 0
    if metadata:
        header["__metadata__"] = metadata
    for name, array in tensors.items():
        array = numpy.asarray(array, order="C")
        blob = array.tobytes()
        header[name] = {
            "dtype": KINDS[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read(path):
    """Returns tensors and metadata."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        array = numpy.frombuffer(data[begin:end], NAMES[entry["dtype"]])
        tensors[name] = array.reshape(entry["shape"]).copy()
    return tensors, metadata
