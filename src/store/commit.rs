//! Results on their way to the disk: object, then record, then row.
//!
//! A thread of its own gathers what is handed over and seals it in batches. The order makes a crash
//! harmless; acknowledged is what was announced as stored.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::store::entry::{Entry, Event, Summary};
use crate::store::error::{Error, io_error};
use crate::store::open::{Store, guard};
use crate::store::seal::Sealer;

/// A batch waits this long for more.
const PATIENCE: Duration = Duration::from_secs(2);
/// A batch of this many bytes waits for no more.
const FULL: usize = 64 << 20;
/// How often the writer looks whether somebody waits for what it holds.
const LOOK: Duration = Duration::from_millis(50);
/// What comes within this time is taken together: waking up for each entry costs more than taking it.
const LINGER: Duration = Duration::from_millis(2);
/// So many entries or bytes are taken without lingering.
const MANY: usize = 1024;
const MUCH: usize = 1 << 18;
/// So many bytes may wait; whoever brings more waits too.
pub(in crate::store) const QUEUE: usize = 256 << 20;

/// The writer of a run; dropped, it stores what it was given and ends.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Summary>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something was handed over, or is to be sealed.
    came: Condvar,
    /// There is room again.
    went: Condvar,
}

#[derive(Default)]
struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// How many bytes may wait.
    limit: usize,
    /// How many entries were handed over, and what became of how many is decided.
    handed: u64,
    done: u64,
    /// Seal as soon as the queue is empty.
    idle: bool,
    closed: bool,
    ended: bool,
}

impl Queue {
    /// Is there enough to be taken at once?
    fn is_much(&self) -> bool {
        self.entries.len() >= MANY || self.bytes >= MUCH
    }
}

impl Store {
    /// Begins a writer; what becomes of entries is told to `events`.
    pub fn writer(self: &Arc<Self>, events: Option<Sender<Event>>) -> Result<Writer, Error> {
        self.writer_of(events, QUEUE)
    }

    /// Begins a writer for which so many bytes may wait.
    pub(in crate::store) fn writer_of(
        self: &Arc<Self>,
        events: Option<Sender<Event>>,
        limit: usize,
    ) -> Result<Writer, Error> {
        if self.read_only {
            return Err(Error::ReadOnly { path: self.layout.root().to_owned() });
        }
        let shared = Arc::new(Shared::default());
        guard(&shared.queue).limit = limit;
        let sealer = Sealer::new(self.clone(), events);
        let thread = {
            let shared = shared.clone();
            std::thread::Builder::new()
                .name("vox-writer".to_owned())
                .spawn(move || {
                    let ended = End(&shared);
                    let summary = work(&shared, sealer);
                    drop(ended);
                    summary
                })
                .map_err(io_error("start the writer of", self.layout.root()))?
        };
        Ok(Writer { shared, thread: Some(thread) })
    }
}

impl Writer {
    /// Hands over an entry; waits while too many bytes are on their way.
    pub fn submit(&self, entry: Entry) -> Result<(), Error> {
        let weight = entry.weight();
        let mut queue = guard(&self.shared.queue);
        while queue.bytes > 0 && queue.bytes + weight > queue.limit && !queue.ended {
            queue = self.shared.went.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        if queue.ended {
            return Err(Error::Ended);
        }
        let was_much = queue.is_much();
        let was_empty = queue.entries.is_empty();
        queue.bytes += weight;
        queue.handed += 1;
        queue.entries.push_back(entry);
        queue.idle = false;
        if was_empty || (queue.is_much() && !was_much) {
            self.shared.came.notify_one();
        }
        Ok(())
    }

    /// Says that nothing more comes for a while: what was handed over is sealed at once.
    pub fn idle(&self) {
        guard(&self.shared.queue).idle = true;
        self.shared.came.notify_one();
    }

    /// Waits until what became of all that was handed over is decided, and was told as events.
    pub fn flush(&self) -> Result<(), Error> {
        let mut queue = guard(&self.shared.queue);
        let handed = queue.handed;
        while queue.done < handed && !queue.ended {
            // Whoever hands over more meanwhile says that it is not idle.
            queue.idle = true;
            self.shared.came.notify_one();
            let waited = self.shared.went.wait_timeout(queue, LOOK);
            queue = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        if queue.done < handed { Err(Error::Ended) } else { Ok(()) }
    }

    /// Returns how many entries are on their way, and how many bytes wait to be taken.
    pub fn queued(&self) -> (u64, u64) {
        let queue = guard(&self.shared.queue);
        (queue.handed - queue.done, queue.bytes as u64)
    }

    /// Stores everything that was handed over, and says what became of it.
    pub fn finish(mut self) -> Result<Summary, Error> {
        self.close().unwrap_or(Err(Error::Ended))
    }

    fn close(&mut self) -> Option<Result<Summary, Error>> {
        let thread = self.thread.take()?;
        guard(&self.shared.queue).closed = true;
        self.shared.came.notify_one();
        Some(thread.join().map_err(|_| Error::Ended))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Whoever drops it does not ask what became of the entries.
        drop(self.close());
    }
}

/// Lets go of those who wait, also when the writer's thread panics.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut queue = guard(&self.0.queue);
        queue.ended = true;
        // Dropped claims give their nodes back.
        let entries = std::mem::take(&mut queue.entries);
        drop(queue);
        drop(entries);
        self.0.went.notify_all();
    }
}

/// Gathers and seals until the writer is closed and nothing is left.
fn work(shared: &Shared, mut sealer: Sealer) -> Summary {
    let mut deadline: Option<Instant> = None;
    let mut count = 0;
    let done = |count: u64| {
        guard(&shared.queue).done = count;
        shared.went.notify_all();
    };
    loop {
        let mut queue = guard(&shared.queue);
        if queue.entries.is_empty() && !queue.closed && !(queue.idle && deadline.is_some()) {
            let patience = deadline
                .map_or(PATIENCE, |deadline| deadline.saturating_duration_since(Instant::now()));
            let patience = if sealer.holds_claims() { patience.min(LOOK) } else { patience };
            if !patience.is_zero() {
                queue = shared
                    .came
                    .wait_timeout(queue, patience)
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .0;
            }
        }
        if !queue.entries.is_empty() && !queue.is_much() && !queue.closed && !queue.idle {
            let more = shared.came.wait_timeout(queue, LINGER);
            queue = more.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        let entries = std::mem::take(&mut queue.entries);
        let (closed, idle) = (queue.closed, queue.idle);
        drop(queue);
        let mut taken = 0;
        let left = entries.len();
        for (at, entry) in entries.into_iter().enumerate() {
            taken += entry.weight();
            sealer.take(entry);
            count += 1;
            deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
            if sealer.bytes() >= FULL {
                sealer.seal();
                done(count);
                deadline = None;
            }
            if taken >= MUCH || at + 1 == left {
                let mut queue = guard(&shared.queue);
                queue.bytes = queue.bytes.saturating_sub(std::mem::take(&mut taken));
                drop(queue);
                shared.went.notify_all();
            }
        }
        let is_late = deadline.is_some_and(|deadline| deadline <= Instant::now());
        let more = !guard(&shared.queue).entries.is_empty();
        if is_late || sealer.is_wanted() || ((idle || closed) && !more) {
            sealer.seal();
            done(count);
            deadline = None;
        }
        if closed && !more && guard(&shared.queue).entries.is_empty() {
            return sealer.finish();
        }
    }
}
