//! From the fields of a header to a grid, and back.
//!
//! `sform` when `sform_code` > 0, else `qform` when `qform_code` > 0, else `pixdim` (the order of the
//! standard; ITK prefers `qform` unless the `sform` says scanner coordinates). The world of `NIfTI` is RAS,
//! ours LPS: x and y change sign.

use crate::primitive::contract::Warning;
use crate::primitive::refusal::{Code, Refusal};
use crate::value::grid::{Bad, Grid};

/// The fields that say where voxels lie.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// Above 0 when the quaternion counts.
    pub qform_code: i32,
    /// Above 0 when the rows count.
    pub sform_code: i32,
    /// The lowest three bits of `xyzt_units`.
    pub units: i32,
    /// Sign of the third axis, then the steps along the axes.
    pub pixdim: [f64; 4],
    /// b, c and d of a unit quaternion.
    pub quatern: [f64; 3],
    /// World coordinates of the first voxel.
    pub qoffset: [f64; 3],
    /// Rows of index-to-world.
    pub srow: [[f64; 4]; 3],
}

/// Axes that are farther from a right angle than this (as cosine) are said to be sheared.
const RIGHT: f64 = 1e-4;

/// Makes the grid of an image with these dims, two or three.
///
/// A sheared `sform` is kept, spacing being the lengths of its columns, with the warning `sheared`;
/// unknown units are mm with the warning `units`.
pub fn grid(fields: &Fields, dims: &[usize], warnings: &mut Vec<Warning>) -> Result<Grid, Refusal> {
    let mm = match fields.units {
        1 => 1000.0,
        2 => 1.0,
        3 => 0.001,
        _ => {
            warnings.push(Warning { code: "units", count: 1 });
            1.0
        }
    };
    let (direction, spacing, origin) = if fields.sform_code > 0 {
        by_rows(&fields.srow)
    } else if fields.qform_code > 0 {
        (rotation(fields), steps(fields), fields.qoffset)
    } else {
        let identity = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        (identity, steps(fields), [0.0; 3])
    };
    let lps = [-1.0, -1.0, 1.0];
    let axes = dims.len();
    let mut cosines: Vec<f64> = Vec::with_capacity(axes * axes);
    for row in 0..axes {
        cosines.extend(direction[row][..axes].iter().map(|x| x * lps[row]));
    }
    let spacing: Vec<f64> = spacing[..axes].iter().map(|step| step * mm).collect();
    let origin: Vec<f64> = (0..axes).map(|row| origin[row] * lps[row] * mm).collect();
    if axes == 2 {
        flatten(&mut cosines);
    }
    if dot(&cosines, axes) > RIGHT {
        warnings.push(Warning { code: "sheared", count: 1 });
    }
    Grid::new(dims, &spacing, &origin, &cosines).map_err(|bad| {
        if bad == Bad::Geometry {
            return Refusal::with(Code::Range, &spacing);
        }
        let dims: Vec<f64> = dims.iter().map(|n| *n as f64).collect();
        Refusal::with(Code::Dims, &dims)
    })
}

fn by_rows(srow: &[[f64; 4]; 3]) -> ([[f64; 3]; 3], [f64; 3], [f64; 3]) {
    let mut direction = [[0.0; 3]; 3];
    let mut spacing = [0.0; 3];
    for column in 0..3 {
        let entries = srow.map(|row| row[column]);
        // One entry: its size, to the bit; the root of a square may round.
        let alone = entries.iter().filter(|x| **x != 0.0).count() == 1;
        let square: f64 = entries.iter().map(|x| x * x).sum();
        spacing[column] = if alone { entries.iter().map(|x| x.abs()).sum() } else { square.sqrt() };
        for row in 0..3 {
            direction[row][column] = entries[row] / spacing[column];
        }
    }
    (direction, spacing, srow.map(|row| row[3]))
}

/// Returns the steps along the axes; 0 stands for 1, and signs mean nothing (`nifti1_io.c`).
fn steps(fields: &Fields) -> [f64; 3] {
    std::array::from_fn(|n| match fields.pixdim[n + 1].abs() {
        0.0 => 1.0,
        step => step,
    })
}

/// Returns the rotation of the quaternion (`nifti_quatern_to_mat44`), the third column times qfac.
fn rotation(fields: &Fields) -> [[f64; 3]; 3] {
    let [mut b, mut c, mut d] = fields.quatern;
    let mut a = 1.0 - (b * b + c * c + d * d);
    if a < 1e-7 {
        let scale = 1.0 / (b * b + c * c + d * d).sqrt();
        (a, b, c, d) = (0.0, b * scale, c * scale, d * scale);
    } else {
        a = a.sqrt();
    }
    let qfac = if fields.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c) * qfac],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b) * qfac],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), (a * a + d * d - c * c - b * b) * qfac],
    ]
}

