//! A run's shelf over a store.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::codec::decode::{self, Source};
use crate::codec::encode::{self, Encoded};
use crate::codec::error::Error as CodecError;
use crate::exec::elsewhere::Elsewhere;
use crate::exec::shelf::{Answer, Looked, Session, Shelf, Turn};
use crate::id::{BlobId, Digest, NodeId};
use crate::primitive::refusal::{Code, Refusal};
use crate::store::commit::Writer;
use crate::store::entry::{Entry, Event, Parts};
use crate::store::error::Error;
use crate::store::log::receipt::Outcome;
use crate::store::lookup::{self, Found};
use crate::store::object::blob::Blob;
use crate::store::open::{self, Store};
use crate::store::runs::Live;
use crate::store::watch::Watch;
use crate::value::data::Value;

/// A store that runs read and write.
pub struct Stored {
    store: Arc<Store>,
    began: Instant,
    /// Begun by a run that takes long; nothing where the system has no means for it.
    watch: OnceLock<Option<Watch>>,
    /// When it may be looked around again.
    next: Mutex<Instant>,
    /// Asked for what is not here.
    elsewhere: Option<Arc<dyn Elsewhere>>,
}

/// A run that takes so long looks for what others bring meanwhile.
const LONG: Duration = Duration::from_secs(1);
/// It looks so often at most: every result that anybody writes is news, and workers write many.
const PAUSE: Duration = Duration::from_millis(200);
/// And never so often that looking takes more than one part in so many of its time.
const SHARE: u32 = 20;

impl Stored {
    /// Takes a store. In one that cannot be written a run keeps nothing, and claims nothing.
    pub fn new(store: Arc<Store>) -> Arc<Self> {
        Self::reaching(store, None)
    }

    /// Takes a store, and where to ask for what is not in it.
    pub fn reaching(store: Arc<Store>, elsewhere: Option<Arc<dyn Elsewhere>>) -> Arc<Self> {
        let (began, watch) = (Instant::now(), OnceLock::new());
        Arc::new(Self { store, began, watch, next: Mutex::new(began), elsewhere })
    }

    /// Takes in what others brought since the watch began.
    fn look_around(&self) -> Result<(), Error> {
        if self.watch.get().is_none() && self.began.elapsed() < LONG {
            return Ok(());
        }
        let watch = self.watch.get_or_init(|| Watch::begin(self.store.layout()));
        // Somebody looks around just now.
        let Ok(mut next) = self.next.try_lock() else { return Ok(()) };
        let now = Instant::now();
        // What came meanwhile stays noted.
        if now >= *next && watch.as_ref().is_some_and(Watch::came) {
            self.store.refresh()?;
            *next = now + PAUSE.max(now.elapsed() * SHARE);
        }
        Ok(())
    }

    /// Opens an object that is here, or comes from elsewhere.
    fn blob(&self, blob: BlobId) -> Result<Option<Blob>, Error> {
        if let Some(blob) = self.store.open_blob(blob)? {
            return Ok(Some(blob));
        }
        match &self.elsewhere {
            Some(elsewhere) if elsewhere.object(blob)? => self.store.open_blob(blob),
            _ => Ok(None),
        }
    }

    fn open(&self, blob: Blob) -> Result<Option<Value>, Error> {
        let opened = Opened { store: &self.store, blob };
        settle(decode::decode(&opened, &|id| self.image(id)))
    }

    /// Opens an image that a value mentions; it mentions nothing itself.
    fn image(&self, blob: BlobId) -> Result<Option<Value>, Error> {
        let Some(blob) = self.blob(blob)? else { return Ok(None) };
        settle(decode::decode(&Opened { store: &self.store, blob }, &|_| Ok(None)))
    }
}

impl Shelf for Stored {
    fn look(&self, node: NodeId) -> Result<Looked, Error> {
        let (found, spent) = self.store.look(node)?;
        Ok(match found {
            lookup::Answer::Found(found) => match answer(*found) {
                Some(answer) => Looked::Answer(Box::new(answer)),
                None => Looked::Recorded { us: 0 },
            },
            lookup::Answer::Conflict(_) => Looked::Conflict,
            lookup::Answer::None => match spent {
                Some(us) => Looked::Recorded { us },
                None => Looked::Nothing,
            },
        })
    }

    fn bring(&self, nodes: &[NodeId]) -> Result<bool, Error> {
        self.elsewhere.as_ref().map_or(Ok(false), |elsewhere| elsewhere.records(nodes))
    }

    fn reaches_out(&self) -> bool {
        self.elsewhere.is_some()
    }

    fn same(&self, cut: Digest) -> Result<Option<Answer>, Error> {
        Ok(self.store.cut(cut)?.and_then(answer))
    }

