//! One slice of an image as a picture.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::each_voxel_type;
use crate::serve::reply::Problem;
use crate::serve::value::range;
use crate::value::data::Value;

/// An axis of a grid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// The first, which voxels follow.
    X,
    /// The second.
    Y,
    /// The third.
    #[default]
    Z,
}

impl Axis {
    /// Returns the letter.
    pub fn word(self) -> &'static str {
        match self {
            Self::X => "x",
            Self::Y => "y",
            Self::Z => "z",
        }
    }
}

/// What is looked at, and how.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The axis that the slice lies across.
    pub axis: Axis,
    /// Which slice; none means the middle.
    pub i: Option<u64>,
    /// What is black and what is white; none means the range of the voxels.
    pub window: Option<[f64; 2]>,
    /// Pixels of a voxel.
    pub scale: usize,
    /// Pixels along an axis, at most.
    pub most: usize,
}

/// Returns a PNG file: the axes that are left go right and down, from the first voxel on.
///
/// Numbers are grey, NaN is black; a mask is black and white; colours stay colours.
pub fn png(value: &Value, view: &View) -> Result<Vec<u8>, Problem> {
    let grid = value.grid().ok_or_else(|| Problem::unfit("kind", "not an image"))?;
    let [nx, ny, nz] = grid.shape();
    // Of a slice: how many voxels it has right and down, how many slices there are, and the steps.
    let (right, down, slices, steps) = match view.axis {
        Axis::X => (ny, nz, nx, [nx, nx * ny, 1]),
        Axis::Y => (nx, nz, ny, [1, nx * ny, nx]),
        Axis::Z => (nx, ny, nz, [1, nx, nx * ny]),
    };
    let i = view.i.unwrap_or(slices as u64 / 2);
    if i >= slices as u64 {
        let detail = format!("the slices across {} are 0 to {}", view.axis.word(), slices - 1);
        return Err(Problem::unfit("slice", detail));
    }
    let (width, height) = (right * view.scale, down * view.scale);
    if width > view.most || height > view.most {
        let most = view.most;
        let detail = format!("{width} x {height} pixels, where {most} x {most} are the most");
        return Err(Problem::unfit("large", detail));
    }
    let first = i as usize * steps[2];
    let at = |column: usize, row: usize| first + column * steps[0] + row * steps[1];
    let (samples, bytes) = voxels(value, view, [right, down], &at)?;
    write([width, height], samples, &spread(&bytes, [right, down], samples, view.scale))
}

/// Returns how many samples a voxel has, and the samples of the slice, row by row.
#[expect(
    clippy::unnecessary_cast,
    clippy::cast_lossless,
    reason = "the macro casts numbers of every type"
)]
fn voxels(
    value: &Value,
    view: &View,
    [right, down]: [usize; 2],
    at: &dyn Fn(usize, usize) -> usize,
) -> Result<(usize, Vec<u8>), Problem> {
    let places = (0..down).flat_map(|row| (0..right).map(move |column| (column, row)));
    let [lo, hi] = match view.window {
        Some(window) => window,
        None if matches!(value, Value::Mask(_)) => [0.0, 1.0],
        None => range(value).unwrap_or([0.0, 1.0]),
    };
    let grey = |x: f64| shade(x, lo, hi);
    Ok(match value {
        Value::Mask(mask) => {
            let [nx, ny, _] = mask.grid.shape();
            let bytes = places.map(|(column, row)| {
                let at = at(column, row);
                let is_true = mask.get(at % nx, at / nx % ny, at / nx / ny);
                grey(f64::from(u8::from(is_true)))
            });
            (1, bytes.collect())
        }
        Value::Volume(volume) => {
            let bytes = each_voxel_type!(&volume.voxels, buffer => {
                places.map(|(column, row)| grey(buffer[at(column, row)] as f64)).collect()
            });
            (1, bytes)
        }
        Value::Colour(colour) => {
            let parts = colour.components;
            let bytes = places.flat_map(|(column, row)| {
                let at = at(column, row) * parts;
                colour.voxels[at..at + parts].iter().map(|x| grey(f64::from(*x)))
            });
            (parts, bytes.collect())
        }
        _ => return Err(Problem::unfit("kind", "not an image")),
    })
}

