"""What a notebook shows: three slices of an image, a table of a run. Needs no other library than numpy."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HEIGHT = 160
"""About how many pixels high a slice is."""


def slices(array: npt.NDArray[Any], spacing: Sequence[float], colour: bool = False) -> bytes:
    """Return a PNG of the slices across z, y and x through the middle, in the proportions of the world.

    The middle is that of the true voxels of a mask, else of the image. Black is the 1st, white the 99th
    percentile of the volume. Up is the end of y, and of z.
    """
    import numpy as np

    if array.ndim - colour == 2:
        array, spacing = array[:, :, None], (*spacing, 1.0)
    middle = [size // 2 for size in array.shape[:3]]
    if array.dtype == bool and array.any():
        middle = [int(np.median(places)) for places in np.nonzero(array)]
    if array.dtype == bool:
        low, high = 0.0, 1.0
    else:
        finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array.ravel()
        step = max(1, finite.size // 100_000)
        low, high = (float(part) for part in np.percentile(finite[::step], (1, 99))) if finite.size else (0.0, 1.0)
    if not high > low:
        high = low + 1.0
    flat = array.shape[2] == 1
    pictures = []
    for axis in (2,) if flat else (2, 1, 0):
        cut = np.moveaxis(np.take(array, middle[axis], axis=axis), 0, 1)
        # LPS has y to the back: the front of a head is up as it is; z goes up, so rows are turned.
        cut = cut if axis == 2 else cut[::-1]
        steps = [step for at, step in enumerate(spacing) if at != axis]
        grey = np.clip((np.nan_to_num(cut.astype(float)) - low) / (high - low), 0, 1) * 255
        grey = grey.astype(np.uint8)
        grey = grey[..., :3] if colour else np.repeat(grey[..., None], 3, axis=-1)
        pictures.append(_resize(grey, steps[0], steps[1]))
    tall = max(picture.shape[0] for picture in pictures)
    pictures = [np.pad(picture, ((0, tall - picture.shape[0]), (0, 4), (0, 0))) for picture in pictures]
    return png(np.concatenate(pictures, axis=1)[:, :-4])


def _resize(picture: npt.NDArray[np.uint8], across: float, down: float) -> npt.NDArray[np.uint8]:
    """Take the nearest voxel for each pixel, so that pixels are square in the world."""
    import numpy as np

    tall, wide = picture.shape[0] * down, picture.shape[1] * across
    scale = HEIGHT / max(tall, wide)
    rows = np.linspace(0, picture.shape[0], max(1, round(tall * scale)), endpoint=False).astype(int)
    columns = np.linspace(0, picture.shape[1], max(1, round(wide * scale)), endpoint=False).astype(int)
    resized: npt.NDArray[np.uint8] = picture[rows][:, columns]
    return resized


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return an array of shape (rows, columns, 3) as a PNG."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows, columns = pixels.shape[:2]
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    data = zlib.compress(lines)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def image_html(picture: bytes, caption: str) -> str:
    """Return a picture with a line below."""
    data = base64.b64encode(picture).decode()
    return (
        f'<figure style="margin:0"><img src="data:image/png;base64,{data}" alt="three slices">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def table_html(names: Sequence[str], rows: Sequence[Sequence[Any]], caption: str) -> str:
    """Return a table; numbers stand to the right, with six digits."""

    def cell(value: Any) -> str:
        if isinstance(value, float):
            return f'<td style="text-align:right">{value:.6g}</td>'
        return f'<td style="text-align:left">{html.escape(str(value))}</td>'

    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(cell(value) for value in row) + "</tr>" for row in rows)
    return (
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