    fn load(&self, blob: BlobId) -> Result<Option<Value>, Error> {
        // Small values that lie in no object ride in somebody's receipt.
        if let Some(opened) = self.store.open_blob(blob)?
            && let Some(value) = self.open(opened)?
        {
            return Ok(Some(value));
        }
        if let Some(small) = self.store.small(blob)? {
            return self.decode(&small);
        }
        match self.blob(blob)? {
            Some(opened) => self.open(opened),
            None => Ok(None),
        }
    }

    fn decode(&self, small: &[u8]) -> Result<Option<Value>, Error> {
        settle(decode::decode_slice(small, &|id| self.image(id)))
    }

    fn claim(&self, node: NodeId, op: &str) -> Result<Turn, Error> {
        if self.store.is_read_only() {
            return Ok(Turn::Yours(None));
        }
        Ok(match self.store.claim(node, op)? {
            open::Turn::Done(found) => match answer(*found) {
                Some(answer) => Turn::Done(Box::new(answer)),
                None => Turn::Yours(None),
            },
            open::Turn::Yours(claim) => Turn::Yours(Some(claim)),
            open::Turn::Theirs(holder) => Turn::Theirs(holder),
        })
    }

    fn rest(&self) -> Result<(), Error> {
        self.look_around()?;
        self.store.rest()
    }

    fn want(&self, node: NodeId) -> Result<(), Error> {
        self.store.wait_marker(node)
    }

    fn begin(&self, goals: Vec<(String, NodeId)>) -> Result<Box<dyn Session>, Error> {
        let (sender, receiver) = mpsc::channel();
        let writer =
            if self.store.is_read_only() { None } else { Some(self.store.writer(Some(sender))?) };
        let live = self.store.begin_run(goals)?;
        Ok(Box::new(Writing { writer, receiver, live }))
    }
}

/// The writer of one run; its results are not evicted while it is there.
struct Writing {
    writer: Option<Writer>,
    receiver: Receiver<Event>,
    #[expect(dead_code, reason = "it keeps the run alive")]
    live: Live,
}

impl Session for Writing {
    fn write(&mut self, entry: Entry) -> Result<(), Error> {
        match &self.writer {
            Some(writer) => writer.submit(entry),
            None => Ok(()),
        }
    }

    fn stored(&mut self) -> Vec<NodeId> {
        let stored = self.receiver.try_iter().filter_map(|event| match event {
            Event::Stored { nodes, .. } => Some(nodes),
            Event::Left { .. } => None,
        });
        stored.flatten().collect()
    }

    fn finish(&mut self) -> Result<u64, Arc<Error>> {
        let Some(writer) = self.writer.take() else { return Ok(0) };
        let summary = writer.finish().map_err(Arc::new)?;
        match summary.error {
            Some(error) => Err(error),
            None => Ok(summary.left),
        }
    }
}

impl Parts for Encoded {
    fn parts(&self) -> Vec<&[u8]> {
        Encoded::parts(self)
    }
}

/// Returns what a receipt says; a refusal whose word is of a later version says nothing.
fn answer(found: Found) -> Option<Answer> {
    let result = match found.receipt.outcome {
        Outcome::Value(output) => Ok(output),
        Outcome::Refused { code, args } => {
            let args = args.iter().map(encode::value_of).collect::<Option<_>>()?;
            Err(Refusal { code: Code::parse(&code)?, args })
        }
    };
    Some(Answer { result, us: found.us, here: found.here })
}

/// A blob as the codec reads it. One whose bytes turn out to be bad is put aside.
struct Opened<'a> {
    store: &'a Store,
    blob: Blob,
}

impl Source for Opened<'_> {
    type Error = Error;

    fn len(&self) -> u64 {
        self.blob.len() as u64
    }

    fn prefix(&self, n: usize) -> Result<Vec<u8>, Error> {
        self.blob.prefix(n).or_else(|error| self.spoilt(error))
    }

    fn fill(&self, out: &mut [u8]) -> Result<(), Error> {
        self.blob.fill(out).or_else(|error| self.spoilt(error))
    }
}

impl Opened<'_> {
    fn spoilt<T>(&self, error: crate::store::object::error::Error) -> Result<T, Error> {
        if error.is_damage() {
            self.store.spoilt(&self.blob, &error)?;
        }
        Err(error.into())
    }
}

/// Makes "not here" of all that means computing again.
fn settle(decoded: Result<Value, CodecError<Error>>) -> Result<Option<Value>, Error> {
    match decoded {
        Ok(value) => Ok(Some(value)),
        Err(CodecError::Source(Error::Object(error))) if error.is_damage() => Ok(None),
        Err(CodecError::Source(error)) => Err(error),
        Err(CodecError::Malformed(_) | CodecError::Missing(_)) => Ok(None),
    }
}
