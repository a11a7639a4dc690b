"""Reads TensorBoard's event files: TFRecords, checksums and protobuf messages by their definitions.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import glob
import os
import struct


def checksum(data):
    """CRC-32C bit by bit, masked as in TFRecords."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    crc ^= 0xffffffff
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def records(path):
    with open(path, 'rb') as file:
        data = file.read()
    while data:
        length, length_crc = struct.unpack_from('<QI', data)
        assert length_crc == checksum(data[:8]), path
        message = data[12:12 + length]
        assert struct.unpack_from('<I', data, 12 + length)[0] == checksum(message), path
        yield message
        data = data[16 + length:]


def varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7f) << shift
        shift += 7
        if not byte & 0x80:
            return number, at


def fields(message):
    """(number, value) of a protobuf message: int, bytes, or the float of 4 or 8 bytes."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        if key & 7 == 0:
            value, at = varint(message, at)
        elif key & 7 == 1:
            value, at = struct.unpack_from('<d', message, at)[0], at + 8
        elif key & 7 == 5:
            value, at = struct.unpack_from('<f', message, at)[0], at + 4
        else:
            assert key & 7 == 2, key
            length, at = varint(message, at)
            value, at = message[at:at + length], at + length
            assert len(value) == length
        yield key >> 3, value


def curves(folder):
    """{tag: [(step, value), ...]} as TensorBoard shows them: a run that starts anew at a step replaces what
    came before of it. Also the wall times, in order of writing."""
    found, times = {}, []
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), 'events.out.tfevents.*'))):
        for number, message in enumerate(records(path)):
            event = dict(fields(message))
            times.append(event[1])
            step = event.get(2, 0)
            assert (number == 0) == (event.get(3) == b'brain.Event:2'), event
            if 7 in event and dict(fields(event[7])) == {1: 1}:
                found = {tag: [point for point in points if point[0] < step] for tag, points in found.items()}
            for field, value in fields(event.get(5, b'')):
                assert field == 1
                scalar = dict(fields(value))
                found.setdefault(scalar[1].decode(), []).append((step, scalar[2]))
    return found, times
