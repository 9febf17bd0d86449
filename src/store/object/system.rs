//! What the file system below a path can do.

use std::fs::File;

/// Says whether a file lies on a disk of this host.
///
/// Where it does not, nothing is mapped (a mapped file that another host truncates is SIGBUS) and
/// locks reach no other host. What cannot be told counts as not local.
#[cfg(target_os = "linux")]
pub fn is_local(file: &File) -> bool {
    // NFS, SMB (three), FUSE, 9P, Ceph, Lustre, AFS (two), GPFS, BeeGFS, Coda, GFS2, OCFS2, VirtualBox.
    const REMOTE: [u32; 16] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x6573_5546,
        0x0102_1997,
        0x00c3_6400,
        0x0bd0_0bd0,
        0x5346_414f,
        0x6b41_4653,
        0x4750_4653,
        0x1983_0326,
        0x7375_7245,
        0x0116_1970,
        0x7461_636f,
        0x786f_4256,
    ];
    rustix::fs::fstatfs(file).is_ok_and(|stat| !REMOTE.contains(&(stat.f_type as u32)))
}

/// Says whether a file lies on a disk of this host; here that cannot be told, and is assumed.
#[cfg(not(target_os = "linux"))]
pub fn is_local(_file: &File) -> bool {
    cfg!(unix)
}

/// Says whether so little waits to be written that syncing a whole file system is quick.
#[cfg(target_os = "linux")]
pub fn is_little_dirty() -> bool {
    const LITTLE_KB: u64 = 256 * 1024;
    let Ok(text) = std::fs::read_to_string("/proc/meminfo") else { return false };
    let waiting: Option<u64> = ["Dirty:", "Writeback:"]
        .iter()
        .map(|name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        })
        .sum();
    waiting.is_some_and(|kb| kb < LITTLE_KB)
}

/// Says whether so little waits to be written that syncing a whole file system is quick; here there
/// is no call that does.
#[cfg(not(target_os = "linux"))]
pub fn is_little_dirty() -> bool {
    false
}

/// Syncs the whole file system that a file lies on.
#[cfg(target_os = "linux")]
pub fn sync_whole(file: &File) -> std::io::Result<()> {
    Ok(rustix::fs::syncfs(file)?)
}

/// Syncs the whole file system that a file lies on; not here.
#[cfg(not(target_os = "linux"))]
pub fn sync_whole(_file: &File) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
