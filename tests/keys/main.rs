//! Does vox make the names and bytes that `store-layout.md` promises?
//!
//! `vectors.json` was made from that document by `scripts/keys.py`, which never runs vox. Here each
//! of its vectors is made again with vox's code, from the same description.

#![allow(clippy::unwrap_used, reason = "tests")]

mod describe;

use describe::{blobs, bytes, definition, digest, list, params, text, uint, value, with_entries};
use serde_json::Value as Json;
use vox::codec::decode::decode_slice;
use vox::codec::encode::{Encoded, encode};
use vox::id::{BlobId, Digest, NodeId};
use vox::plan::node;
use vox::store::log::definition::Definition;
use vox::store::log::receipt::{Outcome, Output, Receipt, Warning};
use vox::store::log::record::{Body, Pin, Record, Run, Target, chain};
use vox::store::log::segment::{self, Segment};
use vox::store::object::frame::Frames;
use vox::store::object::layout::{Layout, WriterId};
use vox::value::data::Value;

/// The bytes that a record, receipt or segment has at most in it of one value.
const INLINE: usize = 4096;

fn vectors(kind: &str) -> Vec<Json> {
    let all: Vec<Json> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let chosen: Vec<Json> = all.into_iter().filter(|one| one["kind"] == kind).collect();
    assert!(chosen.len() >= 3, "no vectors of {kind}");
    chosen
}

/// Makes all vectors of a kind from what they describe, and compares bytes and names.
fn compare(kind: &str, make: impl Fn(&Json) -> Vec<u8>) {
    for vector in vectors(kind) {
        let name = &vector["name"];
        let made = make(&vector);
        if let Some(hex) = vector["hex"].as_str() {
            assert_eq!(hex::encode(&made), hex, "{name}");
        }
        assert_eq!(made.len() as u64, uint(&vector["len"]), "{name}");
        assert_eq!(Digest::of(&made).hex(), text(&vector["id"]), "{name}");
    }
}

#[test]
fn nodes() {
    compare("node", |vector| {
        let of = &vector["of"];
        let (op, version, params) = (text(&of["op"]), uint(&of["v"]) as u32, params(&of["p"]));
        with_entries(&of["args"], |args| {
            let id = node::node_id(op, version, args, &params);
            assert_eq!(id.to_string(), text(&vector["id"]), "{}", vector["name"]);
            node::definition(op, version, args, &params)
        })
    });
}

#[test]
fn definitions_are_read_as_they_are_written() {
    compare("node", |vector| {
        let made = definition(&vector["of"]).bytes();
        assert_eq!(Definition::read(&made).unwrap().bytes(), made, "{}", vector["name"]);
        made
    });
}

#[test]
fn values() {
    compare("value", |vector| {
        let encoded = encode(&value(&vector["of"]));
        assert_eq!(encoded.digest().to_string(), text(&vector["id"]), "{}", vector["name"]);
        encoded.to_vec()
    });
}

#[test]
fn values_are_read_as_they_are_written() {
    compare("value", |vector| {
        let encoded = encode(&value(&vector["of"]));
        let find = |id: BlobId| {
            let found = encoded.refs.iter().find(|(other, _)| *other == id);
            Ok::<_, std::convert::Infallible>(found.map(|(_, value)| value.clone()))
        };
        let back = decode_slice(&encoded.to_vec(), &find).unwrap();
        encode(&back).to_vec()
    });
}

#[test]
fn cut_off_keys() {
    for vector in vectors("cut") {
        let of = &vector["of"];
        let key = definition(of).cut(&blobs(&of["in"])).unwrap();
        assert_eq!(key.hex(), text(&vector["id"]), "{}", vector["name"]);
        let mut inputs = list(&of["in"]).iter();
        let replaced: Vec<Json> = list(&of["args"])
            .iter()
            .map(|arg| match arg.get("node") {
                Some(_) => serde_json::json!({ "node": inputs.next().unwrap() }),
                None => arg.clone(),
            })
            .collect();
        let (op, version, params) = (text(&of["op"]), uint(&of["v"]) as u32, params(&of["p"]));
        let planned =
            with_entries(&Json::Array(replaced), |args| node::cut_key(op, version, args, &params));
        assert_eq!(planned, key, "{}", vector["name"]);
    }
}

