//! From files to images.

use std::sync::Arc;

use crate::kernel::format::gzip;
use crate::kernel::format::nifti::header::{self, Components, Header, LONGEST};
use crate::kernel::format::number::{self, Number};
use crate::pool::{ALIGN, Block, Buffer};
use crate::primitive::contract::{Output, Warning};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::volume::{Colour, Volume};
use crate::with_voxel_type;

/// Reads the header of a file, of which the first bytes are enough.
pub fn header(file: &[u8]) -> Result<Header, Refusal> {
    if gzip::is_gzip(file) {
        header::parse(&gzip::first(file, LONGEST))
    } else {
        header::parse(file)
    }
}

/// Reads an image, or the sequence of its frames, or one of them.
///
/// `files` are the one file, or the `.hdr` and the `.img`. Integers stay what they are; scaled numbers
/// become f32; numbers that are not finite become 0 and are counted. Bytes behind the voxels are
/// ignored, also inside a deflated file.
pub fn read(files: &[&[u8]], frame: Option<usize>) -> Result<Output, Refusal> {
    let first = files.first().ok_or(Refusal::new(Code::Format))?;
    let header = header(first)?;
    if files.len() != 1 + usize::from(header.pair) {
        return Err(Refusal::with(Code::Format, &[files.len() as f64]));
    }
    let body = files[usize::from(header.pair)];
    if let Some(frame) = frame {
        let frames = header.frames.unwrap_or(1);
        if frame >= frames {
            return Err(Refusal::with(Code::Range, &[frame as f64, frames as f64]));
        }
    }
    let mut warnings = header.warnings.clone();
    let mut zeroed = 0;
    let value = match (header.frames, frame) {
        (Some(_), Some(frame)) => {
            let bytes = Bytes::load(body, &header, frame + 1)?;
            image(&header, bytes.frame(&header, frame), &mut zeroed)
        }
        (Some(frames), None) => {
            let bytes = Bytes::load(body, &header, frames)?;
            let images = (0..frames)
                .map(|frame| image(&header, bytes.frame(&header, frame), &mut zeroed))
                .collect();
            Value::sequence(images)
        }
        (None, _) => match Bytes::load(body, &header, 1)? {
            Bytes::Block { block, start }
                if header.components == Components::One && header.scale.is_none() =>
            {
                lend(&header, block, start, &mut zeroed)
            }
            bytes => image(&header, bytes.frame(&header, 0), &mut zeroed),
        },
    };
    if zeroed > 0 {
        warnings.push(Warning { code: "nonfinite", count: zeroed });
    }
    Ok(Output { value, warnings, file: None })
}

/// The bytes of some frames, as stored.
enum Bytes<'a> {
    /// In the file.
    File(&'a [u8]),
    /// Inflated, the voxels from byte `start` on a boundary of 64.
    Block { block: Block, start: usize },
}

impl<'a> Bytes<'a> {
    fn load(file: &'a [u8], header: &Header, frames: usize) -> Result<Self, Refusal> {
        let end = header.offset + header.frame_bytes() * frames;
        let cut = || Refusal::with(Code::Format, &[file.len() as f64, end as f64]);
        if !gzip::is_gzip(file) {
            return file.get(header.offset..end).map(Self::File).ok_or_else(cut);
        }
        // A small file that announces much takes no memory.
        if !gzip::can_hold(file, end) {
            return Err(cut());
        }
        let shift = header.offset.next_multiple_of(ALIGN) - header.offset;
        let mut block = Block::take(shift + end);
        gzip::fill(file, &mut block.bytes_mut()[shift..shift + end]).map_err(|_| cut())?;
        Ok(Self::Block { block, start: shift + header.offset })
    }

    fn frame(&self, header: &Header, frame: usize) -> &[u8] {
        let len = header.frame_bytes();
        match self {
            Self::File(bytes) => &bytes[frame * len..][..len],
            Self::Block { block, start } => &block.bytes()[start + frame * len..][..len],
        }
    }
}

/// Makes an image that keeps the block.
fn lend(header: &Header, block: Block, start: usize, zeroed: &mut u64) -> Value {
    let grid = header.grid.clone();
    let voxels = with_voxel_type!(header.stored, T => {
        let mut buffer = Buffer::<T>::inside(block, start, grid.voxels());
        *zeroed += number::settle(&mut buffer, header.order);
        T::voxels(buffer)
    });
    Value::Volume(Volume { grid, voxels })
}

