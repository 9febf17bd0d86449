//! The primitives of this room.

use crate::kernel::format::{encode, read};
use crate::primitive::contract::Plain;
use crate::primitive::signature::{Cost, Form, Signature, Slot};
use crate::value::kind::Kind;

const READ: &[Form] = &[Form::new(&[], Kind::Any)];
const ENCODE: &[Form] = &[Form::new(&[Slot::Any], Kind::Record)];

/// Returns the primitives that read and write files; lowering makes their nodes.
pub fn primitives() -> Vec<Plain> {
    vec![
        Plain {
            signature: Signature::new(
                "vox1.read",
                &[],
                READ,
                Cost::File,
                "Reads files that are given as bytes; integers stay integers, a mask comes never.",
            )
            .internal(),
            run: read::read,
        },
        Plain {
            signature: Signature::new(
                "vox1.encode",
                &["value"],
                ENCODE,
                Cost::File,
                "Makes the file of a value; gives its length in bytes and its digest.",
            )
            .internal(),
            run: encode::encode,
        },
    ]
}
