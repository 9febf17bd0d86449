//! Milliseconds of each kernel on a head that is made here: 240x240x155 voxels.
//!
//! `cargo bench --bench kernel [-- word]`; `RAYON_NUM_THREADS=1` for one core. Times are the median and
//! the least of nine runs after a first one (of one run where that takes long); on a busy machine the
//! least tells more. GB/s are of the bytes of the images taken; `of the limit` is the least over what
//! the project promises for the kernel on one thread, where it promises something. First come the kernels of space
//! with arguments of their own, then every operator that takes an image, by its name.

#![expect(clippy::print_stdout, reason = "a bench speaks to people")]
#![allow(
    clippy::disallowed_methods,
    reason = "the voxels of a bench need not be the same everywhere"
)]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use vox::canon::Tree;
use vox::kernel::format::gzip;
use vox::kernel::format::nifti::{read, write};
use vox::kernel::install::table;
use vox::kernel::number::{otsu, percentiles};
use vox::kernel::space::correlate::{Options, correlation};
use vox::kernel::space::weight::Comparison;
use vox::kernel::space::{ball, component, distance, extract, gradient, neighbour};
use vox::pool::Buffer;
use vox::primitive::contract::{Call, Output};
use vox::primitive::refusal::Refusal;
use vox::primitive::signature::{Signature, Slot};
use vox::value::data::Value;
use vox::value::grid::Grid;
use vox::value::mask::Mask;
use vox::value::volume::{Volume, Voxels};

/// What the kernels work on.
struct Head {
    grid: Arc<Grid>,
    /// Intensities from 0, outside the head, to about 600.
    image: Arc<Buffer<f32>>,
    brain: Mask,
    /// The brightest part, many small components.
    bright: Mask,
    /// The very brightest.
    hot: Mask,
    /// The dark part: all outside, and some inside.
    dark: Mask,
}

type Bench<'a> = (&'static str, Box<dyn Fn() + 'a>);

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let head = Head::new([240, 240, 155], [1.0; 3]);
    let thick = Head::new([240, 240, 155], [0.7, 0.7, 3.3]);
    println!("path {:?}, threads {}", vox::kernel::cpu::path(), rayon::current_num_threads());
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|word| name.contains(word.as_str()));
    println!("{:36} {:>9} {:>9} {:>7} {:>13}", "", "median ms", "least ms", "GB/s", "of the limit");
    for (name, run) in space(&head, &thick) {
        if is_wanted(name) {
            tell(name, measured(&*run), None);
        }
    }
    let table = table();
    for primitive in table.primitives() {
        let name = primitive.signature().name;
        let Some(args) = arguments(primitive.signature(), &head) else { continue };
        let run =
            || primitive.kernel(&Call { args: &args, params: &Tree::Map(vec![]), files: &[] });
        // What refuses these arguments is timed above, or not at all.
        if is_wanted(name) && !SLOW.contains(&name) && run().is_ok() {
            let bytes = args.iter().map(bytes_of).sum();
            tell(name, measured(&|| assert!(run().is_ok())), Some(bytes));
        }
    }
}

/// What the project promises, in milliseconds on one thread.
const LIMITS: [(&str, f64); 25] = [
    ("near", 0.5),
    ("interior", 0.5),
    ("through", 4.0),
    ("lcc", 3.0),
    ("maxvol", 4.0),
    ("dt", 40.0),
    ("dt hot", 40.0),
    ("dt 0.7x0.7x3.3", 40.0),
    ("gradient", 6.0),
    ("crossCorrelation 3 mm, 20 bins", 60.0),
    ("opening by 2 mm", 3.0),
    ("opening by 5 mm", 8.0),
    ("touch", 3.0),
    ("percentiles, integers", 12.0),
    ("percentiles, floats", 25.0),
    ("otsu", 8.0),
    ("read .nii.gz", 9.0),
    ("vox1.percentiles", 12.0),
    ("vox1.through", 4.0),
    ("vox1.lcc", 3.0),
    ("vox1.near", 0.5),
    ("vox1.interior", 0.5),
    ("vox1.maxvol", 4.0),
    ("vox1.gradient", 6.0),
    ("vox1.otsu", 8.0),
];

/// Timed above with arguments that make sense.
const SLOW: [&str; 1] = ["vox1.crossCorrelation"];

fn tell(name: &str, (median, least): (f64, f64), bytes: Option<usize>) {
    let rate = bytes.map_or(String::new(), |n| format!("{:.1}", n as f64 / least / 1e6));
    let limit = LIMITS.iter().find(|(other, _)| *other == name);
    let limit = limit.map_or(String::new(), |(_, limit)| format!("{:.2}", least / limit));
    println!("{name:36} {median:9.3} {least:9.3} {rate:>7} {limit:>13}");
}

