//! An image on the grid of another.
#![expect(clippy::inline_always, reason = "`widest` compiles anew only what is inlined into it")]

use std::sync::Arc;

use crate::each_voxel_type;
use crate::kernel::argument;
use crate::kernel::itk::typed;
use crate::kernel::itk::voxel::Voxel;
use crate::kernel::number::simd;
use crate::kernel::share;
use crate::pool::Buffer;
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;
use crate::value::volume::Voxels;

/// Indices are rounded to this part of a voxel: what floats lose on the way through the world does
/// not move a voxel off its place.
const FINEST: f64 = 67_108_864.0;

/// Returns an image on the grid of a reference, `default` where that lies outside of it.
///
/// A place is inside when its index lies in `[-0.5, n - 0.5)` on every axis.
pub fn resample(call: &Call<'_>) -> Result<Output, Refusal> {
    let args = call.args;
    let volume = typed::volume_at(args, 0)?;
    let target = argument::at(args, 1)?.grid().ok_or_else(argument::kind)?;
    let is_linear = match argument::integer(argument::at(args, 2)?)? {
        1 => false,
        2 => true,
        other => return Err(Refusal::with(Code::Range, &[other as f64, 1.0, 2.0])),
    };
    let axes = [volume.grid.dims().len() as f64, target.dims().len() as f64];
    if axes[0] != axes[1] {
        return Err(Refusal::with(Code::Dims, &axes));
    }
    let map = Map::new(&volume.grid, target)?;
    let voxels = each_voxel_type!(&volume.voxels, voxels => {
        resampled(voxels, &volume.grid, target, &map, is_linear, args)?
    });
    Ok(typed::image(target, voxels).into())
}

/// From an index of the target to one of the source: `matrix * index + shift`.
struct Map {
    matrix: [[f64; 3]; 3],
    shift: [f64; 3],
}

impl Map {
    fn new(source: &Arc<Grid>, target: &Arc<Grid>) -> Result<Self, Refusal> {
        let (from, to) = (columns(target), columns(source));
        let back = inverse(&to).ok_or_else(|| Refusal::new(Code::Range))?;
        let mut matrix = [[0.0; 3]; 3];
        for (row, out) in back.iter().zip(&mut matrix) {
            for (column, out) in out.iter_mut().enumerate() {
                *out = (0..3).fold(0.0, |sum, at| sum + row[at] * from[at][column]);
            }
        }
        let origin = |grid: &Grid, axis: usize| grid.origin().get(axis).copied().unwrap_or(0.0);
        let moved: Vec<f64> = (0..3).map(|at| origin(target, at) - origin(source, at)).collect();
        let shift = back.map(|row| (0..3).fold(0.0, |sum, at| sum + row[at] * moved[at]));
        Ok(Self { matrix, shift })
    }

    /// Returns the index along one axis of the source.
    #[inline(always)]
    fn along(&self, axis: usize, index: [usize; 3]) -> f64 {
        let sum = (0..3).fold(0.0, |sum, at| sum + self.matrix[axis][at] * index[at] as f64);
        ((sum + self.shift[axis]) * FINEST).round_ties_even() / FINEST
    }

    /// Says whether an index along an axis depends on that axis alone.
    fn is_straight(&self) -> bool {
        let others = |row: usize| (0..3).filter(move |column| *column != row);
        (0..3).all(|row| others(row).all(|column| self.matrix[row][column] == 0.0))
    }
}

/// Returns the index-to-world matrix; an axis that is not there is its own.
fn columns(grid: &Grid) -> [[f64; 3]; 3] {
    let d = grid.dims().len();
    let mut matrix = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
    for (out, row) in matrix.iter_mut().zip(grid.direction().chunks_exact(d)) {
        for ((out, cosine), spacing) in out.iter_mut().zip(row).zip(grid.spacing()) {
            *out = cosine * spacing;
        }
    }
    matrix
}