/// Makes columns of length 1 of what is left of a plane in space; a plane that stands upright in it
/// becomes axes of its own, as in ITK.
fn flatten(cosines: &mut [f64]) {
    let columns = [libm::hypot(cosines[0], cosines[2]), libm::hypot(cosines[1], cosines[3])];
    let area = (cosines[0] * cosines[3] - cosines[1] * cosines[2]).abs();
    if !columns.iter().all(|len| len.is_finite()) {
        return;
    }
    if area < 1e-6 {
        cosines.copy_from_slice(&[1.0, 0.0, 0.0, 1.0]);
        return;
    }
    for (at, x) in cosines.iter_mut().enumerate() {
        if (columns[at % 2] - 1.0).abs() > 1e-9 {
            *x /= columns[at % 2];
        }
    }
}

/// Returns the largest cosine between two axes.
fn dot(cosines: &[f64], axes: usize) -> f64 {
    let mut most = 0.0f64;
    for a in 0..axes {
        for b in 0..a {
            let cosine: f64 =
                (0..axes).map(|r| cosines[r * axes + a] * cosines[r * axes + b]).sum();
            most = most.max(cosine.abs());
        }
    }
    most
}

/// Returns the fields of a grid: both forms, but no quaternion for sheared axes.
pub fn fields(grid: &Grid) -> Fields {
    let axes = grid.dims().len();
    let lps = [-1.0, -1.0, 1.0];
    let mut turn = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
    let mut pixdim = [1.0; 4];
    let mut origin = [0.0; 3];
    for row in 0..axes {
        let cosines = &grid.direction()[row * axes..][..axes];
        for (out, cosine) in turn[row].iter_mut().zip(cosines) {
            *out = cosine * lps[row] + 0.0;
        }
        pixdim[row + 1] = grid.spacing()[row];
        origin[row] = grid.origin()[row] * lps[row] + 0.0;
    }
    let srow = std::array::from_fn(|row| {
        let [x, y, z] = turn[row];
        [x * pixdim[1], y * pixdim[2], z * pixdim[3], origin[row]]
    });
    let [[a, b, c], [d, e, f], [g, h, i]] = turn;
    let volume = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
    if volume < 0.0 {
        pixdim[0] = -1.0;
        for row in &mut turn {
            row[2] = -row[2];
        }
    }
    let upright =
        dot(grid.direction(), axes) <= RIGHT && (volume.abs() - 1.0).abs() <= 10.0 * RIGHT;
    Fields {
        qform_code: i32::from(upright),
        sform_code: 1,
        units: 2,
        pixdim,
        quatern: if upright { quaternion(&turn) } else { [0.0; 3] },
        qoffset: if upright { origin } else { [0.0; 3] },
        srow,
    }
}

/// Returns b, c and d of the unit quaternion of a rotation (`nifti_mat44_to_quatern`).
fn quaternion(turn: &[[f64; 3]; 3]) -> [f64; 3] {
    let [[r11, r12, r13], [r21, r22, r23], [r31, r32, r33]] = *turn;
    let trace = r11 + r22 + r33 + 1.0;
    if trace > 0.5 {
        let a = 0.5 * trace.sqrt();
        return [
            0.25 * (r32 - r23) / a + 0.0,
            0.25 * (r13 - r31) / a + 0.0,
            0.25 * (r21 - r12) / a + 0.0,
        ];
    }
    let xd = 1.0 + r11 - (r22 + r33);
    let yd = 1.0 + r22 - (r11 + r33);
    let zd = 1.0 + r33 - (r11 + r22);
    let (a, b, c, d);
    if xd > 1.0 {
        b = 0.5 * xd.sqrt();
        (c, d, a) = (0.25 * (r12 + r21) / b, 0.25 * (r13 + r31) / b, 0.25 * (r32 - r23) / b);
    } else if yd > 1.0 {
        c = 0.5 * yd.sqrt();
        (b, d, a) = (0.25 * (r12 + r21) / c, 0.25 * (r23 + r32) / c, 0.25 * (r13 - r31) / c);
    } else {
        d = 0.5 * zd.sqrt();
        (b, c, a) = (0.25 * (r13 + r31) / d, 0.25 * (r23 + r32) / d, 0.25 * (r21 - r12) / d);
    }
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    [b * sign + 0.0, c * sign + 0.0, d * sign + 0.0]
}
