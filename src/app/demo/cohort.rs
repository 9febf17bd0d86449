//! The folder of the demo: cases, program and picture.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::demo::phantom::{self, Head};
use crate::app::demo::preview::{self, Panel};
use crate::app::error::Error;
use crate::app::outputs;
use crate::canon::Tree;
use crate::kernel::format::list;
use crate::primitive::contract::Call;
use crate::value::data::Value;
use crate::value::mask::Mask;

/// The method that the demo runs; it lies in the folder as `lesion.imgql`.
pub const PROGRAM: &str = include_str!("../../../examples/lesion.imgql");

/// Where the demo lies, and what it is made of.
#[derive(Clone, Debug)]
pub struct Demo {
    /// Its folder.
    pub dir: PathBuf,
    /// How many cases.
    pub cases: usize,
    /// Voxels of each head.
    pub size: [usize; 3],
}

/// Reads a size such as `96x96x64`.
pub fn size(text: &str) -> Result<[usize; 3], Error> {
    let parts: Option<Vec<usize>> = text.split('x').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some(&[x, y, z]) if [x, y, z].iter().all(|n| (48..=1024).contains(n)) => Ok([x, y, z]),
        _ => Err(Error::Usage(format!(
            "--size {text}: write three numbers from 48 to 1024, as in 96x96x64 (a smaller head has no \
             room for the lesion)"
        ))),
    }
}

impl Demo {
    /// Returns where the program lies.
    pub fn program(&self) -> PathBuf {
        self.dir.join("lesion.imgql")
    }

    /// Returns where the cases lie.
    pub fn root(&self) -> PathBuf {
        self.dir.join("cases")
    }

    /// Returns where masks go.
    pub fn output(&self) -> PathBuf {
        self.dir.join("out")
    }

    /// Returns the name of a case, from 0.
    pub fn name(&self, case: usize) -> String {
        let digits = self.cases.to_string().len();
        format!("case-{:0digits$}", case + 1)
    }

    /// Refuses a folder that holds something.
    pub fn check(&self) -> Result<(), Error> {
        match fs::read_dir(&self.dir).map(|mut entries| entries.next().is_some()) {
            Ok(true) => Err(Error::Usage(format!(
                "`{}` is not empty: name a new folder, as in `vox demo other-demo`",
                self.dir.display()
            ))),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                Err(Error::Usage(format!("`{}` is no folder", self.dir.display())))
            }
            _ => Ok(()),
        }
    }

    /// Writes program and cases into a folder that is not there, or empty.
    pub fn write(&self) -> Result<(), Error> {
        self.check()?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Write { path, source }
        };
        for case in 0..self.cases {
            let name = self.name(case);
            let folder = self.root().join(&name);
            let Head { flair, truth, .. } = phantom::head(case, self.size);
            for (input, value) in [("flair", Value::Volume(flair)), ("seg", Value::Mask(truth))] {
                let path = folder.join(format!("{name}_{input}.nii.gz"));
                outputs::replace(&path, &nifti(value)?).map_err(failed(&path))?;
            }
        }
        // The program last: where it lies, the cases are whole.
        let program = self.program();
        outputs::replace(&program, PROGRAM.as_bytes()).map_err(failed(&program))
    }

    /// Draws what was found in the cases, at most six of them.
    pub fn preview(&self) -> Result<PathBuf, Error> {
        let mut panels = Vec::new();
        for case in 0..self.cases.min(6) {
            let Head { flair, truth, .. } = phantom::head(case, self.size);
            let path = self.output().join(self.name(case)).join("lesion.nii.gz");
            let Ok(bytes) = fs::read(&path) else { continue };
            let found = mask(&bytes, &truth)?;
            panels.push(Panel { flair, truth, found });
        }
        let path = self.dir.join("preview.png");
        let png = preview::png(&panels).map_err(|error| Error::Machine(error.to_string()))?;
        outputs::replace(&path, &png)
            .map_err(|source| Error::Write { path: path.clone(), source })?;
        Ok(path)
    }
}

fn call(name: &str, call: &Call<'_>) -> Result<crate::primitive::contract::Output, Error> {
    let primitive = list::primitives()
        .into_iter()
        .find(|primitive| primitive.signature.name == name)
        .expect("files can be read and written");
    (primitive.run)(call).map_err(|refusal| Error::Machine(format!("{name}: {refusal}")))
}

fn nifti(value: Value) -> Result<Vec<u8>, Error> {
    let params = Tree::map([("format", Tree::text("nifti.gz"))]);
    let output = call("vox1.encode", &Call { args: &[value], params: &params, files: &[] })?;
    Ok(output.file.expect("an encoder makes a file"))
}

/// Reads a mask that was saved.
fn mask(file: &[u8], like: &Mask) -> Result<Mask, Error> {
    let params = Tree::map([("format", Tree::text("nifti")), ("files", Tree::Array(Vec::new()))]);
    let output = call("vox1.read", &Call { args: &[], params: &params, files: &[file] })?;
    let Value::Volume(volume) = output.value else { return Ok(like.clone()) };
    let bytes = volume.voxels.bytes();
    let [nx, ny, _] = volume.grid.shape();
    Ok(Mask::from_fn(Arc::clone(&volume.grid), |x, y, z| bytes[(z * ny + y) * nx + x] != 0))
}
