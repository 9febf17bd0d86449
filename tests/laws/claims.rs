//! Claims: of those who try, one computes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use vox::id::{Digest, NodeId};
use vox::store::claim::{Claim, Claims, Files, Memory, Try};

keeps_the_laws!(
    files,
    [
        a_node_has_one_holder,
        a_dropped_claim_gives_the_node_back,
        word_is_left_until_the_claim_goes,
        of_many_that_try_at_once_one_computes,
    ]
);
keeps_the_laws!(
    memory,
    [
        a_node_has_one_holder,
        a_dropped_claim_gives_the_node_back,
        word_is_left_until_the_claim_goes,
        of_many_that_try_at_once_one_computes,
    ]
);

fn files(law: impl Fn(&Arc<dyn Claims>)) {
    let folder = tempfile::tempdir().unwrap();
    let claims: Arc<dyn Claims> = Arc::new(Files::at(folder.path(), "host"));
    law(&claims);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file is left");
}

fn memory(law: impl Fn(&Arc<dyn Claims>)) {
    let claims: Arc<dyn Claims> = Arc::new(Memory::default());
    law(&claims);
}

fn node(number: u8) -> NodeId {
    NodeId(Digest::of(&[number]))
}

fn take(claims: &Arc<dyn Claims>, number: u8) -> Option<Claim> {
    match claims.clone().claim(node(number), "toy.op").unwrap() {
        Try::Yours(claim) => Some(claim),
        Try::Theirs(holder) => {
            assert_eq!(holder.pid, std::process::id());
            assert_eq!(holder.operator, "toy.op");
            None
        }
    }
}

fn a_node_has_one_holder(claims: &Arc<dyn Claims>) {
    let one = take(claims, 1).unwrap();
    assert_eq!(one.node(), node(1));
    assert!(take(claims, 1).is_none());
    let two = take(claims, 2).unwrap();
    assert!(take(claims, 1).is_none() && take(claims, 2).is_none());
    drop((one, two));
}

fn a_dropped_claim_gives_the_node_back(claims: &Arc<dyn Claims>) {
    for _ in 0..3 {
        let one = take(claims, 1).unwrap();
        let two = take(claims, 2).unwrap();
        drop(one);
        let again = take(claims, 1).unwrap();
        assert!(take(claims, 2).is_none());
        drop((two, again));
    }
}

fn word_is_left_until_the_claim_goes(claims: &Arc<dyn Claims>) {
    let one = take(claims, 1).unwrap();
    let two = take(claims, 2).unwrap();
    assert!(!one.wanted());
    claims.want(node(1)).unwrap();
    claims.want(node(1)).unwrap();
    assert!(one.wanted() && claims.wanted(node(1)) && !two.wanted());
    drop((one, two));
    assert!(!claims.wanted(node(1)));
    assert!(!take(claims, 1).unwrap().wanted());
}

fn of_many_that_try_at_once_one_computes(claims: &Arc<dyn Claims>) {
    let (tries, computing, computed) = (8, AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Barrier::new(tries);
    std::thread::scope(|scope| {
        for _ in 0..tries {
            scope.spawn(|| {
                start.wait();
                for _ in 0..50 {
                    let Some(claim) = take_any(claims, 3) else { continue };
                    assert_eq!(computing.fetch_add(1, Ordering::SeqCst), 0, "two hold one node");
                    computed.fetch_add(1, Ordering::SeqCst);
                    computing.fetch_sub(1, Ordering::SeqCst);
                    drop(claim);
                }
            });
        }
    });
    assert!(computed.load(Ordering::SeqCst) > 0);
    drop(take(claims, 3).unwrap());
}

/// As [`take`], of holders that may be anybody: one that has just locked has not signed yet.
fn take_any(claims: &Arc<dyn Claims>, number: u8) -> Option<Claim> {
    match claims.clone().claim(node(number), "toy.op").unwrap() {
        Try::Yours(claim) => Some(claim),
        Try::Theirs(_) => None,
    }
}

#[test]
fn two_openings_of_one_folder_exclude_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] =
        [(); 2].map(|()| Arc::new(Files::at(folder.path(), "host")) as Arc<dyn Claims>);
    let claim = take(&one, 1).unwrap();
    assert!(take(&other, 1).is_none());
    other.want(node(1)).unwrap();
    assert!(claim.wanted());
    drop(claim);
    drop(take(&other, 1).unwrap());
}
