//! A child that does not outlive the process that began it.

use crate::app::environment::Environment;

/// Makes this process end with its parent, when the parent asked for that; says whether the parent is
/// still there.
///
/// `$VOX_PARENT` is the parent's number. What is under way when the parent dies is finished and sealed, as
/// after SIGTERM.
#[cfg(target_os = "linux")]
pub fn hold(environment: &Environment) -> bool {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
    let Some(parent) = environment.vox("parent").and_then(|text| text.parse().ok()) else {
        return true;
    };
    set_parent_process_death_signal(Some(Signal::TERM)).ok();
    // It may have died before the system was asked.
    getppid() == Pid::from_raw(parent)
}

/// Elsewhere nothing tells a child of its parent's death.
#[cfg(not(target_os = "linux"))]
pub fn hold(_: &Environment) -> bool {
    true
}
