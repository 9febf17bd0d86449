//! The loop of a run: asks, starts, listens, until every goal is known.
//!
//! Everything here happens on the thread that called [`run`], which is never a worker: a worker waits
//! for no claim, lock or job. Several threads may run several plans over one context.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::exec::budget::Budget;
use crate::exec::cone::Cone;
use crate::exec::engine::Engine;
use crate::exec::error::{Error, Failure};
use crate::exec::event::{Event, Outcome, Sink};
use crate::exec::expand::Hole;
use crate::exec::fuse::Group;
use crate::exec::inputs::Inputs;
use crate::exec::job::Done;
use crate::exec::keep::{CLAIMED_PS, Keep};
use crate::exec::outputs::Outputs;
use crate::exec::report::Report;
use crate::exec::schedule::Schedule;
use crate::exec::shelf::{Answer, Session, Shelf};
use crate::exec::values::Values;
use crate::exec::why::Why;
use crate::id::BlobId;
use crate::plan::graph::{NodeIndex, Plan};
use crate::primitive::fused::Fusions;
use crate::primitive::registry::Registry;
use crate::store::claim::Claim;

/// What every run needs; shared by all runs of a process.
#[derive(Clone)]
pub struct Context {
    /// The operators.
    pub registry: Arc<dyn Registry>,
    /// The fused kernels.
    pub fusions: Arc<dyn Fusions>,
    /// Where jobs run.
    pub engine: Arc<dyn Engine>,
    /// Results of earlier runs.
    pub shelf: Arc<dyn Shelf>,
    /// Memory.
    pub budget: Arc<Budget>,
}

/// The files of one run.
#[derive(Clone)]
pub struct Files {
    /// What planning has read.
    pub inputs: Arc<Inputs>,
    /// Where goals are saved.
    pub outputs: Arc<dyn Outputs>,
}

/// How a run is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is kept.
    pub keep: Keep,
    /// Are recorded refusals ignored?
    pub retry_failed: bool,
    /// Is a node computed here although somebody else is at it?
    pub no_wait: bool,
    /// A kept node is claimed when it is estimated above so many picoseconds.
    pub claimed_ps: u64,
    /// After which time it is said who holds a node that is waited for.
    pub patience: Duration,
    /// When results may go, in milliseconds since 1970; never, when it is none.
    pub until_ms: Option<u64>,
    /// Set by whoever wants the run to stop.
    pub stop: Arc<AtomicBool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep: Keep::Auto,
            retry_failed: false,
            no_wait: false,
            claimed_ps: CLAIMED_PS,
            patience: Duration::from_secs(2),
            until_ms: None,
            stop: Arc::default(),
        }
    }
}

/// Runs a plan: every goal is answered from the store or computed, and told to `sink` in order.
///
/// A goal that fails stops no other; an error ends the run. What the plan's templates stand for is
/// added to it.
pub fn run(
    plan: &mut Plan,
    files: &Files,
    context: &Context,
    options: &Options,
    sink: &mut dyn Sink,
) -> Result<Report, Error> {
    Run::new(plan, files, context, options, sink).drive()
}

/// What is known of a node besides its state.
#[derive(Default)]
pub(in crate::exec) struct Fact {
    /// The receipt that stands.
    pub(in crate::exec) answer: Option<Box<Answer>>,
    /// Why it runs, once it does.
    pub(in crate::exec) why: Option<Why>,
    /// Does the log know it already?
    pub(in crate::exec) recorded: bool,
    /// Does its next record settle a conflict?
    pub(in crate::exec) settles: bool,
    /// Has it run in this run, or been fused away?
    pub(in crate::exec) ran: bool,
    /// What it costs to have its value again, in picoseconds.
    pub(in crate::exec) again_ps: u64,
    /// Where the store will put its name.
    pub(in crate::exec) slot: Option<Slot>,
}

/// The name of a value that the store is computing.
pub(in crate::exec) type Slot = Arc<std::sync::OnceLock<BlobId>>;

/// A node that somebody else computes.
pub(in crate::exec) struct Parked {
    pub(in crate::exec) node: NodeIndex,
    pub(in crate::exec) since: Instant,
    pub(in crate::exec) told: bool,
    /// Is the holder a run of this process? Then it is asked again sooner.
    pub(in crate::exec) near: bool,
}

/// How often a node is asked for that another process computes.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// The same for a run of this process.
const ASK_NEAR: Duration = Duration::from_millis(4);
const ALIVE: Duration = Duration::from_secs(10);
/// Small nodes that run between two looks at what workers have done.
const BATCH: usize = 256;

