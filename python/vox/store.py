"""Reads a store: values by their digest, receipts by what was computed. Never writes one.

``store-layout.md`` is the specification. Objects and segments are immutable files that prove themselves,
so that reading needs no lock and disturbs nobody.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from vox import call as calling
from vox import cbor, zstd
from vox.errors import MissingError, StoreError
from vox.image import Grid, Image, Overlay
from vox.log import Log, Run


@dataclass(frozen=True)
class Receipt:
    """What was computed, and what came out."""

    node: str
    """What was computed: 64 hex digits."""
    op: str
    """The operator, such as ``vox1.volume``."""
    version: int
    args: tuple[Any, ...]
    """Nodes as texts of 64 hex digits inside a `Node`, and literals as values."""
    params: dict[str, Any]
    out: Optional[str]
    """The value's digest; None when the operator refused."""
    error: Optional[str]
    """The code of the refusal."""
    warnings: dict[str, int]
    """How many voxels or values each warning concerns."""
    seconds: float
    """What it cost."""


@dataclass(frozen=True)
class Node:
    """An argument that was computed."""

    id: str


class Store:
    """A store, read only.

    Without `path` it is the one that the command line would use from here: ``$VOX_STORE``, else the
    nearest ``.vox`` upwards, else the user's cache.
    """

    def __init__(self, path: Union[str, os.PathLike[str], None] = None):
        self.path: Path = Path(path).absolute() if path is not None else _default()
        """The store's folder."""
        if not (self.path / "objects").is_dir() and not (self.path / "vox-store.toml").is_file():
            raise StoreError(f"`{self.path}` is no store")
        self._log = Log(self.path)
        self._hold: object = None  # What must live as long as a value that was not read yet.

    @property
    def id(self) -> Optional[str]:
        """The store's name: 32 hex digits; None when only `objects/` was copied."""
        try:
            text = (self.path / "vox-store.toml").read_text()
        except FileNotFoundError:
            return None
        found = re.search(r'^id\s*=\s*"([0-9a-f]+)"', text, re.MULTILINE)
        return found[1] if found else None

    def blob(self, blob: str) -> bytes:
        """Return the canonical CBOR of a value, its digest verified."""
        _hex(blob)
        path = self.path / "objects" / blob[:2] / blob[2:]
        try:
            stored = path.read_bytes()
        except FileNotFoundError:
            small = self._log.small(bytes.fromhex(blob))
            if small is None:
                raise MissingError(f"the value {blob} is not in `{self.path}`") from None
            return small
        try:
            raw = zstd.decode(stored)
        except ValueError as error:
            raise StoreError(f"`{path}` is damaged: {error}") from None
        if hashlib.sha256(raw).hexdigest() != blob:
            raise StoreError(f"`{path}` is damaged: its bytes have another digest")
        return raw

    def get(self, blob: str) -> Any:
        """Return a value by its digest (`vox run` tells nodes: see `value`)."""
        return self._decode(self.blob(blob))

    def receipt(self, node: str) -> Receipt:
        """Return what a node gave; MissingError when this store does not know."""
        run = self._run(node)
        told = run.receipt
        return Receipt(
            node=node,
            op=told["op"],
            version=told["v"],
            args=tuple(self._argument(arg) for arg in told["args"]),
            params={name: _plain(value) for name, value in told["p"].items()},
            out=bytes(told["out"]).hex() if told["st"] == 0 else None,
            error=told["err"]["code"] if told["st"] == 1 else None,
            warnings={warning["code"]: warning["count"] for warning in told.get("warn", ())},
            seconds=run.us / 1e6,
        )

    def value(self, node: str) -> Any:
        """Return what a node gave, as a value. Of a saved goal it is what was saved, not the file."""
        told = self._run(node).receipt
        if told["op"] == "vox1.encode":
            (source,) = told["args"]
            return self.value(bytes(source).hex()) if isinstance(source, memoryview) else self._value(source)
        if told["op"] == "vox1.literal" and told["st"] == 0:
            return self.get(bytes(told["p"]["blob"]).hex())
        if told["st"] == 1:
            raise StoreError(f"the node {node} has no value: `{told['op']}` refused ({told['err']['code']})")
        if "val" in told:
            raw = bytes(told["val"])
            if hashlib.sha256(raw).digest() != told["out"]:
                raise StoreError(f"the receipt of {node} is damaged")
            return self._decode(raw)
        return self._lazy(bytes(told["out"]).hex())

    def __contains__(self, digest: str) -> bool:
        """Say whether a node's receipt or a value is here."""
        _hex(digest)
        if (self.path / "objects" / digest[:2] / digest[2:]).exists():
            return True
        key = bytes.fromhex(digest)
        return bool(self._log.runs(key)) or self._log.small(key) is not None

    def objects(self) -> Iterator[str]:
        """Walk over the digests of all values that are files, in no order."""
        for folder in (self.path / "objects").iterdir():
            if re.fullmatch("[0-9a-f]{2}", folder.name):
                yield from (folder.name + file.name for file in folder.iterdir() if len(file.name) == 62)

    def __repr__(self) -> str:
        return f"vox.Store({str(self.path)!r})"

    def _run(self, node: str) -> Run:
        _hex(node)
        run = self._log.standing(bytes.fromhex(node))
        if run is None:
            raise MissingError(f"`{self.path}` has no result of the node {node}: run the program again")
        return run

    def _lazy(self, blob: str) -> Any:
        """Return a value, an image unread: its head says what it is."""
        path = self.path / "objects" / blob[:2] / blob[2:]
        if not path.exists():
            raise MissingError(f"the value {blob} was removed from `{self.path}`: run the program again")
        try:
            with open(path, "rb") as file:
                head = zstd.head(file)
        except ValueError as error:
            raise StoreError(f"`{path}` is damaged: {error}") from None
        # The canonical order puts "t" first: an image's bytes begin with it.
        if head[1:9] == b"\x61teimage":
            return Image(lambda: _image(cbor.decode(self.blob(blob))))
        return self.get(blob)

    def _decode(self, raw: bytes) -> Any:
        try:
            return self._value(cbor.decode(raw))
        except (ValueError, RecursionError) as error:
            raise StoreError(f"a value in `{self.path}` cannot be read: {error}") from None

    def _value(self, item: Any) -> Any:
        if isinstance(item, list):
            return [self._value(part) for part in item]
        if isinstance(item, memoryview):
            return bytes(item)
        if not isinstance(item, dict):
            return item
        form = item.get("t")
        if form == "image":
            return Image(lambda: item)
        if form == "record":
            return {name: self._value(value) for name, value in item["fields"].items()}
        if form == "overlay":
            return Overlay(tuple(self._value(layer) for layer in item["layers"]))
        if form == "grid":
            return Grid.of(item)
        if form == "ref":
            blob = bytes(item["blob"]).hex()
            return Image(lambda: _image(cbor.decode(self.blob(blob))))
        return _plain(item)

    def _argument(self, arg: Any) -> Any:
        return Node(bytes(arg).hex()) if isinstance(arg, memoryview) else self._value(arg)


def load(digest: str, store: Union[Store, str, os.PathLike[str], None] = None) -> Any:
    """Return a value by its own digest or by that of the node that gave it.

    Numbers, texts, booleans and None are Python's; sequences are lists, records dicts, images `Image`s
    whose voxels are read when they are looked at.
    """
    store = store if isinstance(store, Store) else Store(store)
    try:
        return store.value(digest)
    except MissingError:
        return store.get(digest)


def _image(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict) or item.get("t") != "image":
        raise StoreError("an image was expected, and something else is there")
    return item


def _plain(item: Any) -> Any:
    """Return a decoded item with digests as texts."""
    if isinstance(item, memoryview):
        return bytes(item).hex()
    if isinstance(item, list):
        return [_plain(part) for part in item]
    if isinstance(item, dict):
        return {name: _plain(value) for name, value in item.items()}
    return item


def _hex(digest: str) -> None:
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError(f"`{digest}` is no digest: 64 hex digits")


def _default() -> Path:
    called = calling.call(["config", "--json"])
    if called.code:
        raise called.error()
    return Path(called.told[0]["settings"]["store"]["value"]).absolute()
