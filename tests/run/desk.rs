//! A folder of its own with images, programs and a store, and `vox` run in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, OnceLock};

use serde_json::Value as Json;
use tempfile::TempDir;
use vox::id::Digest;
use vox::kernel::format::nifti;
use vox::pool::Buffer;
use vox::value::data::Value;
use vox::value::grid::Grid;
use vox::value::mask::Mask;
use vox::value::volume::{Volume, Voxels};

/// The inputs of a demo case as `vox run` takes them.
pub(crate) const CASE: &str = "run lesion.imgql --in flair=cases/case-1/case-1_flair.nii.gz \
                        --in seg=cases/case-1/case-1_seg.nii.gz -o out";

/// A folder to work in.
pub(crate) struct Desk {
    folder: TempDir,
}

/// What a run said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The counts of a run's last line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    pub(crate) computed: usize,
    pub(crate) redone: usize,
    pub(crate) reused: usize,
    pub(crate) failed: usize,
}

impl Desk {
    /// Takes an empty folder.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Takes a folder with `lesion.imgql` and some of three small cases below `cases`.
    pub(crate) fn demo(cases: usize) -> Self {
        static COHORT: OnceLock<Desk> = OnceLock::new();
        let cohort = COHORT.get_or_init(|| {
            let desk = Self::new();
            desk.vox("demo d --no-run --size 48x48x48").ok();
            desk
        });
        let desk = Self::new();
        fs::copy(cohort.path("d/lesion.imgql"), desk.path("lesion.imgql")).unwrap();
        for case in 1..=cases {
            let case = format!("case-{case}");
            fs::create_dir_all(desk.path("cases").join(&case)).unwrap();
            for input in ["flair", "seg"] {
                let file = format!("cases/{case}/{case}_{input}.nii.gz");
                fs::copy(cohort.path("d").join(&file), desk.path(&file)).unwrap();
            }
        }
        desk
    }

    /// Returns a path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Gives a file or folder another name.
    #[expect(clippy::disallowed_methods, reason = "what a person does, not what vox publishes")]
    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Reads a file of text.
    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Returns a command; `words` are split at blanks. The store is `.vox` in the folder.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vox"));
        command.args(words.split_whitespace());
        self.around(&mut command);
        command
    }

    /// Takes away what the surroundings of the tests would change.
    pub(crate) fn around(&self, command: &mut Command) {
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("VOX_") || name_text.starts_with("XDG_") {
                command.env_remove(&name);
            }
        }
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "CI"] {
            command.env_remove(name);
        }
        command.env("VOX_STORE", ".vox");
    }

    /// Runs `vox` to its end.
    pub(crate) fn vox(&self, words: &str) -> Said {
        Said::from(self.command(words).output().unwrap())
    }

    /// Starts `vox`.
    pub(crate) fn start(&self, words: &str) -> Child {
        self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Returns the nodes of a report, as `node -> (was, claimed)`.
    pub(crate) fn nodes(&self, report: &str) -> BTreeMap<String, (String, bool)> {
        let report: Json = serde_json::from_slice(&self.read(report)).unwrap();
        let text = |node: &Json, name: &str| node[name].as_str().unwrap().to_owned();
        let nodes = report["nodes"].as_array().unwrap().iter();
        nodes
            .map(|node| {
                (text(node, "node"), (text(node, "was"), node["claimed"].as_bool().unwrap()))
            })
            .collect()
    }

    /// Returns the digests of all files below a folder, by path.
    pub(crate) fn digests(&self, folder: &str) -> BTreeMap<PathBuf, Digest> {
        let root = self.path(folder);
        files(&root)
            .into_iter()
            .map(|path| {
                let digest = Digest::of(&fs::read(&path).unwrap());
                (path.strip_prefix(&root).unwrap().to_owned(), digest)
            })
            .collect()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    /// Insists on success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.code_is(0)
    }

    /// Insists on an exit code, and that nothing panicked.
    #[track_caller]
    pub(crate) fn code_is(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// Insists on words on stderr.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.err.contains(words), "no `{words}` in\n{}", self.err);
        self
    }

    /// Reads the last line on stderr, which is of the form of design.md section 7.
    #[track_caller]
    pub(crate) fn counts(&self) -> Counts {
        let line = self.err.lines().last().unwrap_or_default();
        let words: Vec<&str> = line.split(' ').collect();
        let [
            "vox:",
            computed,
            "computed,",
            redone,
            "redone,",
            reused,
            "reused,",
            failed,
            "failed",
            "in",
            seconds,
            "s",
            "(saved",
            saved,
            "s)",
        ] = words[..]
        else {
            panic!("no counts in\n{}", self.err)
        };
        let decimals = |text: &str| text.split_once('.').unwrap().1.len();
        assert_eq!((decimals(seconds), decimals(saved)), (3, 2), "{line}");
        let count = |text: &str| text.parse().unwrap();
        Counts {
            computed: count(computed),
            redone: count(redone),
            reused: count(reused),
            failed: count(failed),
        }
    }

    /// Insists that nothing ran and nothing failed.
    #[track_caller]
    pub(crate) fn nothing_ran(self) -> Self {
        let counts = self.counts();
        assert_eq!((counts.computed, counts.redone, counts.failed), (0, 0, 0), "{}", self.err);
        self
    }

    /// Returns what was printed under a label.
    #[track_caller]
    pub(crate) fn printed(&self, label: &str) -> &str {
        let line = self.out.lines().find_map(|line| line.strip_prefix(label)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no `{label}` in\n{}", self.out))
    }
}

/// Returns all files below a folder, sorted.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(root).sort_by_file_name().into_iter();
    entries
        .map(|entry| entry.unwrap())
        .filter(|e| e.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// Returns a `NIfTI` file of f32 voxels of 1 mm.
pub(crate) fn image(dims: [usize; 3], at: impl Fn(usize, usize, usize) -> f32) -> Vec<u8> {
    let grid = Arc::new(Grid::plain(&dims).unwrap());
    let [nx, ny, nz] = dims;
    let voxels: Vec<f32> =
        (0..nx * ny * nz).map(|n| at(n % nx, n / nx % ny, n / nx / ny)).collect();
    nifti::write::write(&Value::Volume(Volume::f32(grid, Buffer::copied(&voxels)))).unwrap()
}

/// Counts the voxels of a saved mask, and those of them that lie in `other`.
pub(crate) fn overlap(file: &[u8], other: &Mask) -> (usize, usize) {
    let Value::Volume(volume) = nifti::read::read(&[file], None).unwrap().value else {
        panic!("a mask is read as a volume")
    };
    let Voxels::U8(voxels) = &volume.voxels else { panic!("a mask is written as bytes") };
    let [nx, ny, _] = volume.grid.shape();
    let inside = (0..voxels.len()).filter(|n| voxels[*n] != 0);
    let (mut count, mut both) = (0, 0);
    for n in inside {
        count += 1;
        both += usize::from(other.get(n % nx, n / nx % ny, n / nx / ny));
    }
    (count, both)
}
