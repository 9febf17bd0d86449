//! What the reference answers, and when an answer is that.

use serde_json::Value as Json;
use vox::value::data::Value;
use vox::value::grid::Grid;
use vox::value::volume::Voxels;

/// How far a number may be from the reference's: `abs + rel * |want|`.
#[derive(Clone, Copy)]
pub(crate) struct Tolerance {
    pub(crate) abs: f64,
    pub(crate) rel: f64,
}

/// An answer of the reference.
pub(crate) enum Expected {
    Image(Image),
    Number(f64),
    Bool(bool),
    /// The program is refused, or its goal fails.
    Error,
}

/// An image among the outputs.
pub(crate) struct Image {
    offset: usize,
    bytes: usize,
    dtype: String,
    /// Slowest axis first.
    shape: Vec<usize>,
    spacing: Vec<f64>,
    components: usize,
}

impl Expected {
    pub(crate) fn of(json: &Json) -> Self {
        let size = |json: &Json| json.as_u64().unwrap() as usize;
        let list = |name: &str| json[name].as_array().unwrap().iter();
        match json["kind"].as_str().unwrap() {
            "number" => Self::Number(number(&json["value"])),
            "bool" => Self::Bool(json["value"].as_bool().unwrap()),
            "error" => Self::Error,
            "image" => Self::Image(Image {
                offset: size(&json["offset"]),
                bytes: size(&json["bytes"]),
                dtype: json["dtype"].as_str().unwrap().to_owned(),
                shape: list("shape").map(size).collect(),
                spacing: list("spacing_xyz").map(number).collect(),
                components: size(&json["components"]),
            }),
            other => panic!("no case is known whose answer is {other}"),
        }
    }

    /// Says in which way an answer differs.
    pub(crate) fn check(
        &self,
        answer: Result<&Value, &String>,
        outputs: &[u8],
        tolerance: Tolerance,
    ) -> Result<(), String> {
        let value = match (self, answer) {
            (Self::Error, Err(_)) => return Ok(()),
            (Self::Error, Ok(value)) => return Err(format!("no error but {}", value.kind())),
            (_, Err(error)) => return Err(error.clone()),
            (_, Ok(value)) => value,
        };
        match (self, value) {
            (Self::Number(want), Value::Number(got)) => near(*got, *want, tolerance),
            (Self::Bool(want), Value::Bool(got)) if want == got => Ok(()),
            (Self::Image(image), value) => image.check(value, outputs, tolerance),
            (_, value) => Err(format!("another answer: {value:?}")),
        }
    }
}

/// JSON has no words for what is not finite: it is kept as text.
fn number(json: &Json) -> f64 {
    json.as_f64().or_else(|| json.as_str()?.parse().ok()).unwrap()
}

fn near(got: f64, want: f64, tolerance: Tolerance) -> Result<(), String> {
    let same = got == want || (got.is_nan() && want.is_nan());
    if same || (got - want).abs() <= tolerance.abs + tolerance.rel * want.abs() {
        return Ok(());
    }
    Err(format!("{got:?} in the place of {want:?}"))
}

impl Image {
    fn check(&self, value: &Value, outputs: &[u8], tolerance: Tolerance) -> Result<(), String> {
        let (grid, components, got) = numbers(value)?;
        let mut shape: Vec<usize> = grid.dims().iter().rev().copied().collect();
        if self.components > 1 {
            shape.push(components);
        }
        if shape != self.shape || components != self.components {
            return Err(format!("{shape:?} in the place of {:?}", self.shape));
        }
        for (got, want) in grid.spacing().iter().zip(&self.spacing) {
            let relative = Tolerance { abs: 0.0, rel: 1e-6 };
            near(*got, *want, relative).map_err(|why| format!("spacing {why}"))?;
        }
        if self.dtype == "u1" && !matches!(value, Value::Mask(_)) {
            return Err(format!("{} in the place of a mask", value.kind()));
        }
        let want = self.read(&outputs[self.offset..self.offset + self.bytes]);
        if want.len() != got.len() {
            return Err(format!("{} voxels in the place of {}", got.len(), want.len()));
        }
        let wrong: Vec<(usize, String)> = got
            .iter()
            .zip(&want)
            .enumerate()
            .filter_map(|(at, (got, want))| Some((at, near(*got, *want, tolerance).err()?)))
            .collect();
        match wrong.first() {
            None => Ok(()),
            Some((at, why)) => Err(format!("{} voxels, voxel {at}: {why}", wrong.len())),
        }
    }

    fn read(&self, bytes: &[u8]) -> Vec<f64> {
        fn each<const N: usize>(bytes: &[u8], read: fn([u8; N]) -> f64) -> Vec<f64> {
            bytes.chunks_exact(N).map(|item| read(item.try_into().unwrap())).collect()
        }
        match self.dtype.as_str() {
            "u1" => each(bytes, |[byte]| f64::from(byte)),
            "i2" => each(bytes, |item| f64::from(i16::from_le_bytes(item))),
            "f4" => each(bytes, |item| f64::from(f32::from_le_bytes(item))),
            "f8" => each(bytes, f64::from_le_bytes),
            other => panic!("no voxels of type {other} are known"),
        }
    }
}

/// Returns the grid, the components and all numbers of an image.
fn numbers(value: &Value) -> Result<(&Grid, usize, Vec<f64>), String> {
    match value {
        Value::Mask(mask) => {
            let [nx, ny, nz] = mask.grid.shape();
            let truth =
                |at: usize| f64::from(u8::from(mask.get(at % nx, at / nx % ny, at / nx / ny)));
            Ok((&mask.grid, 1, (0..nx * ny * nz).map(truth).collect()))
        }
        Value::Volume(volume) => {
            let Voxels::F32(voxels) = &volume.voxels else {
                return Err(format!("voxels of type {}", volume.voxels.kind().name()));
            };
            Ok((&volume.grid, 1, voxels.iter().map(|voxel| f64::from(*voxel)).collect()))
        }
        Value::Colour(colour) => {
            let voxels = colour.voxels.iter().map(|voxel| f64::from(*voxel)).collect();
            Ok((&colour.grid, colour.components, voxels))
        }
        other => Err(format!("{} in the place of an image", other.kind())),
    }
}
