//! Whose turn it is to compute a node.
//!
//! A claim saves work, it does not guard correctness: two holders may both commit, and write the same
//! receipt. So a lock that vanishes with its owner is enough, and nobody trusts another's clock.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::id::NodeId;
use crate::store::error::{Error, io_error};
use crate::store::fault::{self, Effect};
use crate::store::lock;

/// The right to compute one node.
///
/// It travels with its result to the writer, which gives it back once others can see the result;
/// dropped earlier, it gives the node back at once.
#[must_use = "a dropped claim gives the node back"]
pub struct Claim {
    node: NodeId,
    claims: Arc<dyn Claims>,
    /// The lock file, locked; none in memory.
    file: Option<File>,
}

/// Who computes a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its host.
    pub host: String,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// The operator that it computes.
    pub operator: String,
}

/// What became of trying.
pub enum Try {
    /// The caller computes it.
    Yours(Claim),
    /// Somebody else does.
    Theirs(Holder),
}

/// The claims of one store. Nothing here waits.
pub trait Claims: Send + Sync {
    /// Tries to take a node for `operator`.
    fn claim(self: Arc<Self>, node: NodeId, operator: &str) -> Result<Try, Error>;

    /// Leaves word that somebody waits for a node: whoever holds it seals its result at once.
    fn want(&self, node: NodeId) -> Result<(), Error>;

    /// Says whether somebody waits for a node.
    fn wanted(&self, node: NodeId) -> bool;

    /// Gives a node back; called when a [`Claim`] is dropped, which still holds the lock.
    fn release(&self, node: NodeId);
}

impl Claim {
    /// Returns the node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Says whether somebody waits for the node.
    pub fn wanted(&self) -> bool {
        self.claims.wanted(self.node)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // The file goes while it is locked: a taker that had opened it finds another one, or none, at
        // the path and starts again, instead of holding a lock that nobody else can see.
        self.claims.release(self.node);
        self.file = None;
    }
}

impl Holder {
    fn me(host: &str, operator: &str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self {
            pid: std::process::id(),
            host: host.to_owned(),
            since: since as u64,
            operator: operator.to_owned(),
        }
    }

    fn write(&self) -> String {
        format!("{}\n{}\n{}\n{}\n", self.pid, self.host, self.since, self.operator)
    }

    /// Reads what a holder wrote; one that was quick to lock and slow to write is nobody yet.
    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let mut line = || lines.next().unwrap_or_default();
        Self {
            pid: line().parse().unwrap_or_default(),
            host: line().to_owned(),
            since: line().parse().unwrap_or_default(),
            operator: line().to_owned(),
        }
    }
}

/// Claims as locked files below `local/claims/`, seen by all processes of this host.
pub struct Files {
    dir: PathBuf,
    host: String,
    /// What this process holds: asked first, because it costs no system call.
    latches: Mutex<HashMap<NodeId, Holder>>,
}

impl Files {
    /// Keeps claims in a folder, which must exist.
    pub fn at(dir: &Path, host: &str) -> Self {
        Self { dir: dir.to_owned(), host: host.to_owned(), latches: Mutex::default() }
    }

    fn path(&self, node: NodeId, ending: &str) -> PathBuf {
        self.dir.join(format!("{node}.{ending}"))
    }

    /// Locks the file of a node, or says who holds it.
    fn lock(&self, node: NodeId, holder: &Holder) -> Result<Result<File, Holder>, Error> {
        let path = self.path(node, "lock");
        loop {
            let mut file = lock::open(&path).map_err(io_error("open", &path))?;
            if !lock::try_lock(&file).map_err(io_error("lock", &path))? {
                let mut text = String::new();
                // What cannot be read names nobody, and is somebody's all the same.
                file.read_to_string(&mut text).ok();
                return Ok(Err(Holder::read(&text)));
            }
            let ours = file.metadata().map_err(io_error("examine", &path))?;
            match std::fs::metadata(&path) {
                Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                    // Informative; a full disk does not take the claim away.
                    let text = holder.write();
                    let text = text.as_bytes();
                    fault::effect(Effect::Resize(&path, 0), || file.set_len(0))
                        .and_then(|()| file.rewind())
                        .and_then(|()| {
                            fault::effect(Effect::Write(&path, 0, text), || file.write_all(text))
                        })
                        .ok();
                    return Ok(Ok(file));
                }
                // The last holder removed it between our opening and our locking.
                _ => {}
            }
        }
    }
}

impl Claims for Files {
    fn claim(self: Arc<Self>, node: NodeId, operator: &str) -> Result<Try, Error> {
        let holder = Holder::me(&self.host, operator);
        {
            let mut latches = guard(&self.latches);
            if let Some(holder) = latches.get(&node) {
                return Ok(Try::Theirs(holder.clone()));
            }
            latches.insert(node, holder.clone());
        }
        match self.lock(node, &holder) {
            Ok(Ok(file)) => Ok(Try::Yours(Claim { node, claims: self, file: Some(file) })),
            Ok(Err(holder)) => {
                guard(&self.latches).remove(&node);
                Ok(Try::Theirs(holder))
            }
            Err(error) => {
                guard(&self.latches).remove(&node);
                Err(error)
            }
        }
    }

    fn want(&self, node: NodeId) -> Result<(), Error> {
        let path = self.path(node, "wait");
        lock::open(&path).map(drop).map_err(io_error("create", &path))
    }

    fn wanted(&self, node: NodeId) -> bool {
        self.path(node, "wait").exists()
    }

    fn release(&self, node: NodeId) {
        // What stays behind is locked by nobody and taken over by the next.
        for ending in ["wait", "lock"] {
            let path = self.path(node, ending);
            fault::effect(Effect::Remove(&path), || std::fs::remove_file(&path)).ok();
        }
        guard(&self.latches).remove(&node);
    }
}

