"""Messages of protobuf, field by field: what is needed of the wire format, and no schema."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_DOUBLE = struct.Struct("<d")


def read_fields(data: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Give the fields of a message: number and content, of which four fixed bytes stay bytes.

    IndexError or struct.error where it is cut off or none.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = read_varint(data, at)
        kind, number = tag & 7, tag >> 3
        if kind == 0:
            content, at = read_varint(data, at)
            yield number, content
        elif kind == 1:
            yield number, float(_DOUBLE.unpack_from(data, at)[0])
            at += 8
        elif kind in (2, 5):
            size, at = read_varint(data, at) if kind == 2 else (4, at)
            if at + size > end:
                raise IndexError("cut off")
            yield number, data[at : at + size]
            at += size
        else:
            raise IndexError(f"wire type {kind}")


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a whole number that begins at a place; the number, and the place behind it."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise IndexError("a number of more than 64 bits")


def write_field(number: int, content: int | bytes) -> bytes:
    """Write a field: a whole number, or bytes."""
    if isinstance(content, int):
        return write_varint(number << 3) + write_varint(content)
    return write_varint(number << 3 | 2) + write_varint(len(content)) + content


def write_varint(number: int) -> bytes:
    """Write a whole number; one below zero as its two's complement of 64 bits."""
    number &= 0xFFFF_FFFF_FFFF_FFFF
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])