/// Returns arguments for the first form that takes an image.
fn arguments(signature: &Signature, head: &Head) -> Option<Vec<Value>> {
    let is_image = |slot: &Slot| matches!(slot, Slot::Volume | Slot::Mask | Slot::Image);
    let form = signature.forms.iter().find(|form| form.takes.iter().any(is_image))?;
    let one = |slot: &Slot| match slot {
        Slot::Volume | Slot::Image | Slot::Any => head.value(),
        Slot::Mask => Value::Mask(head.brain.clone()),
        Slot::Bool => Value::Bool(true),
        Slot::Text => Value::text("nifti"),
        Slot::Sequence => Value::sequence(vec![Value::Number(1.0); 3]),
        Slot::Record => Value::record(vec![(Arc::from("image"), head.value())]),
        Slot::Grid => Value::Grid(head.grid.clone()),
        Slot::Null => Value::Null,
        Slot::Bytes => Value::Bytes(Arc::from([0u8].as_slice())),
        Slot::Number | Slot::NumberOrSequence => Value::Number(2.0),
    };
    Some(form.takes.iter().map(one).collect())
}

fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Mask(mask) => mask.words.len() * 8,
        Value::Volume(volume) => volume.voxels.bytes().len(),
        _ => 0,
    }
}

fn space<'a>(head: &'a Head, thick: &'a Head) -> Vec<Bench<'a>> {
    let texture = |radius, bins| Options { radius, low: 0.0, high: 600.0, bins };
    let correlate = move |radius, bins| {
        let all = Mask::constant(head.grid.clone(), true);
        let (grid, image) = (&head.grid, &head.image);
        black_box(correlation(grid, image, image, &all, &texture(radius, bins)).is_ok());
    };
    let below =
        |mask: &'a Mask, r| move || drop(black_box(ball::within(mask, r, Comparison::Below)));
    let numbers = |list: [f64; 3]| list.map(Value::Number);
    // As the plan has it: what lies within r of where nothing lies within r of the outside.
    let opened = |mask: &Mask, r: f32| {
        let outside = neighbour::complement(mask);
        let reached = ball::within(&outside, r, Comparison::Below).expect("a distance");
        let core = neighbour::complement(&reached);
        drop(black_box(ball::within(&core, r, Comparison::Below)));
    };
    let border = Mask::from_fn(head.grid.clone(), |x, y, z| {
        [(x, 240), (y, 240), (z, 155)].iter().any(|(at, n)| *at == 0 || at + 1 == *n)
    });
    let brain = || Value::Mask(head.brain.clone());
    let ranks = |image: Value| {
        let args = [image, brain(), Value::Number(0.5)];
        move || of_values(percentiles::percentiles, &args)
    };
    let file = head.file();
    vec![
        ("opening by 2 mm", Box::new(move || opened(&head.bright, 2.0))),
        ("opening by 5 mm", Box::new(move || opened(&head.hot, 5.0))),
        (
            "touch",
            Box::new(move || {
                let seeds = neighbour::near(&border);
                drop(black_box(component::through(&seeds, &head.dark)));
            }),
        ),
        ("percentiles, integers", Box::new(ranks(head.value()))),
        ("percentiles, floats", Box::new(ranks(head.uneven()))),
        ("otsu", {
            let args = [head.value(), brain(), Value::Number(100.0)];
            Box::new(move || of_values(otsu::otsu, &args))
        }),
        (
            "read .nii.gz",
            Box::new(move || {
                let bytes = std::fs::read(&file.path).expect("the file was written");
                black_box(read::read(&[&bytes], None).expect("the file is an image"));
            }),
        ),
        ("near", Box::new(|| drop(black_box(neighbour::near(&head.bright))))),
        ("interior", Box::new(|| drop(black_box(neighbour::interior(&head.brain))))),
        ("through", Box::new(|| drop(black_box(component::through(&head.hot, &head.bright))))),
        ("through dark", Box::new(|| drop(black_box(component::through(&head.hot, &head.dark))))),
        ("lcc", Box::new(|| drop(black_box(component::numbered(&head.bright))))),
        ("maxvol", Box::new(|| drop(black_box(component::greatest(&head.bright))))),
        ("dt", Box::new(|| drop(black_box(distance::signed(&head.bright))))),
        ("dt hot", Box::new(|| drop(black_box(distance::signed(&head.hot))))),
        ("dt 0.7x0.7x3.3", Box::new(|| drop(black_box(distance::signed(&thick.bright))))),
        ("dt < 2", Box::new(below(&head.hot, 2.0))),
        ("dt < 5", Box::new(below(&head.hot, 5.0))),
        ("dt < 10", Box::new(below(&head.hot, 10.0))),
        ("gradient", Box::new(|| drop(black_box(gradient::magnitude(&head.grid, &head.image))))),
        (
            "extract",
            Box::new(move || {
                let image = Value::Mask(head.brain.clone());
                let (size, start) = (numbers([200.0, 200.0, 100.0]), numbers([13.0, 9.0, 20.0]));
                drop(black_box(extract::extract(&image, &size, &start)));
            }),
        ),
        ("crossCorrelation 3 mm, 20 bins", Box::new(move || correlate(3.0, 20.0))),
        ("crossCorrelation 9 mm, 20 bins", Box::new(move || correlate(9.0, 20.0))),
        ("crossCorrelation 5 mm, 100 bins", Box::new(move || correlate(5.0, 100.0))),
    ]
}