fn shade(x: f64, lo: f64, hi: f64) -> u8 {
    if x.is_nan() || x <= lo && lo < hi {
        0
    } else if x >= hi {
        if lo == hi && x < lo { 0 } else { 255 }
    } else if lo < hi {
        // Both ends may be so far apart that their distance is no number.
        ((x / 2.0 - lo / 2.0) / (hi / 2.0 - lo / 2.0) * 255.0).round() as u8
    } else {
        0
    }
}

/// Makes a square of pixels of each voxel.
fn spread(bytes: &[u8], [right, down]: [usize; 2], samples: usize, scale: usize) -> Vec<u8> {
    if scale == 1 {
        return bytes.to_vec();
    }
    let mut out = Vec::with_capacity(bytes.len() * scale * scale);
    for row in 0..down {
        let row = &bytes[row * right * samples..(row + 1) * right * samples];
        let start = out.len();
        for voxel in row.chunks_exact(samples) {
            for _ in 0..scale {
                out.extend_from_slice(voxel);
            }
        }
        let end = out.len();
        for _ in 1..scale {
            out.extend_from_within(start..end);
        }
    }
    out
}

fn write([width, height]: [usize; 2], samples: usize, bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    let failed = |error: png::EncodingError| Problem::ours(error.to_string());
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(match samples {
        1 => png::ColorType::Grayscale,
        3 => png::ColorType::Rgb,
        _ => png::ColorType::Rgba,
    });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(bytes).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use super::*;
    use crate::pool::Buffer;
    use crate::value::grid::Grid;
    use crate::value::volume::Volume;

    fn volume() -> Value {
        let grid = Arc::new(Grid::plain(&[3, 4, 5]).unwrap());
        let numbers: Vec<f32> = (0..60).map(|x| x as f32).collect();
        Value::Volume(Volume::f32(grid, Buffer::copied(&numbers)))
    }

    fn pixels(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        (info.width, info.height, bytes)
    }

    #[test]
    fn slices_show_the_voxels_they_lie_on() {
        let value = volume();
        for (axis, i, wide, high) in [(Axis::X, 2, 4, 5), (Axis::Y, 1, 3, 5), (Axis::Z, 4, 3, 4)] {
            let view = View { axis, i: Some(i), window: Some([0.0, 255.0]), scale: 1, most: 4096 };
            let (width, height, bytes) = pixels(&png(&value, &view).unwrap());
            assert_eq!((width, height), (wide, high));
            for row in 0..high {
                for column in 0..wide {
                    let (c, r, i) = (column as usize, row as usize, i as usize);
                    let [x, y, z] = match axis {
                        Axis::X => [i, c, r],
                        Axis::Y => [c, i, r],
                        Axis::Z => [c, r, i],
                    };
                    let byte = bytes[(row * wide + column) as usize];
                    assert_eq!(usize::from(byte), x + 3 * (y + 4 * z));
                }
            }
        }
    }

    #[test]
    fn each_voxel_is_a_square() {
        let view =
            View { axis: Axis::Z, i: Some(0), window: Some([0.0, 255.0]), scale: 3, most: 4096 };
        let (width, height, bytes) = pixels(&png(&volume(), &view).unwrap());
        assert_eq!((width, height), (9, 12));
        assert!((0..108).all(|at| usize::from(bytes[at]) == at % 9 / 3 + at / 9 / 3 * 3));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let view = View { axis: Axis::Z, i: Some(5), window: None, scale: 1, most: 4096 };
        assert!(png(&volume(), &view).is_err());
        assert!(png(&volume(), &View { i: None, scale: 8, most: 31, ..view }).is_err());
        assert!(png(&volume(), &View { i: None, scale: 8, most: 32, ..view }).is_ok());
    }

    #[test]
    fn the_window_decides_what_is_black_and_white() {
        assert_eq!([-1.0, 0.0, 0.5, 1.0, 2.0].map(|x| shade(x, 0.0, 1.0)), [0, 0, 128, 255, 255]);
        assert_eq!([0.0, 1.0, 2.0].map(|x| shade(x, 1.0, 1.0)), [0, 255, 255]);
        assert_eq!(shade(f64::NAN, 0.0, 1.0), 0);
        assert_eq!(shade(0.0, f64::MIN, f64::MAX), 128);
    }
}
