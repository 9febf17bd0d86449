//! The syntax tree of a program as a file: flat JSON, or text with every form in brackets.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use crate::app::error::Error;
use crate::app::outputs;
use crate::app::run::Spec;
use crate::lang::ast::{CommandKind, Expr, ExprId, List, Piece, Program, TextId, Word};
use crate::lang::dialect::{Dialect, Options};
use crate::lang::dump::dump;
use crate::lang::parser::parse;
use crate::lang::source::{Source, SourceId, Span};

/// Writes the tree of a program's main file, as far as it is understood; a path that ends in `.json`
/// gets JSON.
pub fn save(spec: &Spec, path: &Path) -> Result<(), Error> {
    let options = Options { dialect: spec.dialect, ..Options::default() };
    let source = Source::new(SourceId(0), spec.program.display().to_string(), spec.text.as_str());
    let (program, _) = parse(&source, &options);
    let is_json = path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("json"));
    let text =
        if is_json { format!("{}\n", tree(&program, source.name())) } else { dump(&program) };
    outputs::replace(path, text.as_bytes())
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Returns the tree as JSON: expressions are a list, children before parents, and are meant by their
/// index in it, so that no depth of a program is a depth of its JSON.
pub fn tree(program: &Program, name: &str) -> Json {
    let commands: Vec<Json> = program
        .commands
        .iter()
        .map(|command| {
            let mut json = self::command(program, command.kind);
            json.insert("span".to_owned(), span(command.span));
            Json::Object(json)
        })
        .collect();
    let exprs: Vec<Json> = (0..program.exprs.len() as u32)
        .map(|at| {
            let id = ExprId(at);
            let mut json = expr(program, program.expr(id));
            json.insert("span".to_owned(), span(program.span(id)));
            Json::Object(json)
        })
        .collect();
    let comments: Vec<Json> = program
        .comments
        .iter()
        .map(|comment| json!({ "text": comment.text, "span": span(comment.span) }))
        .collect();
    json!({
        "schema": 1,
        "file": name,
        "dialect": match program.dialect { Dialect::One => 1, Dialect::Two => 2 },
        "commands": commands,
        "expressions": exprs,
        "comments": comments,
    })
}

fn object(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

fn command(program: &Program, kind: CommandKind) -> Map<String, Json> {
    let word = |word: Word| program.name(word.symbol);
    object(match kind {
        CommandKind::Let { name, is_operator, params, body } => {
            let params: Vec<&str> =
                program.params(params).iter().map(|param| word(*param)).collect();
            json!({ "command": "let", "name": word(name), "operator": is_operator,
                    "parameters": params, "body": body.0 })
        }
        CommandKind::Load { name, path } => {
            json!({ "command": "load", "name": word(name),
                    "path": path.map(|path| text(program, path)) })
        }
        CommandKind::Import { what } => json!({ "command": "import", "what": text(program, what) }),
        CommandKind::Print { label, value } => {
            json!({ "command": "print", "label": text(program, label), "value": value.0 })
        }
        CommandKind::Save { path, value } => {
            json!({ "command": "save", "path": text(program, path), "value": value.0 })
        }
    })
}

fn expr(program: &Program, expr: Expr) -> Map<String, Json> {
    let word = |word: Word| program.name(word.symbol);
    let items = |list: List| -> Vec<u32> { program.items(list).iter().map(|id| id.0).collect() };
    let id = |id: Option<ExprId>| id.map(|id| id.0);
    object(match expr {
        // JSON has neither NaN nor infinity: these are written as the language prints them.
        Expr::Number(number) if !number.is_finite() => {
            json!({ "form": "number", "value": number.to_string() })
        }
        Expr::Number(number) => json!({ "form": "number", "value": number }),
        Expr::Bool(truth) => json!({ "form": "bool", "value": truth }),
        Expr::Text(value) => json!({ "form": "string", "value": text(program, value) }),
        Expr::Name(name) => json!({ "form": "name", "name": program.name(name) }),
        Expr::Dollar(name) => json!({ "form": "dollar", "name": program.name(name) }),
        Expr::Call { callee, args } => {
            json!({ "form": "call", "name": word(callee), "arguments": items(args) })
        }
        Expr::Infix { op, left, right, extra } => {
            json!({ "form": "infix", "operator": word(op), "left": left.0, "right": right.0,
                    "extra": items(extra) })
        }
        Expr::Prefix { op, arg } => {
            json!({ "form": "prefix", "operator": word(op), "argument": arg.0 })
        }
        Expr::Let { name, value, body } => {
            json!({ "form": "let", "name": word(name), "value": value.0, "body": body.0 })
        }
        Expr::For { name, seq, body } => {
            json!({ "form": "for", "name": word(name), "sequence": seq.0, "body": body.0 })
        }
        Expr::Filter { name, seq, keep } => {
            json!({ "form": "filter", "name": word(name), "sequence": seq.0, "keep": keep.0 })
        }
        Expr::Fold { op, init, seq } => {
            json!({ "form": "fold", "operator": word(op), "start": id(init), "sequence": seq.0 })
        }
        Expr::Array(list) => json!({ "form": "array", "elements": items(list) }),
        Expr::Record(fields) => {
            let fields: Vec<Json> = program
                .fields(fields)
                .iter()
                .map(|field| json!({ "name": word(field.name), "value": field.value.0 }))
                .collect();
            json!({ "form": "record", "fields": fields })
        }
        Expr::Index { base, index } => {
            json!({ "form": "index", "sequence": base.0, "index": index.0 })
        }
        Expr::Slice { base, from, to } => {
            json!({ "form": "slice", "sequence": base.0, "from": id(from), "to": id(to) })
        }
        Expr::Field { base, name } => {
            json!({ "form": "field", "record": base.0, "name": word(name) })
        }
    })
}

/// A string is a list of its parts: texts, and names that expand.
fn text(program: &Program, id: TextId) -> Json {
    let part = |piece: &Piece| match piece {
        Piece::Plain(text) => json!(text),
        Piece::Dollar(word) => json!({ "expand": program.name(word.symbol) }),
    };
    program.pieces(id).iter().map(part).collect()
}

fn span(span: Span) -> Json {
    json!([span.start, span.end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_meant_by_their_index() {
        let source =
            Source::new(SourceId(0), "t.imgql", "f(a) = -a + 1 // why\nsave \"$x.nii\" f(2)");
        let (program, _) = parse(&source, &Options::default());
        let json = tree(&program, source.name());
        assert_eq!(json["dialect"], 2);
        assert_eq!(json["commands"][0]["parameters"], json!(["a"]));
        let body =
            &json["expressions"][json["commands"][0]["body"].as_u64().unwrap_or(99) as usize];
        assert_eq!(body["operator"], "+");
        assert_eq!(
            json["expressions"][body["left"].as_u64().unwrap_or(99) as usize]["form"],
            "prefix"
        );
        assert_eq!(json["commands"][1]["path"], json!([{ "expand": "x" }, ".nii"]));
        assert_eq!(json["comments"][0]["span"], json!([14, 20]));
    }
}
