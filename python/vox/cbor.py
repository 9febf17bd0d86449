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
    item, end = _item(memoryview(data), 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes behind the end")
    return item


def item_at(data: bytes, offset: int) -> Any:
    """Return the item that begins at `offset`."""
    return _item(memoryview(data), offset)[0]


class _Open:
    """An array or map whose items are being read."""

    def __init__(self, count: int, *, is_map: bool):
        self.left = count * (2 if is_map else 1)
        self.items: list[Any] = []
        self.is_map = is_map

    def close(self) -> Any:
        if not self.is_map:
            return self.items
        keys = self.items[::2]
        if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
            raise ValueError("a key that is no text, or there twice")
        return dict(zip(keys, self.items[1::2]))


def _item(data: memoryview, at: int) -> tuple[Any, int]:
    """Read an item on a stack of its own: how deep a value is decides whoever wrote it."""
    stack: list[_Open] = []
    while True:
        item, at = _begin(data, at)
        if isinstance(item, _Open) and item.left:
            stack.append(item)
            if len(stack) > DEPTH:
                raise ValueError("too deep")
            continue
        if isinstance(item, _Open):
            item = item.close()
        while stack:
            top = stack[-1]
            top.items.append(item)
            top.left -= 1
            if top.left:
                break
            item = stack.pop().close()
        else:
            return item, at


def _begin(data: memoryview, at: int) -> tuple[Any, int]:
    """Read an item, or the head of one that has others in it."""
    if at >= len(data):
        raise ValueError("it ends too early")
    major, info = data[at] >> 5, data[at] & 31
    if major == 7:
        return _simple(data, at, info)
    count, at = _head(data, at, info)
    if major == 0:
        return count, at
    if major in (2, 3, 4, 5):
        # Each item has a byte at least, so that a length that lies asks for no room.
        if at + count > len(data):
            raise ValueError("it ends too early")
        if major >= 4:
            return _Open(count, is_map=major == 5), at
        view = data[at : at + count]
        return (view if major == 2 else str(view, "utf-8")), at + count
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
    size = struct.calcsize(form)
    if at + 1 + size > len(data):
        raise ValueError("it ends too early")
    return struct.unpack_from(form, data, at + 1)[0], at + 1 + size
