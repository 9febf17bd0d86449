//! What the process was started with; the only room that asks for it.

use std::env;
use std::path::PathBuf;

/// The variables and places that settings and stores depend on.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The working directory.
    pub cwd: PathBuf,
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// `$XDG_CACHE_HOME`, else `$HOME/.cache`.
    pub cache: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`, else `$HOME/.config`.
    pub config: Option<PathBuf>,
    /// `$XDG_STATE_HOME`, if it is set.
    pub state: Option<PathBuf>,
    /// All variables that begin with `VOX_`, without those letters, lower case.
    pub vox: Vec<(String, String)>,
    /// `$NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `$CLICOLOR_FORCE` is set and neither empty nor 0.
    pub force_color: bool,
    /// `$CI` is set, or `$TERM` is `dumb`.
    pub quiet_terminal: bool,
    /// This program's file, if the system says it.
    pub file: Option<PathBuf>,
    /// The folders of `$PATH`.
    pub path: Vec<PathBuf>,
}

impl Environment {
    /// Asks the process.
    #[expect(clippy::disallowed_methods, reason = "this is the room that asks")]
    pub fn read() -> Self {
        let path =
            |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // XDG says that relative paths in these variables are to be ignored.
        let absolute = |name: &str| path(name).filter(|path| path.is_absolute());
        let home = path("HOME");
        let below = |name: &str| home.as_ref().map(|home| home.join(name));
        let word = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let mut vox: Vec<(String, String)> = env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                let name = name.strip_prefix("VOX_")?.to_ascii_lowercase();
                Some((name, value.into_string().ok()?))
            })
            .collect();
        vox.sort();
        Self {
            cwd: env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            cache: absolute("XDG_CACHE_HOME").or_else(|| below(".cache")),
            config: absolute("XDG_CONFIG_HOME").or_else(|| below(".config")),
            state: absolute("XDG_STATE_HOME"),
            home,
            vox,
            no_color: word("NO_COLOR").is_some(),
            force_color: word("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            file: env::current_exe().ok(),
            path: env::var_os("PATH")
                .map_or_else(Vec::new, |path| env::split_paths(&path).collect()),
            quiet_terminal: word("CI").is_some() || word("TERM").is_some_and(|term| term == "dumb"),
        }
    }

    /// Returns how a shell reaches this program: by name when `$PATH` finds this very file, else by
    /// its path, from the working directory where it lies below.
    pub fn program(&self) -> PathBuf {
        let Some(file) = &self.file else { return "vox".into() };
        let name = file.file_name().map(PathBuf::from).unwrap_or_default();
        let found = self.path.iter().map(|folder| folder.join(&name)).find(|path| path.is_file());
        let same = |found: PathBuf| found.canonicalize().ok() == file.canonicalize().ok();
        if found.is_some_and(same) {
            return name;
        }
        match file.strip_prefix(&self.cwd) {
            // Without a slash a shell would look it up in `$PATH`.
            Ok(below) => PathBuf::from(".").join(below),
            Err(_) => file.clone(),
        }
    }

    /// Returns the value of `VOX_NAME`, for a lower-case name.
    pub fn vox(&self, name: &str) -> Option<&str> {
        self.vox.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}
