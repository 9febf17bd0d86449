//! Figures on 2-D images.

use std::sync::Arc;

use crate::kernel::argument;
use crate::kernel::number::source::Source;
use crate::kernel::number::sweep::{self, canonical};
use crate::primitive::contract::{Call, Output};
use crate::primitive::refusal::{Code, Refusal};
use crate::value::data::Value;
use crate::value::grid::Grid;

/// Larger images are refused.
const MOST: f64 = 268_435_456.0;

fn at_least(value: &Value, least: f64) -> Result<f64, Refusal> {
    argument::integer(value)?;
    let number = argument::number(value)?;
    if number < least { Err(Refusal::with(Code::Range, &[number, least])) } else { Ok(number) }
}

/// Makes an image of one number.
pub fn blank(call: &Call<'_>) -> Result<Output, Refusal> {
    let [height, width, value] = call.args else { return Err(argument::kind()) };
    let (height, width) = (at_least(height, 1.0)?, at_least(width, 1.0)?);
    let value = canonical(argument::number(value)? as f32);
    if height * width > MOST {
        return Err(Refusal::with(Code::Size, &[height * width, MOST]));
    }
    let grid = Grid::plain(&[width as usize, height as usize])
        .map_err(|_| Refusal::with(Code::Size, &[height * width, MOST]))?;
    let (volume, _) = sweep::fill(&Arc::new(grid), |_, out, _| {
        out.fill(value);
        0
    });
    Ok(Value::Volume(volume).into())
}

/// Draws a filled circle of integer centre and radius.
pub fn circle(call: &Call<'_>) -> Result<Output, Refusal> {
    let [image, cx, cy, r, value] = call.args else { return Err(argument::kind()) };
    let (cx, cy, r) =
        (at_least(cx, f64::NEG_INFINITY)?, at_least(cy, f64::NEG_INFINITY)?, at_least(r, 1.0)?);
    // Integers below 2^53 compare exactly in i128, and a centre further off draws nothing anyway.
    let square = |x: f64| (x as i128).saturating_mul(x as i128);
    draw(image, value, move |x, y| {
        square(x as f64 - cx).saturating_add(square(y as f64 - cy)) <= square(r)
    })
}

/// Draws a filled regular polygon.
pub fn regular_polygon(call: &Call<'_>) -> Result<Output, Refusal> {
    let [image, cx, cy, r, sides, value] = call.args else { return Err(argument::kind()) };
    let (cx, cy) = (at_least(cx, f64::NEG_INFINITY)?, at_least(cy, f64::NEG_INFINITY)?);
    let (r, sides) = (at_least(r, 1.0)?, at_least(sides, 3.0)?);
    let pi = std::f64::consts::PI;
    let w = 2.0 * pi / sides;
    let reach = r * libm::cos(w / 2.0);
    draw(image, value, move |x, y| {
        let (dx, dy) = (x as f64 - cx, y as f64 - cy);
        let t = libm::atan2(dy, dx);
        let turn = libm::fmod(t + pi, w);
        let turn = if turn < 0.0 { turn + w } else { turn };
        let p = turn - w / 2.0;
        let cos = libm::cos(p);
        libm::hypot(dx, dy) <= reach / if cos > 1e-9 { cos } else { 1e-9 }
    })
}

fn draw(
    image: &Value,
    value: &Value,
    inside: impl Fn(usize, usize) -> bool + Sync,
) -> Result<Output, Refusal> {
    let Some(source) = Source::of(image) else { return Err(argument::kind()) };
    let value = canonical(argument::number(value)? as f32);
    let grid = source.grid();
    if grid.dims().len() != 2 {
        return Err(Refusal::with(Code::Dims, &[grid.dims().len() as f64, 2.0]));
    }
    let (volume, rounded) = sweep::fill(grid, |piece, out, [scratch, ..]| {
        let (voxels, rounded) = source.piece(piece, scratch);
        for (row, (start, len, _)) in piece.rows().enumerate() {
            let y = piece.row + row;
            for at in start..start + len {
                let x = piece.x + at - start;
                out[at] = if inside(x, y) { value } else { canonical(voxels[at]) };
            }
        }
        rounded
    });
    Ok(sweep::told(Value::Volume(volume), rounded))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::canon::Tree;
    use crate::value::volume::Voxels;

    fn drawn(run: fn(&Call<'_>) -> Result<Output, Refusal>, numbers: &[f64]) -> Result<f32, Code> {
        let grid = Arc::new(Grid::plain(&[9, 9]).unwrap());
        let (blank, _) = sweep::fill(&grid, |_, out, _| {
            out.fill(0.0);
            0
        });
        let mut args = vec![Value::Volume(blank)];
        args.extend(numbers.iter().map(|x| Value::Number(*x)));
        let output = run(&Call { args: &args, params: &Tree::Null, files: &[] })
            .map_err(|refusal| refusal.code)?;
        let Value::Volume(volume) = output.value else { panic!("it is an image") };
        let Voxels::F32(voxels) = volume.voxels else { panic!("of f32") };
        Ok(voxels.iter().sum())
    }

    #[test]
    fn a_circle_of_radius_two_has_thirteen_voxels() {
        assert_eq!(drawn(circle, &[4.0, 4.0, 2.0, 1.0]), Ok(13.0));
        assert_eq!(drawn(circle, &[-1e300, 4.0, 2.0, 1.0]), Ok(0.0));
        assert_eq!(drawn(circle, &[0.0, 0.0, 1.0, 1.0]), Ok(3.0));
        assert_eq!(drawn(circle, &[4.0, 4.0, 0.0, 1.0]), Err(Code::Range));
        assert_eq!(drawn(circle, &[4.5, 4.0, 2.0, 1.0]), Err(Code::Integer));
    }

    #[test]
    fn a_square_stands_on_its_side() {
        // The inradius of a square of circumradius 3 is 3 cos 45 = 2.1.
        assert_eq!(drawn(regular_polygon, &[4.0, 4.0, 3.0, 4.0, 1.0]), Ok(25.0));
        assert_eq!(drawn(regular_polygon, &[4.0, 4.0, 3.0, 2.0, 1.0]), Err(Code::Range));
    }
}
