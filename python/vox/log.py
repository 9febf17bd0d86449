"""Finds receipts in the log of a store (``store-layout.md`` sections 5 to 7).

The index of the host that owns the store knows where each record is; it is asked when it can be opened, and
what it says is compared with the record itself. Without it the segments are read, once each.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from vox import cbor, zstd
from vox.errors import StoreError

SCHEMA = 3
"""The version of the index that is understood; another one is not asked."""


@dataclass(frozen=True)
class Run:
    """A record of something that ran."""

    writer: str
    seq: int
    us: int
    settles: bool
    receipt: dict[str, Any]


class Log:
    """The log of a store."""

    def __init__(self, root: Path):
        self._root = root
        self._seen: set[Path] = set()
        self._runs: dict[bytes, list[Run]] = {}
        self._small: dict[bytes, bytes] = {}

    def standing(self, node: bytes) -> Optional[Run]:
        """Return the record that stands of a node: this host's own one where records differ."""
        runs = self.runs(node)
        if not runs:
            return None
        if len({(run.receipt["st"], bytes(run.receipt.get("out", b""))) for run in runs}) == 1:
            return runs[-1]
        own = [run for run in runs if run.writer in self._own()]
        settled = [run for run in own if run.settles]
        if settled:
            return max(settled, key=lambda run: run.seq)
        if len({bytes(run.receipt.get("out", b"")) for run in own}) == 1:
            return own[0]
        raise StoreError(
            f"the records of the node {node.hex()} differ: "
            "a run of its program settles it, `vox verify` names the writers"
        )

    def runs(self, node: bytes) -> list[Run]:
        """Return all records of a node."""
        if node not in self._runs:
            indexed = [run for run in self._indexed("node", node) if run.receipt["node"] == node]
            if indexed:
                return indexed
            self._scan()
        return self._runs.get(node, [])

    def small(self, blob: bytes) -> Optional[bytes]:
        """Return the bytes of a value that rides in a receipt."""
        if blob not in self._small:
            for run in self._indexed("small", blob):
                if run.receipt.get("out") == blob and "val" in run.receipt:
                    return bytes(run.receipt["val"])
            self._scan()
        return self._small.get(blob)

    def _scan(self) -> None:
        """Read the segments that were not read before."""
        for path in sorted(self._root.glob("objects/log/*/*/[0-9]*.seg")):
            if path in self._seen:
                continue
            self._seen.add(path)
            for run in _segment(path):
                self._runs.setdefault(bytes(run.receipt["node"]), []).append(run)
                if "val" in run.receipt:
                    self._small[bytes(run.receipt["out"])] = bytes(run.receipt["val"])

    def _indexed(self, table: str, key: bytes) -> list[Run]:
        """Return the records that the index names, or none when it cannot be asked."""
        path = self._root / "local" / "index.sqlite"
        if not path.is_file():
            return []
        short = int.from_bytes(key[:8], "big", signed=True)
        found = (
            f"select segment, position from {table} where key = ?1 union "
            f"select segment, position from {table}_new where key = ?1"
        )
        try:
            connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)
            try:
                if connection.execute("pragma user_version").fetchone()[0] != SCHEMA:
                    return []
                rows = connection.execute(
                    f"select writer, first, last, digest, position from ({found}) "
                    "join segment on segment.id = segment where bad is null",
                    (short,),
                ).fetchall()
            finally:
                connection.close()
        except sqlite3.Error:
            return []
        runs = []
        for writer, first, last, digest, position in rows:
            name = f"{first:012}-{last:012}-{digest.hex()[:16]}.seg"
            segment = self._root / "objects/log" / writer.hex() / f"{first // 65536:08}" / name
            try:
                frame = zstd.frame(segment.read_bytes(), position >> 32)
                run = _record(writer.hex(), cbor.item_at(frame, position & 0xFFFFFFFF))
            except (OSError, ValueError, IndexError, KeyError):
                continue  # It was merged into another one since, or is damaged: the scan will tell.
            if run is not None:
                runs.append(run)
        return runs

    def _own(self) -> set[str]:
        """Return the names under which this host has written."""
        try:
            text = (self._root / "local" / "writer").read_text()
        except OSError:
            return set()
        lines = [line for line in text.splitlines() if line.startswith(("writer", "replaced"))]
        return set(re.findall(r"[0-9a-f]{32}", "\n".join(lines)))


def _segment(path: Path) -> Iterator[Run]:
    """Walk over a segment's runs; one that is damaged has none."""
    try:
        raw = zstd.decode(path.read_bytes())
        segment = cbor.decode(raw)
        if not path.name.endswith(f"-{hashlib.sha256(raw).hexdigest()[:16]}.seg"):
            return
        writer = bytes(segment["writer"]).hex()
        for record in segment["records"]:
            run = _record(writer, record)
            if run is not None:
                yield run
    except (OSError, ValueError, KeyError, TypeError):
        return


def _record(writer: str, data: Any) -> Optional[Run]:
    record = cbor.decode(bytes(data))
    if record["k"] != 1:
        return None
    receipt = cbor.decode(bytes(record["receipt"]))
    return Run(writer, record["seq"], record["us"], bool(record.get("settles")), receipt)