/// Claims of one process: for a store in memory, and where locks reach nobody.
#[derive(Default)]
pub struct Memory {
    held: Mutex<HashMap<NodeId, Holder>>,
    wants: Mutex<HashSet<NodeId>>,
}

impl Claims for Memory {
    fn claim(self: Arc<Self>, node: NodeId, operator: &str) -> Result<Try, Error> {
        let mut held = guard(&self.held);
        if let Some(holder) = held.get(&node) {
            return Ok(Try::Theirs(holder.clone()));
        }
        held.insert(node, Holder::me("", operator));
        drop(held);
        Ok(Try::Yours(Claim { node, claims: self, file: None }))
    }

    fn want(&self, node: NodeId) -> Result<(), Error> {
        guard(&self.wants).insert(node);
        Ok(())
    }

    fn wanted(&self, node: NodeId) -> bool {
        guard(&self.wants).contains(&node)
    }

    fn release(&self, node: NodeId) {
        guard(&self.wants).remove(&node);
        guard(&self.held).remove(&node);
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::id::Digest;

    fn node(text: &str) -> NodeId {
        NodeId(Digest::of(text.as_bytes()))
    }

    fn one_holder_at_a_time(claims: &Arc<dyn Claims>) {
        let Try::Yours(claim) = claims.clone().claim(node("a"), "vox1.dt").unwrap() else {
            panic!("nobody holds it")
        };
        let Try::Theirs(holder) = claims.clone().claim(node("a"), "vox1.dt").unwrap() else {
            panic!("it is held")
        };
        assert_eq!((holder.pid, holder.operator.as_str()), (std::process::id(), "vox1.dt"));
        assert!(matches!(claims.clone().claim(node("b"), "vox1.dt").unwrap(), Try::Yours(_)));
        drop(claim);
        assert!(matches!(claims.clone().claim(node("a"), "vox1.dt").unwrap(), Try::Yours(_)));
    }

    fn a_want_lasts_as_long_as_the_claim(claims: &Arc<dyn Claims>) {
        let Try::Yours(claim) = claims.clone().claim(node("a"), "vox1.dt").unwrap() else {
            panic!("nobody holds it")
        };
        assert!(!claim.wanted());
        claims.want(node("a")).unwrap();
        assert!(claim.wanted());
        drop(claim);
        assert!(!claims.wanted(node("a")));
    }

    fn many_threads_never_hold_one_node_together(claims: &Arc<dyn Claims>) {
        let inside = Mutex::new(());
        let taken = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        if let Try::Yours(claim) = claims.clone().claim(node("a"), "x").unwrap() {
                            let alone = inside.try_lock().expect("one holder at a time");
                            taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            drop(alone);
                            drop(claim);
                        }
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0);
    }

    macro_rules! keeps_the_laws {
        ($name:ident, $make:expr, [$($law:ident),*]) => {
            mod $name {
                $(#[test]
                fn $law() {
                    let dir = tempfile::tempdir().unwrap();
                    #[allow(clippy::redundant_closure_call, reason = "the macro is given a closure")]
                    let claims: super::Arc<dyn super::Claims> = ($make)(dir.path());
                    super::$law(&claims);
                })*
            }
        };
    }

    keeps_the_laws!(
        files,
        |dir: &std::path::Path| std::sync::Arc::new(super::Files::at(dir, "here")),
        [
            one_holder_at_a_time,
            a_want_lasts_as_long_as_the_claim,
            many_threads_never_hold_one_node_together
        ]
    );
    keeps_the_laws!(
        memory,
        |_: &std::path::Path| std::sync::Arc::new(super::Memory::default()),
        [
            one_holder_at_a_time,
            a_want_lasts_as_long_as_the_claim,
            many_threads_never_hold_one_node_together
        ]
    );

    /// Two openings of one folder stand for two processes: the locks are those of open files.
    #[test]
    fn processes_exclude_each_other_and_clean_up() {
        let dir = tempfile::tempdir().unwrap();
        let here: Arc<dyn Claims> = Arc::new(Files::at(dir.path(), "here"));
        let there: Arc<dyn Claims> = Arc::new(Files::at(dir.path(), "there"));
        let Try::Yours(claim) = here.clone().claim(node("a"), "vox1.dt").unwrap() else { panic!() };
        let Try::Theirs(holder) = there.clone().claim(node("a"), "x").unwrap() else { panic!() };
        assert_eq!((holder.host.as_str(), holder.operator.as_str()), ("here", "vox1.dt"));
        there.want(node("a")).unwrap();
        assert!(claim.wanted());
        drop(claim);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(matches!(there.claim(node("a"), "x").unwrap(), Try::Yours(_)));
    }

    #[test]
    fn a_file_left_by_the_dead_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(format!("{}.lock", node("a"))), "1\nelse\n5\nx\n").unwrap();
        let claims: Arc<dyn Claims> = Arc::new(Files::at(dir.path(), "here"));
        assert!(matches!(claims.claim(node("a"), "y").unwrap(), Try::Yours(_)));
    }

    #[test]
    fn processes_in_a_hurry_never_hold_one_node_together() {
        let dir = tempfile::tempdir().unwrap();
        let inside = Mutex::new(());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let claims: Arc<dyn Claims> = Arc::new(Files::at(dir.path(), "here"));
                    for _ in 0..300 {
                        if let Try::Yours(claim) = claims.clone().claim(node("a"), "x").unwrap() {
                            let alone = inside.try_lock().expect("one holder at a time");
                            drop(alone);
                            drop(claim);
                        }
                    }
                });
            }
        });
    }
}