pub(in crate::exec) struct Run<'a> {
    pub(in crate::exec) plan: &'a mut Plan,
    pub(in crate::exec) files: &'a Files,
    pub(in crate::exec) context: &'a Context,
    pub(in crate::exec) options: &'a Options,
    pub(in crate::exec) sink: &'a mut dyn Sink,
    pub(in crate::exec) schedule: Schedule,
    pub(in crate::exec) values: Values,
    pub(in crate::exec) facts: Vec<Fact>,
    pub(in crate::exec) cone: Cone,
    pub(in crate::exec) groups: HashMap<NodeIndex, Group>,
    pub(in crate::exec) failures: HashMap<NodeIndex, Arc<Failure>>,
    pub(in crate::exec) claims: HashMap<NodeIndex, Claim>,
    pub(in crate::exec) parked: Vec<Parked>,
    pub(in crate::exec) holes: Vec<Hole>,
    pub(in crate::exec) outcomes: Vec<Option<Outcome>>,
    pub(in crate::exec) told: usize,
    /// What encoders gave besides their values, until their goals have it.
    pub(in crate::exec) encoded: HashMap<NodeIndex, Arc<Vec<u8>>>,
    /// Goals that wait for an encoder to run again.
    pub(in crate::exec) effects: HashMap<NodeIndex, Vec<u32>>,
    pub(in crate::exec) unpublished: VecDeque<crate::exec::job::Job>,
    pub(in crate::exec) publishing: usize,
    /// Values that may have to come from elsewhere.
    pub(in crate::exec) unfetched: VecDeque<crate::exec::job::Job>,
    pub(in crate::exec) fetching: usize,
    pub(in crate::exec) goal_nodes: std::collections::HashSet<NodeIndex>,
    /// Nodes that were asked for elsewhere.
    pub(in crate::exec) sought: std::collections::HashSet<NodeIndex>,
    /// Nodes yet to be run for each input file.
    pub(in crate::exec) readers: HashMap<crate::id::Digest, u32>,
    session: Option<Box<dyn Session>>,
    pub(in crate::exec) report: Report,
    /// Jobs that compute.
    pub(in crate::exec) running: usize,
    /// All that will send word.
    pub(in crate::exec) flying: usize,
    pub(in crate::exec) starved: bool,
    pub(in crate::exec) sender: Sender<Done>,
    receiver: Receiver<Done>,
    began: Instant,
    alive: Instant,
    asked: Instant,
}

impl<'a> Run<'a> {
    fn new(
        plan: &'a mut Plan,
        files: &'a Files,
        context: &'a Context,
        options: &'a Options,
        sink: &'a mut dyn Sink,
    ) -> Self {
        let (sender, receiver) = mpsc::channel();
        let now = Instant::now();
        Self {
            plan,
            files,
            context,
            options,
            sink,
            schedule: Schedule::new(),
            values: Values::new(context.budget.clone()),
            facts: Vec::new(),
            cone: Cone::new(),
            groups: HashMap::new(),
            failures: HashMap::new(),
            claims: HashMap::new(),
            parked: Vec::new(),
            holes: Vec::new(),
            outcomes: Vec::new(),
            told: 0,
            encoded: HashMap::new(),
            effects: HashMap::new(),
            unpublished: VecDeque::new(),
            publishing: 0,
            unfetched: VecDeque::new(),
            fetching: 0,
            goal_nodes: std::collections::HashSet::new(),
            sought: std::collections::HashSet::new(),
            readers: HashMap::new(),
            session: None,
            report: Report::default(),
            running: 0,
            flying: 0,
            starved: false,
            sender,
            receiver,
            began: now,
            alive: now,
            asked: now,
        }
    }

    fn drive(mut self) -> Result<Report, Error> {
        let (nodes, goals) = (self.plan.len(), self.plan.goals.len());
        self.sink.event(Event::Start { nodes, goals });
        self.grow();
        loop {
            self.settle()?;
            if self.options.stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let small = self.run_small()?;
            self.start_jobs()?;
            self.start_publishing();
            self.start_fetching();
            let waits = small == 0 && self.schedule_is_stuck();
            if waits && self.flying == 0 && self.parked.is_empty() && !self.starved {
                break;
            }
            self.listen(waits)?;
            self.ask_again()?;
        }
        self.give_up_on_the_rest();
        self.tell_goals();
        self.finish()
    }

    /// Makes room for a plan that has grown, and wants goals that are new.
    pub(in crate::exec) fn grow(&mut self) {
        self.schedule.grow(self.plan);
        self.values.grow(self.plan.len());
        self.facts.resize_with(self.plan.len(), Fact::default);
        self.grow_holes();
        while self.outcomes.len() < self.plan.goals.len() {
            self.outcomes.push(None);
            self.want_goal((self.outcomes.len() - 1) as u32);
        }
    }

