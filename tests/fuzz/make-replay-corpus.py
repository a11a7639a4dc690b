#!/usr/bin/python3
# Makes corpus/replay: replay memories that must load (y_) and that must not (n_).
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import struct

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "replay")
FRAMES = "0 0 1 -1 77 0 -2\n2 1 2 5000 88 1 0.5\n3 1 2 6000 99 1 0.75\n"
METADATA = {"kind": "simclr-replay-1", "policy": "fifo", "rule": "newer", "seen": "5", "runs": "2",
            "lowest_dropped": "18446744073709551615", "frames": FRAMES, "format.0": "gray", "format.1": "rgb"}
TENSORS = {"embedding.2": ("F32", [2], 8), "embedding.3": ("F32", [2], 8),
           "frame.0": ("U8", [3], 3), "frame.2": ("U8", [0], 0), "frame.3": ("U8", [4], 4)}


def memory(metadata=None, tensors=None):
    header, end = {"__metadata__": {**METADATA, **(metadata or {})}}, 0
    for name, (dtype, shape, size) in {**TENSORS, **(tensors or {})}.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + (struct.pack("<4f", 1, 2, 3, 4) + bytes(end))[:end]


FILES = {
    "y_three": memory(),
    "y_policy": memory({"policy": "another"}),
    "y_empty": memory({"frames": ""}),
    "y_no_end_of_line": memory({"frames": FRAMES.rstrip()}),
    "n_kind": memory({"kind": "simclr-replay-9"}),
    "n_seen": memory({"seen": "3"}),
    "n_seen_sign": memory({"seen": "-5"}),
    "n_seen_huge": memory({"seen": "18446744073709551615"}),
    "n_runs": memory({"runs": "many"}),
    "n_order": memory({"frames": "2 1 2 5000 88 1 1\n0 0 1 -1 77 0 1\n"}),
    "n_twice": memory({"frames": "0 0 1 -1 77 0 1\n0 0 1 -1 77 0 1\n"}),
    "n_fields": memory({"frames": "0 0 1 -1 77 0\n"}),
    "n_surplus": memory({"frames": "0 0 1 -1 77 0 0 0\n"}),
    "n_similarity": memory({"frames": "0 0 1 0 77 0 nan\n"}),
    "n_similarity_huge": memory({"frames": "0 0 1 0 77 0 1e30\n"}),
    "n_similarity_text": memory({"frames": "0 0 1 0 77 0 1x\n"}),
    "n_empty_line": memory({"frames": "\n" + FRAMES}),
    "n_time": memory({"frames": "0 0 1 9223372036854775808 77 0 1\n"}),
    "n_camera": memory({"frames": "0 4294967295 1 0 77 0 1\n"}),
    "n_run": memory({"frames": "0 0 18446744073709551615 0 77 0 1\n"}),
    "n_format": memory({"frames": "0 0 1 0 77 7 1\n"}),
    "n_missing": memory({"frames": "1 0 1 0 77 0 1\n"}),
    "n_floats": memory(tensors={"frame.0": ("F32", [1], 4)}),
    "n_shape": memory(tensors={"frame.0": ("U8", [3, 1], 3)}),
    "n_embedding_size": memory(tensors={"embedding.3": ("F32", [3], 12)}),
    "n_embedding_empty": memory(tensors={"embedding.2": ("F32", [0], 0)}),
    "n_embedding_bytes": memory(tensors={"embedding.2": ("U8", [8], 8)}),
}

os.makedirs(FOLDER, exist_ok=True)
for name, content in FILES.items():
    with open(os.path.join(FOLDER, name), "wb") as output:
        output.write(content)