/// Makes an image of a frame's bytes.
fn image(header: &Header, bytes: &[u8], zeroed: &mut u64) -> Value {
    with_voxel_type!(header.stored, T => {
        let mut stored = Buffer::<T>::take(bytes.len() / size_of::<T>());
        bytemuck::cast_slice_mut(&mut stored).copy_from_slice(bytes);
        *zeroed += number::settle(&mut stored, header.order);
        numbers(header, stored, zeroed)
    })
}

fn numbers<T: Number>(header: &Header, stored: Buffer<T>, zeroed: &mut u64) -> Value {
    let grid = header.grid.clone();
    let components = header.components.count();
    if components == 1 && header.scale.is_none() {
        return Value::Volume(Volume { grid, voxels: T::voxels(stored) });
    }
    let (slope, inter) = header.scale.unwrap_or((1.0, 0.0));
    let scale = |number: &T| (number.to_f64() * slope + inter) as f32;
    let mut scaled = Buffer::<f32>::take(stored.len());
    if let Components::Behind(_) = header.components {
        let planes = stored.chunks_exact(grid.voxels());
        for (component, plane) in planes.enumerate() {
            let out = scaled[component..].iter_mut().step_by(components);
            for (out, number) in out.zip(plane) {
                *out = scale(number);
            }
        }
    } else {
        for (out, number) in scaled.iter_mut().zip(stored.iter()) {
            *out = scale(number);
        }
    }
    // What overflows f32 is not finite either.
    *zeroed += number::settle(&mut scaled, number::Order::Little);
    if components == 1 {
        Value::Volume(Volume::f32(grid, scaled))
    } else {
        Value::Colour(Colour { grid, components, voxels: Arc::new(scaled) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::codec::encode::encode;
    use crate::kernel::format::gzip::gzip;
    use crate::value::volume::{VoxelType, Voxels};

    /// A file of 2x3x2 i16 voxels 0, 1, 2, ... without units, forms and scale.
    fn plain() -> Vec<u8> {
        let mut file = vec![0; 352];
        put(&mut file, 0, &348i32.to_le_bytes());
        for (at, n) in [3i16, 2, 3, 2, 1, 1, 1, 1].iter().enumerate() {
            put(&mut file, 40 + 2 * at, &n.to_le_bytes());
        }
        put(&mut file, 70, &4i16.to_le_bytes());
        for (at, x) in [1f32, 0.5, 0.7, 3.0].iter().enumerate() {
            put(&mut file, 76 + 4 * at, &x.to_le_bytes());
        }
        put(&mut file, 108, &352f32.to_le_bytes());
        put(&mut file, 123, &[2]);
        put(&mut file, 344, b"n+1\0");
        file.extend((0..12i16).flat_map(i16::to_le_bytes));
        file
    }

    fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
        file[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn one(file: &[u8]) -> Result<Output, Refusal> {
        read(&[file], None)
    }

    fn volume(output: Output) -> Volume {
        let Value::Volume(volume) = output.value else { panic!("no number image") };
        volume
    }

    fn name(value: &Value) -> String {
        encode(value).digest().to_string()
    }

    #[test]
    fn without_forms_the_steps_count_and_the_world_is_lps() {
        let image = volume(one(&plain()).unwrap());
        assert_eq!(image.grid.dims(), [2, 3, 2]);
        assert_eq!(image.grid.spacing(), [0.5, f64::from(0.7f32), 3.0]);
        assert_eq!(image.grid.origin(), [0.0; 3]);
        assert_eq!(image.grid.direction(), [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(image.voxels.kind(), VoxelType::I16);
        assert_eq!(image.voxels.bytes(), &plain()[352..]);
    }

    #[test]
    fn the_rows_win_over_the_quaternion() {
        let mut file = plain();
        put(&mut file, 252, &1i16.to_le_bytes());
        // A half turn about z, at (5, 6, 7), the third axis the other way round.
        put(&mut file, 76, &(-1f32).to_le_bytes());
        for (at, x) in [0f32, 0.0, 1.0, 5.0, 6.0, 7.0].iter().enumerate() {
            put(&mut file, 256 + 4 * at, &x.to_le_bytes());
        }
        let image = volume(one(&file).unwrap());
        assert_eq!(image.grid.direction(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0]);
        assert_eq!(image.grid.origin(), [-5.0, -6.0, 7.0]);
        assert_eq!(image.grid.spacing(), [0.5, f64::from(0.7f32), 3.0]);
        put(&mut file, 254, &1i16.to_le_bytes());
        let rows = [[0f32, 2.0, 0.0, 9.0], [1.0, 0.0, 0.0, -8.0], [0.0, 0.0, 4.0, 1.0]];
        for (at, x) in rows.concat().iter().enumerate() {
            put(&mut file, 280 + 4 * at, &x.to_le_bytes());
        }
        put(&mut file, 123, &[1]);
        let image = volume(one(&file).unwrap());
        assert_eq!(image.grid.direction(), [0.0, -1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(image.grid.origin(), [-9000.0, 8000.0, 1000.0]);
        assert_eq!(image.grid.spacing(), [1000.0, 2000.0, 4000.0]);
    }

    #[test]
    fn unknown_units_and_sheared_axes_are_told() {
        let mut file = plain();
        put(&mut file, 123, &[0]);
        put(&mut file, 254, &1i16.to_le_bytes());
        let rows = [[1f32, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        for (at, x) in rows.concat().iter().enumerate() {
            put(&mut file, 280 + 4 * at, &x.to_le_bytes());
        }
        let output = one(&file).unwrap();
        let codes: Vec<&str> = output.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, ["units", "sheared"]);
        assert_eq!(volume(output).grid.spacing(), [1.0, 2f64.sqrt(), 1.0]);
    }

    #[test]
    fn both_byte_orders_and_both_versions_mean_the_same() {
        let want = name(&one(&plain()).unwrap().value);
        let mut big = plain();
        for (at, size) in [(0, 4), (70, 2), (108, 4)]
            .into_iter()
            .chain((0..8).map(|n| (40 + 2 * n, 2)))
            .chain((0..8).map(|n| (76 + 4 * n, 4)))
            .chain((0..12).map(|n| (352 + 2 * n, 2)))
        {
            big[at..at + size].reverse();
        }
        assert_eq!(name(&one(&big).unwrap().value), want);
        let mut two = vec![0; 544];
        put(&mut two, 0, &540i32.to_le_bytes());
        put(&mut two, 4, b"n+2\0\r\n\x1a\n");
        put(&mut two, 12, &4i16.to_le_bytes());
        for (at, n) in [3i64, 2, 3, 2].iter().enumerate() {
            put(&mut two, 16 + 8 * at, &n.to_le_bytes());
        }
        for (at, x) in [1.0, 0.5, f64::from(0.7f32), 3.0].iter().enumerate() {
            put(&mut two, 104 + 8 * at, &x.to_le_bytes());
        }
        put(&mut two, 168, &544i64.to_le_bytes());
        put(&mut two, 500, &2i32.to_le_bytes());
        two.extend_from_slice(&plain()[352..]);
        assert_eq!(name(&one(&two).unwrap().value), want);
        let mut pair = plain();
        put(&mut pair, 344, b"ni1\0");
        put(&mut pair, 108, &0f32.to_le_bytes());
        let (hdr, img) = pair.split_at(352);
        assert_eq!(name(&read(&[hdr, img], None).unwrap().value), want);
        assert_eq!(name(&read(&[hdr, &gzip(img)], None).unwrap().value), want);
        assert_eq!(one(&pair).unwrap_err().code, Code::Format);
        assert_eq!(read(&[&plain(), img], None).unwrap_err().code, Code::Format);
    }

    #[test]
    fn scaled_numbers_are_f32_and_what_is_not_finite_is_zero() {
        let mut file = plain();
        put(&mut file, 112, &0.5f32.to_le_bytes());
        put(&mut file, 116, &(-1f32).to_le_bytes());
        let Voxels::F32(voxels) = volume(one(&file).unwrap()).voxels else { panic!() };
        assert_eq!(voxels[..4], [-1.0, -0.5, 0.0, 0.5]);
        put(&mut file, 112, &f32::NAN.to_le_bytes());
        assert_eq!(volume(one(&file).unwrap()).voxels.kind(), VoxelType::I16);
        put(&mut file, 112, &0f32.to_le_bytes());
        put(&mut file, 70, &16i16.to_le_bytes());
        put(&mut file, 46, &1i16.to_le_bytes());
        let numbers = [1.5, f32::NAN, f32::INFINITY, -0.0, f32::NEG_INFINITY, 2.0];
        put(&mut file, 352, bytemuck::cast_slice(&numbers));
        for file in [file.clone(), gzip(&file)] {
            let output = one(&file).unwrap();
            assert_eq!(output.warnings, [Warning { code: "nonfinite", count: 3 }]);
            let Voxels::F32(voxels) = volume(output).voxels else { panic!() };
            let want = [1.5f32, 0.0, 0.0, -0.0, 0.0, 2.0];
            assert_eq!(voxels.bytes(), bytemuck::cast_slice::<f32, u8>(&want));
        }
    }

    #[test]
    fn the_fourth_axis_is_a_sequence() {
        let mut file = plain();
        put(&mut file, 40, &4i16.to_le_bytes());
        put(&mut file, 46, &1i16.to_le_bytes());
        put(&mut file, 48, &2i16.to_le_bytes());
        for file in [file.clone(), gzip(&file)] {
            let Value::Sequence(frames) = one(&file).unwrap().value else { panic!() };
            assert_eq!(frames.len(), 2);
            for (at, frame) in frames.iter().enumerate() {
                let alone = read(&[&file], Some(at)).unwrap();
                assert_eq!(name(&alone.value), name(frame));
                assert_eq!(volume(alone).voxels.bytes()[0], 6 * at as u8);
            }
            assert_eq!(read(&[&file], Some(2)).unwrap_err().code, Code::Range);
        }
    }

    #[test]
    fn colours_lie_beside_or_behind_each_other() {
        let mut file = plain();
        put(&mut file, 70, &128i16.to_le_bytes());
        put(&mut file, 44, &2i16.to_le_bytes());
        let Value::Colour(colour) = one(&file).unwrap().value else { panic!() };
        assert_eq!((colour.components, colour.voxels[..4].to_vec()), (3, vec![0.0, 0.0, 1.0, 0.0]));
        let mut file = plain();
        for (at, n) in [5i16, 2, 2, 1, 1, 3].iter().enumerate() {
            put(&mut file, 40 + 2 * at, &n.to_le_bytes());
        }
        let Value::Colour(colour) = one(&file).unwrap().value else { panic!() };
        assert_eq!(colour.grid.dims(), [2, 2, 1]);
        assert_eq!(colour.voxels[..4], [0.0, 4.0, 8.0, 1.0]);
    }

    #[test]
    fn members_behind_the_first_and_surplus_are_handled() {
        let file = plain();
        let want = name(&one(&file).unwrap().value);
        let mut members = gzip(&file[..355]);
        members.extend(gzip(&file[355..]));
        assert_eq!(name(&one(&members).unwrap().value), want);
        members.extend_from_slice(b"behind");
        assert_eq!(name(&one(&members).unwrap().value), want);
        let surplus = [&file[..], &[0; 4000]].concat();
        assert_eq!(name(&one(&surplus).unwrap().value), want);
        assert_eq!(name(&one(&gzip(&surplus)).unwrap().value), want);
    }

    #[test]
    fn headers_that_lie_are_refused_without_taking_memory() {
        let lie = |at: usize, bytes: &[u8]| {
            let mut file = plain();
            put(&mut file, at, bytes);
            (one(&file).unwrap_err().code, one(&gzip(&file)).unwrap_err().code)
        };
        let before = crate::pool::usage().1;
        assert_eq!(lie(42, &[0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f]), (Code::Dims, Code::Dims));
        assert_eq!(lie(42, &[0xff, 0x7f, 0xff, 0x7f, 9, 0]), (Code::Format, Code::Format));
        assert!(crate::pool::usage().1 < before + (1 << 30));
        assert_eq!(lie(42, &(-2i16).to_le_bytes()), (Code::Dims, Code::Dims));
        assert_eq!(lie(40, &[0, 0]), (Code::Dims, Code::Dims));
        assert_eq!(lie(40, &[9, 0]), (Code::Dims, Code::Dims));
        assert_eq!(lie(70, &[1, 0]), (Code::Format, Code::Format));
        assert_eq!(lie(108, &f32::NAN.to_le_bytes()), (Code::Format, Code::Format));
        assert_eq!(lie(108, &(-1f32).to_le_bytes()), (Code::Format, Code::Format));
        assert_eq!(lie(80, &f32::NAN.to_le_bytes()), (Code::Range, Code::Range));
        assert_eq!(lie(254, &[1, 0]), (Code::Range, Code::Range));
        let file = plain();
        for file in [&file[..], &gzip(&file)] {
            for at in 0..file.len() {
                assert!(one(&file[..at]).is_err());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn no_bytes_panic(at in 0usize..400, bytes in any::<[u8; 8]>()) {
            let mut file = plain();
            let at = at.min(file.len() - 8);
            put(&mut file, at, &bytes);
            let raw = one(&file).map(|output| name(&output.value)).ok();
            let deflated = one(&gzip(&file)).map(|output| name(&output.value)).ok();
            prop_assert_eq!(raw, deflated);
        }
    }
}
