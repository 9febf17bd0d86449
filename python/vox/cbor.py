"""Reads canonical CBOR, as ``store-layout.md`` section 1 has it: only what a store holds."""

from __future__ import annotations

import struct
from typing import Any

DEPTH = 512
"""How deep items may nest."""


def decode(data: bytes) -> Any:
    """Return the one item that `data` is.

    Maps are dicts, arrays lists, byte strings memoryviews of `data`: voxels are not copied. Raises
    ValueError for what is not canonical CBOR in ways that would change its meaning.
    """
    item, end = _item(memoryview(data), 0, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes behind the end")
    return item


def item_at(data: bytes, offset: int) -> Any:
    """Return the item that begins at `offset`."""
    return _item(memoryview(data), offset, 0)[0]


def _item(data: memoryview, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEPTH:
        raise ValueError("too deep")
    try:
        return _known_item(data, at, depth)
    except (IndexError, struct.error):
        raise ValueError("it ends too early") from None


def _known_item(data: memoryview, at: int, depth: int) -> tuple[Any, int]:
    major, info = data[at] >> 5, data[at] & 31
    if major == 7:
        return _simple(data, at, info)
    count, at = _head(data, at, info)
    if major == 0:
        return count, at
    if major in (2, 3):
        if at + count > len(data):
            raise ValueError("it ends too early")
        view = data[at : at + count]
        return (view if major == 2 else str(view, "utf-8")), at + count
    if major == 4:
        items = []
        for _ in range(count):
            item, at = _item(data, at, depth + 1)
            items.append(item)
        return items, at
    if major == 5:
        fields: dict[str, Any] = {}
        for _ in range(count):
            key, at = _item(data, at, depth + 1)
            if not isinstance(key, str) or key in fields:
                raise ValueError("a key that is no text, or there twice")
            fields[key], at = _item(data, at, depth + 1)
        return fields, at
    raise ValueError(f"items of major type {major} do not occur")


def _head(data: memoryview, at: int, info: int) -> tuple[int, int]:
    if info < 24:
        return info, at + 1
    if info > 27:
        raise ValueError("lengths are definite")
    size = 1 << (info - 24)
    if at + 1 + size > len(data):
        raise ValueError("it ends too early")
    return int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size


def _simple(data: memoryview, at: int, info: int) -> tuple[Any, int]:
    if info in (20, 21, 22):
        return (False, True, None)[info - 20], at + 1
    form = {25: ">e", 26: ">f", 27: ">d"}.get(info)
    if form is None:
        raise ValueError(f"the simple value {info} does not occur")
    return struct.unpack_from(form, data, at + 1)[0], at + 1 + struct.calcsize(form)
