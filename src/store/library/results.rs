//! Results by what they compute: each computed once, whoever asks.

use std::time::{Duration, Instant};

use crate::id::{BlobId, Digest, NodeId};
use crate::store::claim::{Claim, Holder};
use crate::store::entry::{Entry, Inputs, Made, Ran, What};
use crate::store::library::error::Error;
use crate::store::library::handle::{Inner, Library, guard};
use crate::store::library::kind::Kind;
use crate::store::library::value::{Value, head};
use crate::store::log::definition::Definition;
use crate::store::log::receipt::{INLINE, Outcome, Output, Receipt};
use crate::store::lookup::{Answer, Found};
use crate::store::open;

/// How often somebody else's computation is asked for.
const ASK: Duration = Duration::from_millis(50);
/// How soon it is asked for the first time; then twice as long each time.
const FIRST: Duration = Duration::from_millis(1);

/// Whose turn it is to compute something.
pub enum Turn {
    /// It is done: this is the key of what it gave.
    Done(BlobId),
    /// The caller's. Hand it to [`Library::complete`] with the result; dropped, it lets others try.
    Yours(Work),
    /// Somebody else's, who was not done in time.
    Theirs(Holder),
}

/// The right to compute something, and what.
pub struct Work {
    definition: Definition,
    /// None when it was computed without asking.
    claim: Option<Claim>,
    began: Instant,
    settles: bool,
}

impl Work {
    /// Returns what is to be computed.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }
}

