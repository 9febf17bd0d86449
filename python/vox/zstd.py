"""Decodes objects and segments: zstd frames with a seek table behind them (``store-layout.md`` section 4)."""

from __future__ import annotations

import struct
from typing import IO, Optional

import zstandard


def decode(data: bytes) -> bytes:
    """Return the raw bytes of all frames."""
    table = seek_table(data)
    if table is None:
        return _frame(data)
    raw, at = [], 0
    for stored, size in table:
        raw.append(_frame(data[at : at + stored], size))
        at += stored
    return b"".join(raw)


def frame(data: bytes, number: int) -> bytes:
    """Return the raw bytes of one frame."""
    table = seek_table(data)
    if table is None:
        if number:
            raise ValueError("there is one frame only")
        return _frame(data)
    at = sum(stored for stored, _ in table[:number])
    stored, size = table[number]
    return _frame(data[at : at + stored], size)


def seek_table(data: bytes) -> Optional[list[tuple[int, int]]]:
    """Return stored and raw bytes of each frame, or None when there is but one."""
    if len(data) < 17 or data[-4:] != b"\xb1\xea\x92\x8f":
        return None
    (count,) = struct.unpack_from("<I", data, len(data) - 9)
    start = len(data) - 9 - 8 * count
    if start < 8 or struct.unpack_from("<II", data, start - 8) != (0x184D2A5E, 8 * count + 9):
        return None
    return [struct.unpack_from("<II", data, start + 8 * at) for at in range(count)]


def _frame(data: bytes, size: Optional[int] = None) -> bytes:
    try:
        raw = zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise ValueError(f"a frame that cannot be decoded: {error}") from None
    if size is not None and len(raw) != size:
        raise ValueError("the seek table and a frame differ")
    return raw


def head(file: IO[bytes], size: int = 64) -> bytes:
    """Return the first raw bytes, without reading the rest."""
    try:
        return zstandard.ZstdDecompressor().stream_reader(file).read(size)
    except zstandard.ZstdError as error:
        raise ValueError(f"a frame that cannot be decoded: {error}") from None
