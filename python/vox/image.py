"""Images with their grids, as numpy arrays and as images of other libraries.

Axes are x, y, z, x first, in ``dims``, ``spacing``, ``origin`` and in arrays: ``array[x, y, z]``. That is
nibabel's order; SimpleITK's ``GetArrayFromImage`` has the other, ``[z, y, x]``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from vox import show

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

KINDS: Mapping[str, str] = {
    "u8": "<u1",
    "i8": "<i1",
    "u16": "<u2",
    "i16": "<i2",
    "u32": "<u4",
    "i32": "<i4",
    "u64": "<u8",
    "i64": "<i8",
    "f32": "<f4",
    "f64": "<f8",
}
"""The voxel kinds besides ``mask``, and numpy's names of them."""

META = {
    "u8": "MET_UCHAR",
    "i8": "MET_CHAR",
    "u16": "MET_USHORT",
    "i16": "MET_SHORT",
    "u32": "MET_UINT",
    "i32": "MET_INT",
    "u64": "MET_ULONG_LONG",
    "i64": "MET_LONG_LONG",
    "f32": "MET_FLOAT",
    "f64": "MET_DOUBLE",
}


@dataclass(frozen=True)
class Grid:
    """Where voxels are: the world is LPS, in millimetres."""

    dims: tuple[int, ...]
    """Voxels along x, y and (of a volume) z."""
    spacing: tuple[float, ...]
    """Millimetres from voxel to voxel, along the same axes."""
    origin: tuple[float, ...]
    """Where the centre of the first voxel lies, mm, LPS."""
    direction: tuple[float, ...]
    """A d x d matrix row by row: a row is a world axis, a column an image axis."""

    @staticmethod
    def of(told: Mapping[str, Any]) -> Grid:
        """Read a grid out of a decoded value."""
        return Grid(
            dims=tuple(told["dims"]),
            spacing=tuple(told["spacing"]),
            origin=tuple(told["origin"]),
            direction=tuple(told["direction"]),
        )

    @staticmethod
    def plain(
        dims: Sequence[int],
        spacing: Optional[Sequence[float]] = None,
        origin: Optional[Sequence[float]] = None,
        direction: Optional[Sequence[float]] = None,
    ) -> Grid:
        """Make a grid; what is left out is 1 mm, the world's origin, the identity."""
        size = len(dims)
        grid = Grid(
            dims=tuple(int(dim) for dim in dims),
            spacing=tuple(float(step) for step in spacing) if spacing is not None else (1.0,) * size,
            origin=tuple(float(place) for place in origin) if origin is not None else (0.0,) * size,
            direction=tuple(float(part) for part in direction)
            if direction is not None
            else tuple(float(at % (size + 1) == 0) for at in range(size * size)),
        )
        if size not in (2, 3) or min(grid.dims) < 1:
            raise ValueError(f"an image has 2 or 3 axes of at least one voxel, not {grid.dims}")
        if (len(grid.spacing), len(grid.origin), len(grid.direction)) != (size, size, size * size):
            raise ValueError(f"spacing, origin and direction do not fit {size} axes")
        return grid

    def affine(self) -> npt.NDArray[np.float64]:
        """Return the 4 x 4 matrix from voxels to the world as nibabel has it: RAS, in millimetres."""
        import numpy as np

        size = len(self.dims)
        affine = np.eye(4)
        affine[:size, :size] = np.array(self.direction).reshape(size, size) * np.array(self.spacing)
        affine[:size, 3] = self.origin
        return np.asarray(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


class Image:
    """An image: voxels on a grid. The voxels are read when they are first looked at."""

    def __init__(self, read: Callable[[], Mapping[str, Any]]):
        self._read = read
        self._held: Optional[Mapping[str, Any]] = None
        self._array: Optional[npt.NDArray[Any]] = None
        self._lock = threading.Lock()

    @staticmethod
    def of(
        array: npt.ArrayLike,
        spacing: Optional[Sequence[float]] = None,
        origin: Optional[Sequence[float]] = None,
        direction: Optional[Sequence[float]] = None,
    ) -> Image:
        """Make an image of an array of shape (x, y) or (x, y, z); millimetres, LPS; a bool array is a mask."""
        import numpy as np

        voxels = np.array(array, order="F")
        kind = _kind(voxels.dtype)
        grid = Grid.plain(voxels.shape, spacing, origin, direction)
        image = Image(lambda: {"kind": kind, **vars(grid)})
        voxels.setflags(write=False)
        image._array = voxels
        return image

    @staticmethod
    def from_sitk(image: Any) -> Image:
        """Take over an image of SimpleITK, with its grid."""
        import SimpleITK as sitk  # noqa: N813

        array = sitk.GetArrayFromImage(image).T
        return Image.of(array, image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    @staticmethod
    def from_nibabel(image: Any) -> Image:
        """Take over an image of nibabel; its matrix must have no shear."""
        import numpy as np

        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        direction = affine[:3, :3] / spacing
        if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
            raise ValueError("the image's matrix has a shear: resample it first")
        return Image.of(np.asanyarray(image.dataobj), spacing, affine[:3, 3], direction.ravel())

    @property
    def _value(self) -> Mapping[str, Any]:
        with self._lock:
            if self._held is None:
                self._held = self._read()
            return self._held

    @property
    def kind(self) -> str:
        """``mask``, or ``u8 i8 u16 i16 u32 i32 u64 i64 f32 f64``."""
        return str(self._value["kind"])

    @property
    def grid(self) -> Grid:
        """Dimensions, spacing, origin and direction."""
        return Grid.of(self._value)

    @property
    def dims(self) -> tuple[int, ...]:
        """Voxels along x, y, z."""
        return self.grid.dims

    @property
    def spacing(self) -> tuple[float, ...]:
        """Millimetres from voxel to voxel along x, y, z."""
        return self.grid.spacing

    @property
    def origin(self) -> tuple[float, ...]:
        """The centre of the first voxel: mm, LPS."""
        return self.grid.origin

    @property
    def direction(self) -> tuple[float, ...]:
        """A d x d matrix row by row; a row is a world axis."""
        return self.grid.direction

    @property
    def components(self) -> int:
        """Numbers a voxel: 1, or 3 or 4 of a colour image."""
        return int(self._value.get("components", 1))

    @property
    def array(self) -> npt.NDArray[Any]:
        """The voxels: shape ``dims``, indexed ``[x, y, z]``; of a colour image ``[x, y, z, component]``.

        A mask is an array of bool, other kinds have their own type. It cannot be written to: it is what
        the store has. ``array.copy()`` can.
        """
        value = self._value
        with self._lock:
            if self._array is None:
                self._array = _array(value)
            return self._array

    def numpy(self) -> npt.NDArray[Any]:
        """Return ``array``."""
        return self.array

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> npt.NDArray[Any]:
        import numpy as np

        array = self.array if dtype is None else self.array.astype(dtype, copy=False)
        return np.array(array) if copy else array

    def nibabel(self) -> Any:
        """Return it as a ``nibabel.Nifti1Image`` (RAS, mm); a mask becomes 0 and 1 of 8 bits."""
        import nibabel
        import numpy as np

        array = self.array.astype(np.uint8) if self.kind == "mask" else self.array
        if array.ndim == 2:
            array = array[:, :, None]
        image = nibabel.Nifti1Image(array, self.grid.affine(), dtype=array.dtype)
        image.header.set_xyzt_units("mm")
        return image

    def sitk(self) -> Any:
        """Return it as a ``SimpleITK.Image`` (LPS, mm); a mask becomes 0 and 1 of 8 bits."""
        import numpy as np
        import SimpleITK as sitk  # noqa: N813

        array = self.array.astype(np.uint8) if self.kind == "mask" else self.array
        colour = self.components > 1
        turned = np.moveaxis(array, -1, 0).T if colour else array.T
        image = sitk.GetImageFromArray(np.ascontiguousarray(turned), isVector=colour)
        grid = self.grid
        image.SetSpacing(grid.spacing)
        image.SetOrigin(grid.origin)
        image.SetDirection(grid.direction)
        return image

    def write_mha(self, path: Union[str, Path]) -> None:
        """Write it as a MetaImage, not compressed; what vox reads of it is this image (a mask as 0 and 1)."""
        if self.components > 1:
            raise ValueError("a colour image cannot be written as MetaImage")
        grid, array = self.grid, self.array
        size = len(grid.dims)
        turned = [grid.direction[row * size + column] for column in range(size) for row in range(size)]

        def numbers(parts: Sequence[float]) -> str:
            return " ".join(repr(part) for part in parts)

        kind = "u8" if self.kind == "mask" else self.kind
        head = (
            f"ObjectType = Image\nNDims = {size}\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
            f"CompressedData = False\nTransformMatrix = {numbers(turned)}\nOffset = {numbers(grid.origin)}\n"
            f"ElementSpacing = {numbers(grid.spacing)}\nDimSize = {numbers(grid.dims)}\n"
            f"ElementType = {META[kind]}\nElementDataFile = LOCAL\n"
        )
        with open(path, "wb") as file:
            file.write(head.encode())
            file.write(array.astype(KINDS[kind], copy=False).tobytes(order="F"))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        import numpy as np

        same = self.kind == other.kind and self.grid == other.grid
        floats = self.kind in ("f32", "f64")
        return same and bool(np.array_equal(self.array, other.array, equal_nan=floats))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self._held is None and self._array is None:
            return "vox.Image(not read yet)"
        shape = "x".join(str(dim) for dim in self.dims)
        return f"vox.Image({self.kind}, {shape}, spacing {self.spacing} mm)"

    def _repr_png_(self) -> bytes:
        """Show the three slices through the middle (of what is true in a mask)."""
        return show.slices(self.array, self.spacing, colour=self.components > 1)

    def _repr_html_(self) -> str:
        return show.image_html(self._repr_png_(), repr(self))


@dataclass(frozen=True)
class Overlay:
    """Images that are meant to be seen one above the other."""

    layers: tuple[Any, ...]
    """Bottom first."""


def _kind(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "b":
        return "mask"
    for kind, name in KINDS.items():
        if dtype.newbyteorder("<") == name or dtype == name:
            return kind
    raise ValueError(f"voxels of {dtype} are not known: make them float32, or integers of 8 to 64 bits")


def _array(value: Mapping[str, Any]) -> npt.NDArray[Any]:
    import numpy as np

    dims, kind, voxels = tuple(value["dims"]), value["kind"], value["voxels"]
    if kind == "mask":
        # Each row along x is padded to whole 64-bit words.
        rows = np.frombuffer(voxels, np.uint8).reshape(*dims[:0:-1], -1)
        bits = np.unpackbits(rows, axis=-1, count=dims[0], bitorder="little")
        array: npt.NDArray[Any] = bits.view(bool).T
    elif "components" in value:
        flat = np.frombuffer(voxels, KINDS[kind])
        array = np.moveaxis(flat.reshape((value["components"], *dims), order="F"), 0, -1)
    else:
        array = np.frombuffer(voxels, KINDS[kind]).reshape(dims, order="F")
    array.setflags(write=False)
    return array