impl Library {
    /// Takes the computation of a definition, or waits up to `patience` for who has taken it.
    ///
    /// A computation is named by its definition: operator, version, arguments, parameters. Two threads
    /// or processes that ask for the same get one [`Turn::Yours`] between them, and then
    /// [`Turn::Done`]; if the one dies, the other gets its turn. Operators need a namespace of their
    /// own, for `vox run` shares the store. A computation that refused is [`Error::Refused`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use vox::canon::Tree;
    /// use vox::store::library::handle::Library;
    /// use vox::store::library::results::Turn;
    /// use vox::store::log::definition::Definition;
    ///
    /// let store = Library::temporary()?;
    /// let square = Definition {
    ///     op: "lab.square".to_owned(),
    ///     v: 1,
    ///     args: vec![Tree::Float(12.0)],
    ///     p: Tree::map([]),
    /// };
    /// let key = match store.claim(&square, Duration::from_secs(60))? {
    ///     Turn::Done(key) => key,
    ///     Turn::Yours(work) => store.complete(work, b"144")?,
    ///     Turn::Theirs(holder) => panic!("process {} is still at it", holder.pid),
    /// };
    /// assert_eq!(&*store.get(key)?.expect("it is done"), b"144");
    /// assert_eq!(store.wait(square.node(), Duration::ZERO)?, Some(key));
    /// # Ok::<(), vox::store::library::error::Error>(())
    /// ```
    pub fn claim(&self, definition: &Definition, patience: Duration) -> Result<Turn, Error> {
        let (node, began) = (definition.node(), Instant::now());
        let inner = self.inner();
        let mut pause = FIRST;
        loop {
            if let Some(key) = self.result_in(&inner, node)? {
                return Ok(Turn::Done(key));
            }
            let holder = match inner.store.claim(node, &definition.op)? {
                open::Turn::Done(found) => match self.take(&found)? {
                    Some(key) => return Ok(Turn::Done(key)),
                    None => continue,
                },
                open::Turn::Yours(claim) => {
                    let settles = matches!(inner.store.receipt(node)?, Answer::Conflict(_));
                    let (definition, began) = (definition.clone(), Instant::now());
                    let claim = Some(claim);
                    return Ok(Turn::Yours(Work { definition, claim, began, settles }));
                }
                open::Turn::Theirs(holder) => holder,
            };
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(Turn::Theirs(holder));
            }
            inner.store.wait_marker(node)?;
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(ASK);
            inner.store.rest()?;
        }
    }

    /// Hands over the bytes that a computation gave; returns their key.
    ///
    /// They are stored behind the caller's back: at once when somebody waits for them, else within two
    /// seconds, or when [`Library::flush`] returns. Until then nobody else takes the computation.
    pub fn complete(&self, work: Work, bytes: &[u8]) -> Result<BlobId, Error> {
        self.completed(work, Value::copied(&[&head(bytes.len()), bytes]))
    }

    /// Hands over a value of a registered kind that a computation gave; returns its key.
    pub fn complete_as<T: Kind>(&self, work: Work, value: &T) -> Result<BlobId, Error> {
        let canonical = Value::copied(&[&self.written(value)?]);
        self.completed(work, canonical)
    }

    /// Hands over a result that was computed without asking, and how long that took; returns its key.
    ///
    /// For many small results, of which each costs less than a claim: some 20 us.
    ///
    /// ```
    /// use std::time::Duration;
    /// use vox::canon::Tree;
    /// use vox::store::library::handle::Library;
    /// use vox::store::log::definition::Definition;
    ///
    /// let store = Library::temporary()?;
    /// for number in 0..1000u64 {
    ///     let p = Tree::map([("n", Tree::Uint(number))]);
    ///     let square = Definition { op: "lab.square".to_owned(), v: 1, args: Vec::new(), p };
    ///     store.record(square, Duration::from_micros(1), &(number * number).to_le_bytes())?;
    /// }
    /// store.flush()?;
    /// # Ok::<(), vox::store::library::error::Error>(())
    /// ```
    pub fn record(
        &self,
        definition: Definition,
        took: Duration,
        bytes: &[u8],
    ) -> Result<BlobId, Error> {
        let began = Instant::now().checked_sub(took).unwrap_or_else(Instant::now);
        let work = Work { definition, claim: None, began, settles: false };
        self.completed(work, Value::copied(&[&head(bytes.len()), bytes]))
    }

    /// Says that a computation has no result, and never will: whoever asks gets [`Error::Refused`].
    ///
    /// Only for what its arguments decide. For a full disk or lack of memory drop the `work`: then it is
    /// tried again.
    pub fn refuse(&self, work: Work, code: &str) -> Result<(), Error> {
        let outcome = Outcome::Refused { code: code.to_owned(), args: Vec::new() };
        let inner = self.inner();
        let (_, entry) = self.entry(&inner, work, outcome, None)?;
        Ok(inner.writer()?.submit(entry)?)
    }

    /// Waits up to `patience` for a computation that others do; returns the key of what it gave.
    ///
    /// None when it is not done by then; with no patience it only looks.
    pub fn wait(&self, node: NodeId, patience: Duration) -> Result<Option<BlobId>, Error> {
        let began = Instant::now();
        let inner = self.inner();
        let mut pause = FIRST;
        loop {
            if let Some(key) = self.result_in(&inner, node)? {
                return Ok(Some(key));
            }
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            if !inner.store.is_read_only() {
                inner.store.wait_marker(node)?;
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(ASK);
            inner.store.rest()?;
            // Others may bring segments, from other machines too.
            if pause == ASK {
                inner.store.refresh()?;
            }
        }
    }

    fn result_in(&self, inner: &Inner, node: NodeId) -> Result<Option<BlobId>, Error> {
        if let Some((key, _)) = inner.waiting().nodes.get(&node) {
            return Ok(Some(*key));
        }
        match inner.store.receipt(node)? {
            Answer::Found(found) if found.here => self.take(&found),
            _ => Ok(None),
        }
    }

    /// Returns the key of a result that is here, and keeps a small one in memory.
    fn take(&self, found: &Found) -> Result<Option<BlobId>, Error> {
        match &found.receipt.outcome {
            Outcome::Value(output) => {
                if let Some(val) = &output.val {
                    guard(&self.cache).put(output.out, Value::copied(&[val]));
                }
                Ok(Some(output.out))
            }
            Outcome::Refused { code, .. } => {
                Err(Error::Refused { node: found.receipt.node, code: code.clone() })
            }
        }
    }

    fn completed(&self, work: Work, canonical: Value) -> Result<BlobId, Error> {
        self.check_size(canonical.len())?;
        let inner = self.inner();
        let out = BlobId(Digest::of(&canonical));
        let is_small = canonical.len() <= INLINE;
        let val = is_small.then(|| canonical.to_vec());
        let output = Output { out, val, refs: Vec::new(), warn: Vec::new() };
        let object = (!is_small).then(|| canonical.clone());
        let (node, entry) = self.entry(&inner, work, Outcome::Value(output), object)?;
        {
            let mut waiting = inner.waiting();
            waiting.nodes.insert(node, (out, entry.lam));
            waiting.values.insert(out, canonical.clone());
        }
        inner.writer()?.submit(entry)?;
        guard(&self.cache).put(out, canonical);
        self.count_puts(1);
        Ok(out)
    }

    fn entry(
        &self,
        inner: &Inner,
        work: Work,
        outcome: Outcome,
        object: Option<Value>,
    ) -> Result<(NodeId, Entry), Error> {
        let Work { definition, claim, began, settles } = work;
        let (lam, inputs) = arguments(inner, &definition)?;
        let receipt = Receipt::new(definition, outcome);
        let node = receipt.node;
        let ran = Ran {
            receipt: Made::Known(receipt),
            us: began.elapsed().as_micros() as u64,
            inputs,
            object: object.map(|object| Box::new(object) as _),
            refs: Vec::new(),
            settles,
            until: None,
        };
        Ok((node, Entry { what: What::Run(ran), lam, claim }))
    }
}