/// Makes a receipt as whoever ran a node does.
fn receipt(of: &Json) -> Receipt {
    let definition = definition(&of["definition"]);
    if uint(&of["st"]) == 1 {
        let tree = |arg: &Json| vox::codec::encode::literal(&value(arg));
        let args = list(&of["args"]).iter().map(tree).collect();
        return Receipt::new(definition, Outcome::Refused { code: text(&of["code"]).into(), args });
    }
    let encoded: Encoded = encode(&value(&of["value"]));
    let warn = |pair: &Json| Warning { code: text(&pair[0]).into(), count: uint(&pair[1]) };
    let output = Output {
        out: encoded.digest(),
        val: (encoded.len() <= INLINE).then(|| encoded.to_vec()),
        refs: encoded.refs.iter().map(|(id, _)| *id).collect(),
        warn: list(&of["warn"]).iter().map(warn).collect(),
    };
    Receipt::new(definition, Outcome::Value(output))
}

#[test]
fn receipts() {
    compare("receipt", |vector| {
        let receipt = receipt(&vector["of"]);
        receipt.verify().unwrap();
        let made = receipt.bytes();
        assert_eq!(Receipt::read(&made).unwrap(), receipt, "{}", vector["name"]);
        made
    });
}

fn record(of: &Json) -> Record {
    let maybe = |key: &str| of.get(key).map(uint);
    let body = match uint(&of["k"]) {
        1 => Body::Run(Run {
            receipt: match &of["receipt"] {
                Json::String(hex) => hex::decode(hex).unwrap(),
                described => receipt(described).bytes(),
            },
            us: uint(&of["us"]),
            host: text(&of["host"]).into(),
            inputs: of.get("in").map(blobs),
            until: maybe("until"),
            bytes: maybe("bytes"),
            settles: of.get("settles").is_some(),
        }),
        2 => Body::Def(bytes(&of["def"]).into()),
        8 => {
            let target = match of.get("node") {
                Some(node) => Target::Node(NodeId(digest(node))),
                None => Target::Blob(BlobId(digest(&of["blob"]))),
            };
            let on = of["on"].as_bool().unwrap();
            Body::Pin(Pin { name: text(&of["name"]).into(), target, on })
        }
        other => panic!("no record is of kind {other}"),
    };
    Record { seq: uint(&of["seq"]), lam: uint(&of["lam"]), at: uint(&of["at"]), body }
}

#[test]
fn records_and_their_chain() {
    compare("record", |vector| {
        let record = record(&vector["of"]);
        record.verify().unwrap();
        let made = record.bytes();
        assert_eq!(Record::read(&made).unwrap(), record, "{}", vector["name"]);
        let writer = WriterId::parse(text(&vector["writer"])).unwrap();
        let id = chain(&digest(&vector["before"]), writer, &made);
        assert_eq!(id.hex(), text(&vector["after"]), "{}", vector["name"]);
        made
    });
}

#[test]
fn segments() {
    compare("segment", |vector| {
        let of = &vector["of"];
        let writer = WriterId::parse(text(&of["writer"])).unwrap();
        let made = |one: &Json| match one {
            Json::String(hex) => hex::decode(hex).unwrap(),
            described => record(described).bytes(),
        };
        let records: Vec<Vec<u8>> = list(&of["records"]).iter().map(made).collect();
        let before = digest(&of["before"]);
        let built = segment::build(writer, uint(&of["first"]), before, &records).unwrap();
        let name = &vector["name"];
        assert_eq!(built.span.after.hex(), text(&vector["after"]), "{name}");
        let path = Layout::new("".as_ref()).segment(writer, &built.span.name);
        let path = path.strip_prefix(format!("objects/log/{writer}")).unwrap();
        assert_eq!(path.to_str(), vector["file"].as_str(), "{name}");
        let stored = built.stored.concat();
        let frames = Frames::of(&stored).unwrap();
        let cuts: Vec<u64> = frames.list().iter().map(|frame| frame.len as u64).collect();
        let promised: Vec<u64> = list(&vector["frames"]).iter().map(uint).collect();
        assert_eq!(cuts, promised, "{name}");
        let read = Segment::verified(&stored, writer, &built.span.name).unwrap();
        assert!(read.records().map(|(_, bytes)| bytes).eq(records.iter().map(Vec::as_slice)));
        // Any zstd reads the file: frames behind each other, the table skipped.
        zstd::stream::decode_all(&*stored).unwrap()
    });
}

#[test]
fn vectors_tell_kinds_of_values_apart() {
    let seen: std::collections::BTreeSet<String> = vectors("value")
        .iter()
        .map(|vector| format!("{:?}", value(&vector["of"]).kind()))
        .collect();
    assert_eq!(seen.len(), 12, "a vector for each of the kinds: {seen:?}");
    assert!(vectors("value").iter().any(|one| !encode(&value(&one["of"])).refs.is_empty()));
    assert!(!Value::Null.is_literal());
}
