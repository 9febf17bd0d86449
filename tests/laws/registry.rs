//! Registries: from names to operators and back.

use vox::kernel;
use vox::primitive::contract::{Call, Output, Plain};
use vox::primitive::refusal::Refusal;
use vox::primitive::registry::{Dots, Registry, Spelling, Table};
use vox::primitive::signature::{Cost, Form, Signature, Slot};
use vox::value::data::Value;
use vox::value::kind::Kind;

keeps_the_laws!(
    toy,
    [
        every_name_leads_to_an_operator_that_is_there,
        every_namespace_is_listed_once,
        what_was_not_put_in_is_not_found,
    ]
);
keeps_the_laws!(
    numbers,
    [
        every_name_leads_to_an_operator_that_is_there,
        every_namespace_is_listed_once,
        what_was_not_put_in_is_not_found,
    ]
);

const NUMBERS: &[Form] = &[Form::new(&[Slot::Number, Slot::Number], Kind::Number)];

#[allow(clippy::unnecessary_wraps, reason = "a kernel may refuse")]
fn first(call: &Call<'_>) -> Result<Output, Refusal> {
    Ok(call.args[0].clone().into())
}

fn plain(name: &'static str) -> Plain {
    let signature = Signature::new(name, &["a", "b"], NUMBERS, Cost::Scalar, "The first.");
    Plain { signature, run: first }
}

fn filled() -> Table {
    let mut table = Table::new();
    table.add(Box::new(plain("toy.first")));
    table.add(Box::new(plain("other.first")));
    for (spelling, swapped) in [("<-", false), ("->", true)] {
        let (primitive, namespaces) = ("toy.first", &["toy", "arrows"] as &[_]);
        table.spell(Spelling { spelling, primitive, swapped, dots: Dots::None, namespaces });
    }
    table
}

fn toy(law: impl Fn(&dyn Registry)) {
    law(&filled());
}

fn numbers(law: impl Fn(&dyn Registry)) {
    let mut table = Table::new();
    for primitive in kernel::number::list::primitives() {
        table.add(Box::new(primitive));
    }
    assert!(table.primitives().count() > 10);
    for primitive in table.primitives() {
        let signature = primitive.signature();
        assert!(signature.version >= 1, "{}", signature.name);
        let found = table.find(signature.name).unwrap();
        assert_eq!(found.signature().name, signature.name);
    }
    law(&table);
}

fn every_name_leads_to_an_operator_that_is_there(registry: &dyn Registry) {
    let names = registry.names();
    assert!(!names.is_empty());
    assert!(names.is_sorted());
    for (namespace, name) in names {
        let spelling = registry.resolve(namespace, name).unwrap();
        assert_eq!(spelling.spelling, name);
        let primitive = registry.find(spelling.primitive).unwrap();
        assert_eq!(primitive.signature().name, spelling.primitive);
    }
}

fn every_namespace_is_listed_once(registry: &dyn Registry) {
    let mut all: Vec<&str> = registry.names().into_iter().map(|(namespace, _)| namespace).collect();
    all.dedup();
    assert_eq!(registry.namespaces(), all);
}

fn what_was_not_put_in_is_not_found(registry: &dyn Registry) {
    assert!(registry.find("nowhere.nothing").is_none());
    assert!(registry.find("").is_none());
    assert!(registry.resolve("nowhere", "nothing").is_none());
    for namespace in registry.namespaces() {
        assert!(registry.resolve(namespace, "no such name").is_none());
    }
}

#[test]
fn a_spelling_belongs_to_the_namespaces_it_names() {
    let table = filled();
    assert_eq!(table.namespaces(), ["arrows", "other", "toy"]);
    assert!(table.resolve("arrows", "->").unwrap().swapped);
    assert!(!table.resolve("toy", "<-").unwrap().swapped);
    assert!(table.resolve("arrows", "first").is_none());
    assert_eq!(table.resolve("other", "first").unwrap().primitive, "other.first");
    let args = [Value::Number(1.0), Value::Number(2.0)];
    let params = vox::canon::Tree::Map(Vec::new());
    let call = Call { args: &args, params: &params, files: &[] };
    let output = table.find("toy.first").unwrap().kernel(&call).unwrap();
    assert!(matches!(output.value, Value::Number(one) if one == 1.0));
}
