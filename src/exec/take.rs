//! What came of jobs: values, refusals, and what is written down of them.

use std::sync::Arc;

use crate::canon::Tree;
use crate::codec::encode::{self, Encoded};
use crate::exec::drive::{Run, Slot};
use crate::exec::error::{Error, Failure};
use crate::exec::event::{Event, Outcome};
use crate::exec::job::{Done, Made, Trouble};
use crate::exec::keep::INLINE;
use crate::exec::report::Ran;
use crate::exec::shelf::Answer;
use crate::id::{BlobId, Digest};
use crate::plan::graph::{Arg, NodeIndex};
use crate::plan::node::{long_blob, long_literal};
use crate::primitive::refusal::Refusal;
use crate::store::entry::{self, Entry, Inputs, Parts, What};
use crate::store::log::definition::Definition;
use crate::store::log::receipt::{self, Receipt};
use crate::store::log::record::Def;

impl Run<'_> {
    /// Takes in what came of a job.
    pub(in crate::exec) fn take_in(&mut self, done: Done) -> Result<(), Error> {
        match done {
            Done::Ran { node, us, naming_us, result } => {
                self.report.naming_us += naming_us;
                match result {
                    Ok(made) => self.made(node, us, made),
                    Err(trouble) => self.troubled(node, us, trouble),
                }
            }
            Done::Loaded { node, result } => {
                self.loaded(node, result?);
                Ok(())
            }
            Done::Published { goal, path, result } => {
                let outcome = match result {
                    Ok(()) => Outcome::Saved { path, written: true },
                    Err(source) => Outcome::Failed(Arc::new(Failure::Output { path, source })),
                };
                self.outcomes[goal as usize] = Some(outcome);
                Ok(())
            }
        }
    }

    fn made(&mut self, node: NodeIndex, us: u64, made: Made) -> Result<(), Error> {
        let Made { mut output, small, encoded, name, again_ps } = made;
        if let Some(file) = output.file.take() {
            self.encoded.insert(node, Arc::new(file));
        }
        let value = output.value;
        let (voxels, bytes) =
            (value.grid().map_or(0, |grid| grid.voxels() as u64), value.size() as u64);
        self.fact(node).again_ps = again_ps;
        self.values.put(node, value);
        if self.schedule.is_forced(node) {
            self.schedule.unforce(node);
            self.schedule.done(self.plan, node, name, voxels, bytes);
            for goal in self.effects.remove(&node).unwrap_or_default() {
                self.save(goal, node);
            }
            return Ok(());
        }
        for warning in &output.warnings {
            let (code, count) = (warning.code, warning.count);
            self.sink.event(Event::Warning { node, code, count });
        }
        let warn = output.warnings.iter();
        let warn = warn
            .map(|warning| receipt::Warning { code: warning.code.to_owned(), count: warning.count })
            .collect();
        let kept = small.is_some() || encoded.is_some();
        self.ran(node, us, if kept { bytes } else { 0 }, bytes)?;
        self.record(node, us, small, encoded, name, warn)?;
        self.reader_settled(node);
        self.schedule.done(self.plan, node, name, voxels, bytes);
        Ok(())
    }

    /// Counts a node that ran, and those that were fused into it.
    fn ran(&mut self, node: NodeIndex, us: u64, bytes: u64, made: u64) -> Result<(), Error> {
        let claimed = self.claims.contains_key(&node);
        let inner = self.groups.get(&node).map(|group| group.inner.clone()).unwrap_or_default();
        for node in inner {
            self.tell_ran(node, [0; 3], false)?;
            if !self.fact(node).recorded {
                // The last of the group has the time of all.
                self.write_def(node, 0)?;
            }
        }
        self.tell_ran(node, [us, bytes, made], claimed)
    }

    fn tell_ran(
        &mut self,
        node: NodeIndex,
        [us, bytes, made]: [u64; 3],
        claimed: bool,
    ) -> Result<(), Error> {
        let why = self.reason(node)?;
        let fact = self.fact(node);
        fact.why = Some(why);
        if std::mem::replace(&mut fact.ran, true) {
            // Its value was dropped and wanted again: it counts once.
            return Ok(());
        }
        let (id, op) = (self.plan.id(node), self.plan.signature(node).name);
        let ran = Ran { node: id, op, us, bytes, made, claimed, why };
        self.sink.event(Event::Node(&ran));
        self.report.ran(ran);
        Ok(())
    }

    /// Writes down what came out of a node, or that it ran and left no value.
    fn record(
        &mut self,
        node: NodeIndex,
        us: u64,
        small: Option<Vec<u8>>,
        encoded: Option<Encoded>,
        name: Option<BlobId>,
        warn: Vec<receipt::Warning>,
    ) -> Result<(), Error> {
        let claim = self.claims.remove(&node);
        let settles = std::mem::take(&mut self.fact(node).settles);
        let Some(mut ran) = self.receipt(node, small, encoded, name, warn) else {
            if !self.fact(node).recorded {
                self.write_def(node, us)?;
            }
            drop(claim);
            return Ok(());
        };
        ran.us = us;
        ran.settles = settles;
        self.fact(node).recorded = true;
        let lam = u64::from(self.plan.lam(node));
        Ok(self.session()?.write(Entry { what: What::Run(ran), lam, claim })?)
    }

    fn receipt(
        &mut self,
        node: NodeIndex,
        small: Option<Vec<u8>>,
        encoded: Option<Encoded>,
        name: Option<BlobId>,
        warn: Vec<receipt::Warning>,
    ) -> Option<entry::Ran> {
        let definition = self.definition(node);
        let of = self.plan.id(node);
        let inputs = self.inputs_of(node);
        let make = move |out: BlobId, val: Option<Vec<u8>>, refs: Vec<BlobId>| {
            let outcome = receipt::Outcome::Value(receipt::Output { out, val, refs, warn });
            Receipt { node: of, definition, outcome }
        };
        let mut objects: Vec<Box<dyn Parts>> = Vec::new();
        let (receipt, object) = if let Some(small) = small {
            let out = name.expect("a small value has a name");
            (entry::Made::Known(make(out, Some(small), Vec::new())), None)
        } else {
            let encoded = encoded?;
            let refs: Vec<BlobId> = encoded.refs.iter().map(|(blob, _)| *blob).collect();
            for (_, image) in &encoded.refs {
                objects.push(Box::new(encode::encode(image)));
            }
            if encoded.len() <= INLINE {
                let val = encoded.to_vec();
                let out = BlobId(Digest::of(&val));
                self.schedule.set_name(node, out);
                (entry::Made::Known(make(out, Some(val), refs)), None)
            } else if let Some(out) = name {
                let object: Box<dyn Parts> = Box::new(encoded);
                (entry::Made::Known(make(out, None, refs)), Some(object))
            } else {
                let slot = Slot::default();
                self.fact(node).slot = Some(slot.clone());
                let named = move |out: BlobId| {
                    // Whoever asks for the arguments' names finds it here.
                    slot.set(out).ok();
                    make(out, None, refs)
                };
                let object: Box<dyn Parts> = Box::new(encoded);
                (entry::Made::Named(Box::new(named)), Some(object))
            }
        };
        Some(entry::Ran {
            receipt,
            us: 0,
            inputs,
            object,
            refs: objects,
            settles: false,
            until: self.options.until_ms,
        })
    }

    fn write_def(&mut self, node: NodeIndex, us: u64) -> Result<(), Error> {
        self.fact(node).recorded = true;
        let lam = u64::from(self.plan.lam(node));
        let def = Def { definition: self.plan.definition(node), us: Some(us) };
        Ok(self.session()?.write(Entry::def(def, lam))?)
    }

    /// Returns the names of a node's arguments, as far as they are known or will be.
    fn inputs_of(&self, node: NodeIndex) -> Inputs {
        enum Name {
            Known(BlobId),
            Later(Slot),
        }
        if self.groups.contains_key(&node) {
            return Inputs::Unknown;
        }
        let mut names = Vec::new();
        let mut later = false;
        for arg in self.plan.args(node) {
            let dep = match arg {
                Arg::Node(dep) => *dep,
                Arg::Literal(value) => {
                    names.extend(long_blob(value).map(Name::Known));
                    continue;
                }
            };
            match (self.schedule.name(dep), &self.facts[dep.0 as usize].slot) {
                (Some(name), _) => names.push(Name::Known(name)),
                (None, Some(slot)) => {
                    later = true;
                    names.push(Name::Later(slot.clone()));
                }
                (None, None) => return Inputs::Unknown,
            }
        }
        let known = |name: &Name| match name {
            Name::Known(name) => Some(*name),
            Name::Later(slot) => slot.get().copied(),
        };
        if later {
            Inputs::Later(Box::new(move || names.iter().map(known).collect()))
        } else {
            names.iter().map(known).collect::<Option<_>>().map_or(Inputs::Unknown, Inputs::Known)
        }
    }

    /// Writes down that an equal computation answers for a node, so that it is found by itself.
    pub(in crate::exec) fn record_cut(
        &mut self,
        node: NodeIndex,
        answer: &Answer,
        names: Vec<BlobId>,
    ) -> Result<(), Error> {
        let outcome = match &answer.result {
            Ok(output) => receipt::Outcome::Value(output.clone()),
            Err(refusal) => refused(refusal),
        };
        let receipt =
            Receipt { node: self.plan.id(node), definition: self.definition(node), outcome };
        self.fact(node).recorded = true;
        let lam = u64::from(self.plan.lam(node));
        let entry = Entry::receipt(receipt, answer.us, lam, Inputs::Known(names));
        Ok(self.session()?.write(entry)?)
    }

    fn troubled(&mut self, node: NodeIndex, us: u64, trouble: Trouble) -> Result<(), Error> {
        if let Some(group) = self.groups.remove(&node)
            && !matches!(trouble, Trouble::Lost(_))
        {
            // Which of its nodes refuses is theirs to say.
            self.claims.remove(&node);
            self.schedule.unfuse(self.plan, group.last);
            return Ok(());
        }
        let op = self.plan.signature(node).name;
        match trouble {
            Trouble::Refused(refusal) => {
                if !self.schedule.is_forced(node) {
                    self.ran(node, us, 0, 0)?;
                    let outcome = refused(&refusal);
                    let definition = self.definition(node);
                    let receipt = Receipt { node: self.plan.id(node), definition, outcome };
                    let lam = u64::from(self.plan.lam(node));
                    let mut entry = Entry::receipt(receipt, us, lam, self.inputs_of(node));
                    entry.claim = self.claims.remove(&node);
                    self.session()?.write(entry)?;
                }
                self.refused(node, refusal);
            }
            Trouble::Lost(message) => self.fail(node, Failure::Lost { node, op, message }),
            Trouble::Input { path, source } => self.fail(node, Failure::Input { path, source }),
            Trouble::Changed { path } => return Err(Error::InputChanged { path }),
        }
        Ok(())
    }

    /// Takes in that a node refused, here or long ago.
    pub(in crate::exec) fn refused(&mut self, node: NodeIndex, refusal: Refusal) {
        let (op, origin) = (self.plan.signature(node).name, self.plan.origin(node));
        self.fail(node, Failure::Refused { node, op, refusal, origin });
    }

    fn fail(&mut self, node: NodeIndex, failure: Failure) {
        self.claims.remove(&node);
        self.failures.insert(node, Arc::new(failure));
        for goal in self.effects.remove(&node).unwrap_or_default() {
            self.outcomes[goal as usize] = Some(Outcome::Failed(self.failures[&node].clone()));
        }
        self.schedule.fail(self.plan, node);
        self.reader_settled(node);
    }

    /// Lets go of an input file once the last node that reads it needs it no more.
    pub(in crate::exec) fn reader_settled(&mut self, node: NodeIndex) {
        let Some(files) = self.plan.files(node) else { return };
        for digest in &files.digests {
            let Some(readers) = self.readers.get_mut(digest) else { continue };
            *readers = readers.saturating_sub(1);
            if *readers == 0 {
                self.files.inputs.forget(*digest);
            }
        }
    }

    /// Returns what a node computes, as the receipt says it.
    fn definition(&self, node: NodeIndex) -> Definition {
        let signature = self.plan.signature(node);
        let arg = |arg: &Arg| match arg {
            Arg::Node(index) => Tree::bytes(&self.plan.id(*index).0.0),
            Arg::Literal(value) => match long_blob(value) {
                Some(blob) => Tree::bytes(&long_literal(blob).0.0),
                None => encode::literal(value),
            },
        };
        Definition {
            op: signature.name.to_owned(),
            v: u64::from(signature.version),
            args: self.plan.args(node).iter().map(arg).collect(),
            p: (**self.plan.params(node)).clone(),
        }
    }
}

fn refused(refusal: &Refusal) -> receipt::Outcome {
    receipt::Outcome::Refused {
        code: refusal.code.word().to_owned(),
        args: refusal.args.iter().map(encode::literal).collect(),
    }
}
