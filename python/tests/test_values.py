"""Values and images: what is read of the format, and what other libraries make of it."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from vox import cbor, show, zstd
from vox.image import Grid, Image


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("f94200", 3.0),
        ("fb3fb999999999999a", 0.1),
        ("f98000", -0.0),
        ("f90001", 2.0**-24),
        ("f6", None),
        ("f5", True),
        ("65666c616972", "flair"),
        ("1903e8", 1000),
        ("82f5f4", [True, False]),
        ("a2617402617601", {"t": 2, "v": 1}),
    ],
)
def test_items_are_read(data, value):
    found = cbor.decode(bytes.fromhex(data))
    assert found == value
    if isinstance(value, float):
        assert math.copysign(1, found) == math.copysign(1, value)


def test_nan_is_read():
    assert math.isnan(cbor.decode(bytes.fromhex("f97e00")))


@pytest.mark.parametrize(
    "data", ["", "19", "1903", "62c3", "5f41ff", "f6f6", "20", "a201020304", "f7", "9a00ffffff", "c0f6"]
)
def test_what_is_no_canonical_cbor_is_refused(data):
    with pytest.raises(ValueError, match=r"."):
        cbor.decode(bytes.fromhex(data))


def test_deep_nesting_is_refused_and_not_a_crash():
    with pytest.raises(ValueError, match="too deep"):
        cbor.decode(b"\x81" * 100_000 + b"\xf6")


def test_frames_with_a_seek_table_are_decoded_one_by_one():
    import zstandard

    frames = [zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in (b"a" * 1000, b"bc")]
    table = struct.pack("<IIII", len(frames[0]), 1000, len(frames[1]), 2)
    tail = struct.pack("<II", 0x184D2A5E, len(table) + 9) + table + struct.pack("<IB", 2, 0) + b"\xb1\xea\x92\x8f"
    data = b"".join(frames) + tail
    assert zstd.decode(data) == b"a" * 1000 + b"bc"
    assert zstd.frame(data, 1) == b"bc"
    assert zstd.decode(frames[0]) == b"a" * 1000
    broken = bytearray(data)
    broken[len(frames[0]) - 1] ^= 1
    with pytest.raises(ValueError, match="cannot be decoded"):
        zstd.decode(bytes(broken))


def mask(bits, dims):
    """A mask as the format has it, from its definition: rows of whole 64-bit words."""
    words = -(-dims[0] // 64)
    data = b""
    for row in np.reshape(bits.T, (-1, dims[0])):
        number = sum(1 << at for at, bit in enumerate(row) if bit)
        data += number.to_bytes(8 * words, "little")
    return {"kind": "mask", **vars(Grid.plain(dims)), "voxels": memoryview(data)}


@pytest.mark.parametrize("dims", [(1, 1), (65, 2), (64, 3, 2), (7, 5, 3), (130, 1, 2)])
def test_masks_have_a_bit_a_voxel_and_padded_rows(dims):
    bits = np.random.default_rng(1).random(dims) < 0.5
    image = Image(lambda: mask(bits, dims))
    assert image.array.dtype == bool
    np.testing.assert_array_equal(image.array, bits)


def test_voxels_are_x_fastest_and_cannot_be_written_to():
    data = np.arange(24, dtype="<i2").tobytes()
    image = Image(lambda: {"kind": "i16", **vars(Grid.plain((4, 3, 2))), "voxels": memoryview(data)})
    assert image.array[1, 0, 0] == 1
    assert image.array[0, 1, 0] == 4
    assert image.array[0, 0, 1] == 12
    with pytest.raises(ValueError, match="read-only"):
        image.array[0, 0, 0] = 1


def test_colours_are_the_last_axis():
    data = np.arange(18, dtype="<f4").tobytes()
    told = {"kind": "f32", **vars(Grid.plain((3, 2))), "components": 3, "voxels": memoryview(data)}
    image = Image(lambda: told)
    assert image.array.shape == (3, 2, 3)
    assert list(image.array[1, 0]) == [3, 4, 5]
    assert image._repr_png_().startswith(b"\x89PNG")


def oblique():
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
    voxels = np.random.default_rng(2).random((5, 4, 3)).astype("f4")
    return Image.of(voxels, (1.0, 1.5, 2.0), (-10.0, 5.0, 3.5), turn.ravel())


def test_simpleitk_and_nibabel_see_the_same_voxels_at_the_same_places():
    sitk = pytest.importorskip("SimpleITK")
    nibabel = pytest.importorskip("nibabel")
    image = oblique()
    there = image.sitk()
    assert there.GetPixel(4, 1, 2) == image.array[4, 1, 2]
    lps = np.array(there.TransformIndexToPhysicalPoint((4, 1, 2)))
    other = image.nibabel()
    ras = nibabel.affines.apply_affine(other.affine, (4, 1, 2))
    np.testing.assert_allclose(ras, lps * (-1, -1, 1), atol=1e-5)
    assert Image.from_sitk(there) == image
    back = Image.from_nibabel(other)
    np.testing.assert_allclose(back.direction, image.direction, atol=1e-6)
    np.testing.assert_array_equal(back.array, image.array)
    flat = Image.of(np.arange(6, dtype="u1").reshape(3, 2), (1, 2))
    assert flat.sitk().GetPixel(2, 1) == flat.array[2, 1]
    assert flat.nibabel().shape == (3, 2, 1)
    assert sitk.GetArrayFromImage(Image.of(np.ones((3, 2, 2), bool)).sitk()).dtype == np.uint8


def test_simpleitk_reads_the_files_that_are_written(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    image = oblique()
    image.write_mha(tmp_path / "image.mha")
    assert Image.from_sitk(sitk.ReadImage(str(tmp_path / "image.mha"))) == image


def test_three_slices_have_the_proportions_of_the_world():
    picture = show.slices(np.random.default_rng(0).random((10, 20, 5)), (1.0, 1.0, 4.0))
    width, height = struct.unpack(">II", picture[16:24])
    # Across z 80 x 160, across y 80 x 160, across x 160 x 160, with 4 pixels between.
    assert (width, height) == (80 + 4 + 80 + 4 + 160, 160)
    assert show.slices(np.zeros((3, 4)), (1, 1)).startswith(b"\x89PNG")
    assert show.slices(np.full((3, 4, 2), np.nan), (1, 1, 1)).startswith(b"\x89PNG")


def test_an_image_is_read_when_it_is_looked_at():
    read = []

    def reader():
        read.append(1)
        return {"kind": "u8", **vars(Grid.plain((2, 1))), "voxels": memoryview(b"\1\2")}

    image = Image(reader)
    assert "not read" in repr(image)
    assert read == []
    assert image.array.sum() + np.asarray(image).sum() == 6
    assert read == [1]


@pytest.mark.parametrize("wrong", [{"spacing": (1,)}, {"origin": (0, 0)}, {"direction": (1,) * 4}])
def test_grids_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="do not fit"):
        Image.of(np.zeros((2, 2, 2)), **wrong)