/// Returns the depth of a computation, and what its arguments gave, as far as that is known.
fn arguments(inner: &Inner, definition: &Definition) -> Result<(u64, Inputs), Error> {
    let mut lam = u64::from(!definition.args.is_empty());
    if definition.nodes().next().is_none() {
        // Its cut-off key would say what its node says.
        return Ok((lam, Inputs::Unknown));
    }
    let mut names = Some(Vec::new());
    for node in definition.nodes() {
        let waiting = inner.waiting().nodes.get(&node).copied();
        let known = match waiting {
            Some(known) => Some(known),
            None => match inner.store.receipt(node)? {
                Answer::Found(found) => {
                    found.receipt.output().map(|output| (output.out, found.lam))
                }
                _ => None,
            },
        };
        lam = lam.max(1 + known.map_or(0, |(_, lam)| lam));
        names = names.zip(known).map(|(mut names, (out, _))| {
            names.push(out);
            names
        });
    }
    Ok((lam, names.map_or(Inputs::Unknown, Inputs::Known)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::canon::Tree;
    use crate::store::library::handle::Options;

    const LONG: Duration = Duration::from_secs(60);

    fn definition(number: f64, args: Vec<Tree>) -> Definition {
        let p = Tree::map([("n", Tree::Float(number))]);
        Definition { op: "test.op".to_owned(), v: 1, args, p }
    }

    fn work(store: &Library, definition: &Definition) -> Work {
        match store.claim(definition, Duration::ZERO).unwrap() {
            Turn::Yours(work) => work,
            _ => panic!("nobody has it"),
        }
    }

    #[test]
    fn results_are_found_at_once_and_after_a_flush_and_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let store = Library::at(&path, Options::default()).unwrap();
        let first = definition(1.0, Vec::new());
        let second = definition(2.0, vec![Tree::bytes(&first.node().0.0), Tree::Float(3.0)]);
        let small = store.complete(work(&store, &first), b"small").unwrap();
        let large = store.complete(work(&store, &second), &[9; 10_000]).unwrap();
        for _ in 0..2 {
            assert_eq!(store.wait(first.node(), Duration::ZERO).unwrap(), Some(small));
            assert_eq!(store.wait(second.node(), Duration::ZERO).unwrap(), Some(large));
            store.flush().unwrap();
        }
        let other = Library::at(&path, Options::default()).unwrap();
        assert!(matches!(other.claim(&second, LONG).unwrap(), Turn::Done(key) if key == large));
        assert_eq!(&*other.get(large).unwrap().unwrap(), &[9; 10_000]);
        assert_eq!(&*other.get(small).unwrap().unwrap(), b"small");
        let Answer::Found(found) = other.store().receipt(second.node()).unwrap() else { panic!() };
        assert_eq!((found.lam, found.inputs), (1, Some(vec![small])));
        assert!(other.store().verify().unwrap().is_clean());
        // What was deleted is computed again, and is the same.
        assert!(other.delete(large).unwrap());
        let again = work(&other, &second);
        assert_eq!(other.complete(again, &[9; 10_000]).unwrap(), large);
    }

    #[test]
    fn a_refusal_is_kept_and_a_dropped_turn_is_not() {
        let store = Library::memory().unwrap();
        let one = definition(1.0, Vec::new());
        drop(work(&store, &one));
        store.refuse(work(&store, &one), "too-dark").unwrap();
        store.flush().unwrap();
        let told = store.claim(&one, LONG).err().unwrap();
        assert!(matches!(told, Error::Refused { code, .. } if code == "too-dark"));
        assert!(store.wait(one.node(), LONG).is_err());
    }

    /// Two handles of one folder stand for two processes.
    #[test]
    fn many_who_ask_for_one_result_compute_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let stores = [(); 2].map(|()| Library::at(&path, Options::default()).unwrap());
        let computed = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for at in 0..6 {
                let (store, computed) = (&stores[at % 2], &computed);
                scope.spawn(move || {
                    let one = definition(1.0, Vec::new());
                    let key = match store.claim(&one, LONG).unwrap() {
                        Turn::Done(key) => key,
                        Turn::Yours(work) => {
                            computed.fetch_add(1, Ordering::SeqCst);
                            store.complete(work, b"once").unwrap()
                        }
                        Turn::Theirs(_) => panic!("a minute is enough"),
                    };
                    assert_eq!(&*store.get(key).unwrap().unwrap(), b"once");
                });
            }
        });
        assert_eq!(computed.into_inner(), 1);
    }

    #[test]
    fn patience_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let stores = [(); 2].map(|()| Library::at(&path, Options::default()).unwrap());
        let one = definition(1.0, Vec::new());
        let held = work(&stores[0], &one);
        let short = Duration::from_millis(20);
        let Turn::Theirs(holder) = stores[1].claim(&one, short).unwrap() else { panic!() };
        assert_eq!((holder.pid, holder.operator.as_str()), (std::process::id(), "test.op"));
        assert_eq!(stores[1].wait(one.node(), short).unwrap(), None);
        drop(held);
        assert!(matches!(stores[1].claim(&one, short).unwrap(), Turn::Yours(_)));
    }
}