fn inverse(m: &[[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let cofactor = |row: usize, column: usize| {
        let (a, b) = ((row + 1) % 3, (row + 2) % 3);
        let (c, d) = ((column + 1) % 3, (column + 2) % 3);
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let determinant = (0..3).fold(0.0, |sum, column| sum + m[0][column] * cofactor(0, column));
    if determinant == 0.0 || !determinant.is_finite() {
        return None;
    }
    let mut out = [[0.0; 3]; 3];
    for (row, out) in out.iter_mut().enumerate() {
        for (column, out) in out.iter_mut().enumerate() {
            *out = cofactor(column, row) / determinant;
        }
    }
    Some(out)
}

fn resampled<T: Voxel>(
    voxels: &[T],
    grid: &Grid,
    target: &Grid,
    map: &Map,
    is_linear: bool,
    args: &[Value],
) -> Result<Voxels, Refusal> {
    let default = typed::scalar_at::<T>(args, 3)?;
    let [nx, ny, nz] = target.shape();
    let shape = grid.shape();
    let step = |axis: usize, place: f64| Step::new(place, shape[axis], is_linear);
    let voxel = |steps: [Option<Step>; 3]| match steps {
        [Some(x), Some(y), Some(z)] if is_linear => T::of(linear(voxels, shape, [x, y, z])),
        [Some(x), Some(y), Some(z)] => voxels[(z.low * shape[1] + y.low) * shape[0] + x.low],
        _ => default,
    };
    let mut out = Buffer::<T>::take(target.voxels());
    if map.is_straight() {
        // Each axis of one grid lies along that of the other: its places are few.
        let steps = |axis: usize, n: usize| -> Vec<Option<Step>> {
            let at = |index: usize| {
                let mut place = [0; 3];
                place[axis] = index;
                step(axis, map.along(axis, place))
            };
            (0..n).map(at).collect()
        };
        let (x, y, z) = (steps(0, nx), steps(1, ny), steps(2, nz));
        share::pieces(&mut out, nx, &|row, out: &mut [T]| {
            let beside = y[row % ny].zip(z[row / ny]);
            simd::apply(resample_row, (voxels, shape, &x[..], beside, is_linear, default, out));
        });
    } else {
        share::pieces(&mut out, nx, &|row, out| {
            simd::widest(|| {
                for (x, out) in out.iter_mut().enumerate() {
                    let index = [x, row % ny, row / ny];
                    let steps = [0, 1, 2].map(|axis| step(axis, map.along(axis, index)));
                    *out = voxel(steps).tidy();
                }
            });
        });
    }
    Ok(T::voxels(out))
}

/// Resamples a row that lies along x of the source.
#[inline(always)]
#[allow(clippy::type_complexity, reason = "the arguments of one function")]
fn resample_row<T: Voxel>(
    (voxels, shape, along, beside, is_linear, default, out): (
        &[T],
        [usize; 3],
        &[Option<Step>],
        Option<(Step, Step)>,
        bool,
        T,
        &mut [T],
    ),
) {
    let Some((y, z)) = beside else { return out.fill(default.tidy()) };
    let row = |y: usize, z: usize| &voxels[(z * shape[1] + y) * shape[0]..][..shape[0]];
    // The rows that are looked at; one that is not needed is not.
    let rows = [row(y.low, z.low), row(y.high, z.low), row(y.low, z.high), row(y.high, z.high)];
    for (out, x) in out.iter_mut().zip(along) {
        let voxel = match x {
            None => default,
            Some(x) if !is_linear => rows[0][x.low],
            Some(x) => {
                let at = |row: &[T]| {
                    let first = row[x.low].wide();
                    if x.high == x.low { first } else { mix(first, row[x.high].wide(), x.part) }
                };
                let first = at(rows[0]);
                let first = if y.high == y.low { first } else { mix(first, at(rows[1]), y.part) };
                let all = if z.high == z.low {
                    first
                } else {
                    let second = at(rows[2]);
                    let second =
                        if y.high == y.low { second } else { mix(second, at(rows[3]), y.part) };
                    mix(first, second, z.part)
                };
                T::of(all)
            }
        };
        *out = voxel.tidy();
    }
}

#[inline(always)]
fn mix(a: f64, b: f64, part: f64) -> f64 {
    a + (b - a) * part
}

/// A place on one axis of the source: between two voxels, or on one.
#[derive(Clone, Copy)]
struct Step {
    low: usize,
    /// Where there is no next voxel, or it has no share, it is not looked at: NaN there does no harm.
    high: usize,
    part: f64,
}

impl Step {
    /// Returns nothing for a place outside.
    #[inline(always)]
    fn new(place: f64, n: usize, is_linear: bool) -> Option<Self> {
        if !(place >= -0.5 && place < n as f64 - 0.5) {
            return None;
        }
        if !is_linear {
            // Half way counts up; what is inside rounds to a voxel.
            let low = ((place + 0.5).floor() as usize).min(n - 1);
            return Some(Self { low, high: low, part: 0.0 });
        }
        let base = place.floor().max(0.0);
        let part = (place - base).max(0.0);
        let low = base as usize;
        Some(Self { low, high: if part > 0.0 && low + 1 < n { low + 1 } else { low }, part })
    }
}

/// Interpolates along x, then y, then z; behind the edge its voxel is repeated.
#[inline(always)]
fn linear<T: Voxel>(voxels: &[T], shape: [usize; 3], [x, y, z]: [Step; 3]) -> f64 {
    let get = |x: usize, y: usize, z: usize| voxels[(z * shape[1] + y) * shape[0] + x].wide();
    let along_x = |y: usize, z: usize| {
        let first = get(x.low, y, z);
        if x.high == x.low { first } else { mix(first, get(x.high, y, z), x.part) }
    };
    let along_y = |z: usize| {
        let first = along_x(y.low, z);
        if y.high == y.low { first } else { mix(first, along_x(y.high, z), y.part) }
    };
    let first = along_y(z.low);
    if z.high == z.low { first } else { mix(first, along_y(z.high), z.part) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::canon::Tree;
    use crate::kernel::space::sample;

    fn run(image: &Value, reference: &Value, interpolator: f64, default: f64) -> Vec<f64> {
        let args =
            [image.clone(), reference.clone(), Value::Number(interpolator), Value::Number(default)];
        let call = Call { args: &args, params: &Tree::Map(vec![]), files: &[] };
        let Value::Volume(out) = resample(&call).unwrap().value else { panic!("an image") };
        each_voxel_type!(&out.voxels, voxels => voxels.iter().map(|voxel| voxel.wide()).collect())
    }

    fn skew(dims: &[usize], origin: f64) -> Arc<Grid> {
        let (c, s) = (libm::cos(0.3), libm::sin(0.3));
        let direction = [c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0];
        Arc::new(Grid::new(dims, &[0.7, 0.9, 3.3], &[origin, 7.1, 0.2], &direction).unwrap())
    }

    #[test]
    fn an_image_on_its_own_grid_stays_as_it_is() {
        let grid = skew(&[11, 9, 7], -13.3);
        let voxels: Vec<i16> = (0..11 * 9 * 7).map(|at| (at * 37 % 251) as i16 - 99).collect();
        let image = typed::image(&grid, Voxels::I16(Arc::new(Buffer::copied(&voxels))));
        let want: Vec<f64> = voxels.iter().map(|voxel| f64::from(*voxel)).collect();
        assert_eq!(run(&image, &image, 1.0, -7.0), want);
        assert_eq!(run(&image, &image, 2.0, -7.0), want);
    }

    #[test]
    fn half_a_voxel_belongs_to_the_image_below_but_not_above() {
        let grid = Arc::new(Grid::plain(&[4, 1]).unwrap());
        let voxels = Voxels::U8(Arc::new(Buffer::copied(&[10u8, 20, 30, 40])));
        let image = typed::image(&grid, voxels);
        let fine = Grid::new(&[9, 1], &[0.5, 1.0], &[-0.5, 0.0], &[1.0, 0.0, 0.0, 1.0]).unwrap();
        let fine = Value::Grid(Arc::new(fine));
        let nearest = [10.0, 10.0, 20.0, 20.0, 30.0, 30.0, 40.0, 40.0, 1.0];
        assert_eq!(run(&image, &fine, 1.0, 1.0), nearest);
        let linear = [10.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 1.0];
        assert_eq!(run(&image, &fine, 2.0, 1.0), linear);
    }

    /// Each voxel by its own place in the source.
    fn defined(voxels: &[f64], grid: &Grid, map: &Map, index: [usize; 3], is_linear: bool) -> f64 {
        let shape = grid.shape();
        let place = [0, 1, 2].map(|axis| map.along(axis, index));
        if !(0..3).all(|at| place[at] >= -0.5 && place[at] < shape[at] as f64 - 0.5) {
            return -7.0;
        }
        let get = |at: [usize; 3]| voxels[(at[2] * shape[1] + at[1]) * shape[0] + at[0]];
        if !is_linear {
            return get([0, 1, 2].map(|at| ((place[at] + 0.5).floor() as usize).min(shape[at] - 1)));
        }
        let low = [0, 1, 2].map(|at| place[at].floor().max(0.0) as usize);
        let part = [0, 1, 2].map(|at| (place[at] - low[at] as f64).max(0.0));
        let high = [0, 1, 2]
            .map(|at| if part[at] > 0.0 { (low[at] + 1).min(shape[at] - 1) } else { low[at] });
        let mix = |a: f64, b: f64, part: f64| a + (b - a) * part;
        let x = |y: usize, z: usize| mix(get([low[0], y, z]), get([high[0], y, z]), part[0]);
        let y = |z: usize| mix(x(low[1], z), x(high[1], z), part[1]);
        mix(y(low[2]), y(high[2]), part[2])
    }

    proptest! {
        #[test]
        fn voxels_are_those_of_their_places(
            grid in sample::grid(),
            seed: u64,
            spacing in 0.4f64..2.0,
            origin in -2.0f64..2.0,
            turned: bool,
            is_linear: bool,
        ) {
            let axes = grid.dims().len();
            let (c, s) = if turned { (libm::cos(0.3), libm::sin(0.3)) } else { (1.0, 0.0) };
            let direction = if axes == 2 {
                vec![c, -s, s, c]
            } else {
                vec![c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0]
            };
            let target = Grid::new(grid.dims(), &vec![spacing; axes], &vec![origin; axes], &direction);
            let target = Arc::new(target.unwrap());
            let voxels: Vec<f64> =
                sample::voxels(grid.voxels(), seed).into_iter().map(f64::from).collect();
            let image = typed::image(&grid, Voxels::F64(Arc::new(Buffer::copied(&voxels))));
            let map = Map::new(&grid, &target).unwrap();
            let [nx, ny, _] = target.shape();
            let want: Vec<u64> = (0..target.voxels())
                .map(|at| [at % nx, at / nx % ny, at / nx / ny])
                .map(|index| defined(&voxels, &grid, &map, index, is_linear).to_bits())
                .collect();
            let target = Value::Grid(target);
            sample::on_each_path(|| {
                let got = run(&image, &target, if is_linear { 2.0 } else { 1.0 }, -7.0);
                assert!(got.iter().map(|x| x.to_bits()).eq(want.iter().copied()));
            });
        }

        #[test]
        fn places_are_those_of_the_world(grid in sample::grid(), x in 0usize..20, y in 0usize..12, z in 0usize..10) {
            let axes = grid.dims().len();
            let other = Arc::new(Grid::new(
                grid.dims(),
                &[0.7, 1.3, 2.0][..axes],
                &[3.0, -4.0, 5.5][..axes],
                grid.direction(),
            ).unwrap());
            let map = Map::new(&grid, &other).unwrap();
            let place = [0, 1, 2].map(|axis| map.along(axis, [x, y, z]));
            for axis in 0..axes {
                let world = other.origin()[axis] + other.spacing()[axis] * [x, y, z][axis] as f64;
                let want = (world - grid.origin()[axis]) / grid.spacing()[axis];
                prop_assert!((place[axis] - want).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn images_of_other_axes_are_refused() {
        let flat =
            typed::image(&Arc::new(Grid::plain(&[4, 1]).unwrap()), u8::voxels(Buffer::zeroed(4)));
        let args =
            [flat, Value::Grid(skew(&[3, 3, 3], 0.0)), Value::Number(2.0), Value::Number(0.0)];
        let call = Call { args: &args, params: &Tree::Map(vec![]), files: &[] };
        assert_eq!(resample(&call).unwrap_err().code, Code::Dims);
    }
}
