//! What children say, sorted by who may hear it.

use serde_json::{Map, Value as Json};

use crate::serve::job::told::Kind;

/// What a child said on stderr.
pub struct Said {
    /// What the caller may know: mistakes of the program and of its inputs.
    pub mistakes: Vec<Json>,
    /// What is for the server's log.
    pub hidden: Option<String>,
}

impl Said {
    /// Sorts the lines.
    pub fn of(errors: &str) -> Self {
        let (mut mistakes, mut hidden) = (Vec::new(), Vec::new());
        for line in errors.lines() {
            let object: Option<Map<String, Json>> = serde_json::from_str(line).ok();
            let Some(object) = object else { continue };
            // Of what is wrong with the store or with vox, only the log is told: it names paths.
            let is_ours = matches!(
                object.get("whose").and_then(Json::as_str),
                Some("store" | "vox" | "stopped")
            );
            if is_ours {
                let message = object.get("message").and_then(Json::as_str).unwrap_or_default();
                hidden.push(message.to_owned());
            } else if object.contains_key("severity") {
                mistakes.push(Json::Object(object));
            }
        }
        let hidden = (!hidden.is_empty()).then(|| hidden.join("; "));
        Self { mistakes, hidden }
    }
}

/// Leaves out of an answer what names places of this host.
pub fn without_places(kind: Kind, mut answer: Json) -> Json {
    if kind == Kind::Run {
        // A run sees no path but those that the caller wrote.
        return answer;
    }
    let Some(fields) = answer.as_object_mut() else { return Json::Null };
    fields.remove("store");
    if let Some(Json::Array(strays)) = fields.get("strays") {
        let count = strays.len();
        fields.insert("strays".to_owned(), count.into());
    }
    for bad in fields.get_mut("bad").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(Json::String(segment)) = bad.get_mut("segment") {
            *segment = segment.rsplit('/').next().unwrap_or_default().to_owned();
        }
    }
    let damaged = fields.get_mut("damaged").and_then(Json::as_array_mut);
    let nodes = damaged.into_iter().flatten().filter_map(|one| one["nodes"].as_array_mut());
    let sources = nodes.flatten().filter_map(|node| node["from"].as_array_mut()).flatten();
    for source in sources.filter_map(Json::as_object_mut) {
        source.remove("path");
    }
    answer
}
