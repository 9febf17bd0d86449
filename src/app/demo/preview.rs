//! A picture of what was found: one panel a case.

use std::sync::Arc;

use crate::value::mask::Mask;
use crate::value::volume::{Volume, Voxels};

/// One case of the picture.
pub struct Panel {
    /// The scan.
    pub flair: Volume,
    /// The lesion that was put in.
    pub truth: Mask,
    /// The lesion that was found.
    pub found: Mask,
}

/// Pixels a voxel.
const SCALE: usize = 3;
/// Pixels between panels.
const GAP: usize = 6;
/// The colour of what was found, and of the truth: told apart by every kind of sight.
const FOUND: [u8; 3] = [255, 176, 0];
const TRUTH: [u8; 3] = [0, 200, 255];

/// Draws the panels side by side: of each case the slice with the largest lesion, what was found
/// filled and outlined in orange, the truth outlined in blue.
///
/// Returns width, height and RGB pixels, row by row.
pub fn draw(panels: &[Panel]) -> (usize, usize, Vec<u8>) {
    let shape = |panel: &Panel| panel.flair.grid.shape();
    let width = panels.iter().map(|panel| shape(panel)[0] * SCALE + GAP).sum::<usize>() + GAP;
    let height = panels.iter().map(|panel| shape(panel)[1] * SCALE).max().unwrap_or(0) + 2 * GAP;
    let mut pixels = vec![24u8; width * height * 3];
    let mut left = GAP;
    for panel in panels {
        let [nx, ny, nz] = shape(panel);
        let z = (0..nz).max_by_key(|z| (slice_count(&panel.truth, *z), nz - z)).unwrap_or(0);
        let Voxels::F32(voxels) = &panel.flair.voxels else { continue };
        let voxels: &Arc<_> = voxels;
        let top = voxels.iter().copied().fold(1.0f32, f32::max);
        for py in 0..ny * SCALE {
            for px in 0..nx * SCALE {
                let (x, y) = (px / SCALE, py / SCALE);
                let grey = (voxels[(z * ny + y) * nx + x] / top * 255.0).clamp(0.0, 255.0) as u8;
                let mut colour = [grey; 3];
                let found = panel.found.get(x, y, z);
                if found {
                    for (part, tint) in colour.iter_mut().zip(FOUND) {
                        *part = (u16::from(*part) * 2 / 3 + u16::from(tint) / 3) as u8;
                    }
                }
                if edge(&panel.found, [px, py], z) {
                    colour = FOUND;
                }
                if edge(&panel.truth, [px, py], z) {
                    colour = TRUTH;
                }
                let at = ((GAP + py) * width + left + px) * 3;
                pixels[at..at + 3].copy_from_slice(&colour);
            }
        }
        left += nx * SCALE + GAP;
    }
    (width, height, pixels)
}

fn slice_count(mask: &Mask, z: usize) -> u32 {
    let rows = mask.grid.shape()[1] * mask.grid.row_words();
    mask.words[z * rows..(z + 1) * rows].iter().map(|word| word.count_ones()).sum()
}

/// Says whether a pixel lies inside the mask and beside a pixel outside.
fn edge(mask: &Mask, [px, py]: [usize; 2], z: usize) -> bool {
    let [nx, ny, _] = mask.grid.shape();
    let inside = |px: usize, py: usize| {
        px < nx * SCALE && py < ny * SCALE && mask.get(px / SCALE, py / SCALE, z)
    };
    inside(px, py)
        && !(inside(px.wrapping_sub(1), py)
            && inside(px + 1, py)
            && inside(px, py.wrapping_sub(1))
            && inside(px, py + 1))
}

/// Returns the picture as a PNG file.
pub fn png(panels: &[Panel]) -> Result<Vec<u8>, png::EncodingError> {
    let (width, height, pixels) = draw(panels);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::app::demo::phantom::head;

    #[test]
    fn the_picture_shows_both_outlines() {
        let head = head(0, [48, 48, 48]);
        let found = Mask::constant(head.flair.grid.clone(), false);
        let panel = Panel { flair: head.flair, truth: head.truth, found };
        let (width, height, pixels) = draw(&[panel]);
        assert_eq!((width, height), (48 * 3 + 12, 48 * 3 + 12));
        assert!(pixels.chunks(3).any(|pixel| pixel == TRUTH));
        assert!(!pixels.chunks(3).any(|pixel| pixel == FOUND));
    }
}
