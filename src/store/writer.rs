//! Who writes here: the file `local/writer`.
//!
//! One writer per store, host and path. The file is a floor: it is written after the segment's folder
//! was synced, so sealed files may go beyond it, and never fall behind it unless somebody brought
//! back an older copy.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::store::error::{Error, io_error};
use crate::store::log::append::Head;
use crate::store::log::list;
use crate::store::log::reader::SegmentReader;
use crate::store::object::disk;
use crate::store::object::layout::{Layout, SegmentName, WriterId};

/// What tells one copy of a store from another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The machine's name for itself.
    pub machine: String,
    /// The store's canonical path.
    pub root: String,
    /// The inode of its folder: a copied folder has another one.
    pub inode: u64,
}

/// The writer of this store, host and path, and how far it got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Floor {
    /// Who writes.
    pub writer: WriterId,
    /// Whom it replaced on this machine, in order.
    pub replaced: Vec<WriterId>,
    /// How far its log goes at least.
    pub head: Head,
    /// The segment that ends there.
    pub last: Option<SegmentName>,
    /// Whose it is.
    pub identity: Identity,
}

/// The file's form.
#[derive(Serialize, Deserialize)]
struct Written {
    writer: String,
    #[serde(default)]
    replaced: Vec<String>,
    machine: String,
    root: String,
    /// As text: it may need all 64 bits, and TOML's integers have a sign.
    inode: String,
    seq: u64,
    head: String,
    #[serde(default)]
    segment: Option<String>,
    /// The digest of all the others: a flipped digit of the head would begin another chain.
    #[serde(default)]
    sum: Option<String>,
}

impl Written {
    fn summed(&self) -> String {
        let Self { writer, replaced, machine, root, inode, seq, head, segment, sum: _ } = self;
        let (replaced, seq) = (replaced.join(","), seq.to_string());
        let segment = segment.as_deref().unwrap_or_default();
        let mut text = String::new();
        let fields: [&str; 8] = [writer, &replaced, machine, root, inode, &seq, head, segment];
        for field in fields {
            text.push_str(field);
            text.push('\n');
        }
        Digest::of(text.as_bytes()).hex()
    }
}

impl Identity {
    /// Returns the identity of a store's folder.
    pub fn of(root: &Path, machine: String) -> Result<Self, Error> {
        let path = root.canonicalize().map_err(io_error("find", root))?;
        let inode = fs::metadata(&path).map_err(io_error("examine", &path))?.ino();
        Ok(Self { machine, root: path.to_string_lossy().into_owned(), inode })
    }
}

impl Floor {
    /// Reads the floor; none when there is no file, or one that is torn.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            // Bytes that are no text say nothing sensible either.
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidData
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(io_error("read", path)(error)),
        };
        // A file that says nothing sensible is as good as none: a new writer is always right.
        Ok(toml::from_str(&text).ok().and_then(Self::of))
    }

    fn of(written: Written) -> Option<Self> {
        if written.sum.as_ref().is_some_and(|sum| *sum != written.summed()) {
            return None;
        }
        let replaced = written.replaced.iter().map(|text| WriterId::parse(text));
        Some(Self {
            writer: WriterId::parse(&written.writer)?,
            replaced: replaced.collect::<Option<_>>()?,
            head: Head { seq: written.seq, hash: Digest::parse(&written.head)? },
            last: written.segment.as_deref().and_then(SegmentName::parse),
            identity: Identity {
                machine: written.machine,
                root: written.root,
                inode: written.inode.parse().ok()?,
            },
        })
    }

    /// Writes the floor durably.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let mut written = Written {
            writer: self.writer.to_string(),
            replaced: self.replaced.iter().map(ToString::to_string).collect(),
            machine: self.identity.machine.clone(),
            root: self.identity.root.clone(),
            inode: self.identity.inode.to_string(),
            seq: self.head.seq,
            head: self.head.hash.hex(),
            segment: self.last.map(|name| name.to_string()),
            sum: None,
        };
        written.sum = Some(written.summed());
        let text = toml::to_string(&written).map_err(|error| Error::Settings {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(disk::replace(path, text.as_bytes())?)
    }

    /// Returns whose receipts are this host's own, the present writer last.
    pub fn own(&self) -> impl Iterator<Item = WriterId> + '_ {
        self.replaced.iter().copied().chain([self.writer])
    }

    /// Begins a new writer, which replaces those of this machine.
    pub fn mint(before: Option<Self>, identity: Identity) -> Result<Self, Error> {
        let replaced = match before {
            // A store that was copied from another machine brings a writer that goes on there.
            Some(floor) if floor.identity.machine == identity.machine => floor.own().collect(),
            _ => Vec::new(),
        };
        Ok(Self { writer: WriterId(random()?), replaced, head: Head::NONE, last: None, identity })
    }

    /// Returns the floor to go on from, found from the file and the segments that are here.
    ///
    /// The caller holds `log.lock`. A copied store, a cloned machine, a log that lost its end or that
    /// somebody else wrote on mints a new writer: two that go on from one head would fork.
    pub fn current(path: &Path, layout: &Layout, identity: &Identity) -> Result<Self, Error> {
        let before = Self::read(path)?;
        if let Some(floor) = &before
            && floor.identity == *identity
            && let Some(head) = continued(layout, floor)?
        {
            let last = floor.last.filter(|name| name.last == head.seq);
            return Ok(Self { head, last, ..floor.clone() });
        }
        Self::mint(before, identity.clone())
    }
}

/// Follows the sealed files from the floor on; none when they do not contain it, or fork.
fn continued(layout: &Layout, floor: &Floor) -> Result<Option<Head>, Error> {
    let mut found = list::of_writer(layout, floor.writer)?;
    found.retain(|found| found.name.last >= floor.head.seq);
    found.sort_by_key(|found| found.name);
    if let ([only], Some(last)) = (&found[..], floor.last)
        && only.name == last
        && last.last == floor.head.seq
    {
        // Its name is the digest of what was sealed, the head among it.
        return Ok(Some(floor.head));
    }
    let mut hashes: HashMap<u64, Digest> = HashMap::from([(floor.head.seq, floor.head.hash)]);
    let mut head = floor.head;
    let mut contained = floor.head.seq == 0;
    for found in found {
        if found.name.first > head.seq + 1 {
            return Ok(None);
        }
        let Some(reader) = SegmentReader::open(&found.path, false)? else { continue };
        let Ok(segment) = reader.verified(found.writer, &found.name) else { return Ok(None) };
        for seq in found.name.first.saturating_sub(1).max(floor.head.seq)..=found.name.last {
            let Some(hash) = segment.hash_at(seq) else { return Ok(None) };
            if *hashes.entry(seq).or_insert(hash) != hash {
                return Ok(None);
            }
        }
        contained |= found.name.first <= floor.head.seq + 1;
        if found.name.last > head.seq {
            let Some(hash) = segment.hash_at(found.name.last) else { return Ok(None) };
            head = Head { seq: found.name.last, hash };
        }
    }
    Ok(contained.then_some(head))
}

/// Returns random bytes of the system.
pub fn random() -> Result<[u8; 16], Error> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(io_error("read", path))?;
    Ok(bytes)
}
