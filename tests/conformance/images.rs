//! What the rows load, and how their answers are shown.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use vox::each_voxel_type;
use vox::kernel::format::{nifti, png};
use vox::pool::Buffer;
use vox::value::data::Value;
use vox::value::grid::Grid;
use vox::value::text::show;
use vox::value::volume::{Colour, Volume, Voxels};

/// Shows a value; of an image its voxel type and voxels.
pub(crate) fn shown(value: &Value) -> String {
    let joined = |items: Vec<String>| format!("[{}]", items.join(" "));
    match value {
        Value::Mask(mask) => {
            let [nx, ny, nz] = mask.grid.shape();
            let bit = |at: usize| u8::from(mask.get(at % nx, at / nx % ny, at / nx / ny));
            joined((0..nx * ny * nz).map(|at| bit(at).to_string()).collect())
        }
        Value::Volume(volume) => {
            let voxels = each_voxel_type!(&volume.voxels, voxels => {
                voxels.iter().map(|voxel| short(format!("{voxel:?}"))).collect()
            });
            format!("{}{}", volume.voxels.kind().name(), joined(voxels))
        }
        Value::Colour(colour) => {
            let voxels = colour.voxels.iter().map(|voxel| short(format!("{voxel:?}"))).collect();
            format!("colour{}", joined(voxels))
        }
        other => show(other).unwrap_or_else(|| other.kind().to_string()),
    }
}

fn short(number: String) -> String {
    number.strip_suffix(".0").map_or(number.clone(), str::to_owned)
}

/// Writes the images and records that rows load.
pub(crate) fn write_inputs(folder: &Path) {
    let grid = |dims: &[usize], spacing: f64| {
        let d = dims.len();
        let direction: Vec<f64> =
            (0..d * d).map(|at| f64::from(u8::from(at % (d + 1) == 0))).collect();
        Arc::new(Grid::new(dims, &vec![spacing; d], &vec![0.0; d], &direction).unwrap())
    };
    let write = |name: &str, grid: Arc<Grid>, voxels: Voxels| {
        let file = nifti::write::write(&Value::Volume(Volume { grid, voxels })).unwrap();
        fs::write(folder.join(name), file).unwrap();
    };
    let singles = |voxels: &[f32]| Voxels::F32(Arc::new(Buffer::copied(voxels)));
    let bytes = |voxels: &[u8]| Voxels::U8(Arc::new(Buffer::copied(voxels)));
    let square = grid(&[2, 2], 1.0);
    write("f.nii", square.clone(), singles(&[0.0, 0.5, -2.0, 3.0]));
    write("t.nii", square.clone(), singles(&[0.1, 0.1, 0.2, 0.3]));
    write("u.nii", square.clone(), bytes(&[250, 10, 0, 255]));
    let shorts = Voxels::I16(Arc::new(Buffer::copied(&[-5i16, 7, 300, 0])));
    write("s.nii", square.clone(), shorts);
    write("m.nii", square.clone(), bytes(&[1, 0, 1, 0]));
    write("n.nii", square.clone(), bytes(&[1, 1, 0, 0]));
    write("far.nii", grid(&[2, 2], 2.0), bytes(&[20, 1, 2, 3]));
    write("wide.nii", grid(&[3, 2], 1.0), bytes(&[1, 2, 3, 4, 5, 6]));
    write("row.nii", grid(&[5, 1], 1.0), bytes(&[1, 0, 1, 0, 1]));
    write("p.nii", grid(&[11, 1], 1.0), bytes(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    let pixels = [10.0, 20.0, 30.0, 255.0, 0.0, 0.0, 0.0, 255.0, 0.0, 0.0, 0.0, 255.0];
    let voxels = Arc::new(Buffer::copied(&pixels));
    let colour = Value::Colour(Colour { grid: square, components: 3, voxels });
    fs::write(folder.join("c.png"), png::write(&colour).unwrap().0).unwrap();
    fs::write(folder.join("j.json"), "{\"n\": null, \"x\": 3}").unwrap();
}
