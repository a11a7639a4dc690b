# CIFAR-10's binary files, found through SIMCLR_TEST_DATA or beside the project.
# SPDX-License-Identifier: LGPL-2.1-or-later
import lzma
import os

import numpy

RECORD = 3073  # a label and 3 planes of 32x32 bytes
FOLDER = os.path.join(
    os.environ.get("SIMCLR_TEST_DATA")
    or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared/data"),
    "cifar10",
)


def path(batch):
    """batch: data_batch_1 to data_batch_5 or test_batch"""
    return os.path.join(FOLDER, batch + ".bin.xz")


def read_bytes(batch, pictures=10000):
    """The file's own bytes, for rawvideoparse."""
    with lzma.open(path(batch)) as file:
        data = file.read(pictures * RECORD)
    if len(data) != pictures * RECORD:
        raise ValueError(f"{path(batch)}: {len(data)} bytes are not {pictures} records")
    return data


def read(batch, pictures=10000):
    """Pictures (n, 32, 32, 3) of bytes and labels (n)."""
    records = numpy.frombuffer(read_bytes(batch, pictures), numpy.uint8).reshape(-1, RECORD)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return planes.transpose(0, 2, 3, 1).copy(), records[:, 0].astype(int)