/// Runs an operator.
fn of_values(run: fn(&Call<'_>) -> Result<Output, Refusal>, args: &[Value]) {
    let call = Call { args, params: &Tree::Map(vec![]), files: &[] };
    assert!(black_box(run(&call)).is_ok());
}

/// A file that goes when the bench ends.
struct File {
    path: PathBuf,
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).ok();
    }
}

fn measured(run: &dyn Fn()) -> (f64, f64) {
    let begun = Instant::now();
    run();
    let rounds = if begun.elapsed().as_millis() > 400 { 1 } else { 9 };
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[rounds / 2], times[0])
}

impl Head {
    fn new(dims: [usize; 3], spacing: [f64; 3]) -> Self {
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let grid = Arc::new(Grid::new(&dims, &spacing, &[0.0; 3], &identity).expect("is a grid"));
        let mut image = Buffer::<f32>::zeroed(grid.voxels());
        let [nx, ny, nz] = dims.map(|n| n as f64);
        for (at, voxel) in image.iter_mut().enumerate() {
            let place = [at % dims[0], at / dims[0] % dims[1], at / dims[0] / dims[1]];
            let [x, y, z] = place.map(|n| n as f64);
            let part = |v: f64, n: f64| (v / n - 0.5) / 0.37;
            let out = part(x, nx).powi(2) + part(y, ny).powi(2) + part(z, nz).powi(2);
            if out < 1.0 {
                let folds = (x * 0.21 + (y * 0.13).sin() * 3.0).sin()
                    + (y * 0.17 + (z * 0.19).sin() * 2.0).sin()
                    + (z * 0.23 + (x * 0.11).sin() * 2.0).sin();
                let lump = (x - 150.0).powi(2) + (y - 110.0).powi(2) + (z - 80.0).powi(2);
                let lump = 260.0 * (-lump / 600.0).exp();
                let noise = (noise(at as u64) % 60) as f64;
                *voxel = (200.0 + 60.0 * folds + lump + noise - 60.0 * out).max(1.0).round() as f32;
            }
        }
        let over = |least: f32| {
            Mask::from_fn(grid.clone(), |x, y, z| image[(z * dims[1] + y) * dims[0] + x] >= least)
        };
        let (brain, bright, hot) = (over(1.0), over(345.0), over(400.0));
        let dark = neighbour::complement(&over(60.0));
        Self { brain, bright, hot, dark, grid, image: Arc::new(image) }
    }

    /// Writes the image as integers of 16 bits, deflated: about 2 MB.
    fn file(&self) -> File {
        let voxels: Vec<i16> = self.image.iter().map(|voxel| *voxel as i16).collect();
        let voxels = Voxels::I16(Arc::new(Buffer::copied(&voxels)));
        let image = Value::Volume(Volume { grid: self.grid.clone(), voxels });
        let bytes = gzip::gzip(&write::write(&image).expect("the image fits the format"));
        let path = std::env::temp_dir().join(format!("vox-bench-{}.nii.gz", std::process::id()));
        std::fs::write(&path, bytes).expect("there is room for a file");
        File { path }
    }

    /// Returns the image with a part of one added to each voxel, another for each.
    fn uneven(&self) -> Value {
        let part = |at: usize| (noise(at as u64) % 4096) as f32 / 4099.0;
        let voxels: Vec<f32> =
            self.image.iter().enumerate().map(|(at, voxel)| voxel * 0.731 + part(at)).collect();
        let voxels = Voxels::F32(Arc::new(Buffer::copied(&voxels)));
        Value::Volume(Volume { grid: self.grid.clone(), voxels })
    }

    /// Returns the image as a value.
    fn value(&self) -> Value {
        Value::Volume(Volume { grid: self.grid.clone(), voxels: Voxels::F32(self.image.clone()) })
    }
}

fn noise(at: u64) -> u64 {
    let x = (at ^ at >> 7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33
}