    /// Does all that needs no job: looking up, cut-off keys, loads, templates, goals.
    fn settle(&mut self) -> Result<(), Error> {
        loop {
            let mut quiet = true;
            let asks = self.schedule.take_asks();
            self.bring(&asks)?;
            for node in asks {
                quiet = false;
                self.look_up(node)?;
            }
            for node in self.schedule.take_cuts() {
                quiet = false;
                self.cut(node)?;
            }
            for node in self.schedule.take_loads() {
                quiet = false;
                self.load(node)?;
            }
            let answered = self.schedule.take_answered();
            quiet &= answered.is_empty();
            for (user, node) in answered {
                self.answer(user, node);
            }
            quiet &= !self.fill_holes();
            for node in self.schedule.take_dropped() {
                self.values.drop(node);
            }
            self.encoded.clear();
            if quiet {
                self.tell_goals();
                return Ok(());
            }
        }
    }

    fn run_small(&mut self) -> Result<usize, Error> {
        for count in 0..BATCH {
            let Some(node) = self.schedule.next_tiny() else { return Ok(count) };
            let job = self.job(node, None);
            let done = job.run();
            self.take_in(done)?;
        }
        Ok(BATCH)
    }

    /// Is there nothing that the next round would do?
    fn schedule_is_stuck(&self) -> bool {
        self.schedule.is_idle() || (self.schedule.is_blocked() && self.cannot_start())
    }

    fn cannot_start(&self) -> bool {
        self.starved || self.running >= self.context.engine.width()
    }

    /// Takes in what workers have done; waits for them when there is nothing else to do.
    fn listen(&mut self, waits: bool) -> Result<(), Error> {
        if waits {
            let patience = if self.parked.iter().any(|parked| parked.near) || self.starved {
                ASK_NEAR
            } else if self.parked.is_empty() {
                // Also for whoever wants the run to stop.
                Duration::from_millis(100)
            } else {
                ASK_AGAIN
            };
            self.context.shelf.rest()?;
            match self.receiver.recv_timeout(patience) {
                Ok(done) => self.land(done)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            self.starved = false;
        }
        while let Ok(done) = self.receiver.try_recv() {
            self.land(done)?;
        }
        if self.alive.elapsed() >= ALIVE {
            self.alive = Instant::now();
            let (ran, running) = (self.report.nodes.len(), self.running);
            self.sink.event(Event::Alive { ran, running });
        }
        self.tell_stored();
        Ok(())
    }

    fn land(&mut self, done: Done) -> Result<(), Error> {
        self.flying -= 1;
        self.starved = false;
        match &done {
            Done::Ran { .. } => self.running -= 1,
            Done::Published { .. } => self.publishing -= 1,
            Done::Loaded { .. } if self.context.shelf.reaches_out() => self.fetching -= 1,
            Done::Loaded { .. } => {}
        }
        self.take_in(done)
    }

    /// Looks up nodes that others compute, and tries to claim those that they gave back.
    fn ask_again(&mut self) -> Result<(), Error> {
        let pause = if self.parked.iter().any(|parked| parked.near) { ASK_NEAR } else { ASK_AGAIN };
        if self.parked.is_empty() || self.asked.elapsed() < pause {
            return Ok(());
        }
        self.asked = Instant::now();
        for parked in std::mem::take(&mut self.parked) {
            self.unpark(parked)?;
        }
        Ok(())
    }

    /// Returns the session, which begins with the first value that is loaded or written.
    ///
    /// A run that finds all its answers in receipts needs nothing that could be evicted.
    pub(in crate::exec) fn session(&mut self) -> Result<&mut dyn Session, Error> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.context.shelf.begin(self.labels())?,
        };
        Ok(&mut **self.session.insert(session))
    }

    fn tell_stored(&mut self) {
        let stored = self.session.as_mut().map(|session| session.stored()).unwrap_or_default();
        if !stored.is_empty() {
            self.sink.event(Event::Stored(&stored));
        }
    }

    fn finish(mut self) -> Result<Report, Error> {
        if let Some(session) = &mut self.session {
            let began = Instant::now();
            self.report.unstored = session.finish()?;
            self.report.storing = began.elapsed();
        }
        self.tell_stored();
        self.count_reused()?;
        self.context.shelf.rest()?;
        self.report.goals = self.outcomes.into_iter().flatten().collect();
        self.report.failed = self
            .report
            .goals
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Failed(_)))
            .count();
        self.report.wall = self.began.elapsed();
        Ok(self.report)
    }
}
