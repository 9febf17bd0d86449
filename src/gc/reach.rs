//! What must not go: what is pinned, and what goals of live runs stand on.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::gc::error::Error;
use crate::gc::history;
use crate::id::{BlobId, NodeId};
use crate::store::index::ask::Spot;
use crate::store::log::receipt::Receipt;
use crate::store::log::record::Target;
use crate::store::open::Store;
use crate::store::pins::Standing;
use crate::store::runs;

/// Why an object is kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Keeper {
    /// A run that is going on.
    Run,
    /// A pin of this name.
    Pin(String),
}

/// Where keeping begins.
#[derive(Clone, Debug)]
pub struct Roots {
    /// Where records of pins lie: as long as these are the same, so is what stands.
    spots: Vec<Spot>,
    /// What stands and keeps something.
    pins: Vec<Standing>,
    /// The goals of live runs, in order.
    goals: Vec<NodeId>,
}

impl Roots {
    /// Looks for pins and for runs that are going on.
    pub fn look(store: &Store) -> Result<Self, Error> {
        let spots = store.ask(|index| index.pins())?;
        let mut goals = runs::live(&store.layout().runs())?;
        goals.sort_unstable();
        goals.dedup();
        let pins = store.pins()?.into_iter().filter(|standing| standing.pin.on).collect();
        Ok(Self { spots, pins, goals })
    }

    /// Takes one pin alone.
    pub fn of(standing: Standing) -> Self {
        Self { spots: Vec::new(), pins: vec![standing], goals: Vec::new() }
    }

    /// Looks again; says whether something else is kept now.
    pub fn look_again(&mut self, store: &Store) -> Result<bool, Error> {
        let mut goals = runs::live(&store.layout().runs())?;
        goals.sort_unstable();
        goals.dedup();
        if goals == self.goals && store.ask(|index| index.pins())? == self.spots {
            return Ok(false);
        }
        *self = Self::look(store)?;
        Ok(true)
    }

    /// Returns how many pins stand.
    pub fn pins(&self) -> usize {
        self.pins.len()
    }

    /// Returns the pins that stand.
    pub fn standing(&self) -> &[Standing] {
        &self.pins
    }

    /// Returns every object that is kept, and why: the first pin by name, else a run.
    pub fn reach(&self, store: &Store) -> Result<HashMap<BlobId, Keeper>, Error> {
        let mut kept = HashMap::new();
        let mut blobs: BTreeMap<BlobId, Keeper> = BTreeMap::new();
        for standing in &self.pins {
            let keeper = Keeper::Pin(standing.pin.name.clone());
            match standing.pin.target {
                Target::Node(node) => below(store, node, &keeper, &mut kept)?,
                Target::Blob(blob) => {
                    kept.entry(blob).or_insert_with(|| keeper.clone());
                    blobs.entry(blob).or_insert(keeper);
                }
            }
        }
        for goal in &self.goals {
            below(store, *goal, &Keeper::Run, &mut kept)?;
        }
        if !blobs.is_empty() {
            // Which objects a value mentions only a receipt says, and none leads from a value to it.
            history::runs(store.layout(), |_, receipt| {
                let Some(output) = receipt.output() else { return };
                if let Some(keeper) = blobs.get(&output.out) {
                    for id in &output.refs {
                        kept.entry(*id).or_insert_with(|| keeper.clone());
                    }
                }
            })?;
        }
        Ok(kept)
    }
}

/// Keeps what a node gave. Of an encoder that is what it encoded: its own value is a short record.
fn below(
    store: &Store,
    node: NodeId,
    keeper: &Keeper,
    kept: &mut HashMap<BlobId, Keeper>,
) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let mut stack = vec![node];
    while let Some(node) = stack.pop() {
        if !seen.insert(node) {
            continue;
        }
        for receipt in store.receipts(node)? {
            for id in objects(&receipt) {
                kept.entry(id).or_insert_with(|| keeper.clone());
            }
            if receipt.definition.op == "vox1.encode" {
                stack.extend(receipt.definition.nodes());
            }
        }
    }
    Ok(())
}

/// Returns the objects that a receipt's value is made of.
pub fn objects(receipt: &Receipt) -> impl Iterator<Item = BlobId> + '_ {
    let output = receipt.output();
    let own = output.filter(|output| output.val.is_none()).map(|output| output.out);
    own.into_iter().chain(output.into_iter().flat_map(|output| output.refs.iter().copied()))
}
