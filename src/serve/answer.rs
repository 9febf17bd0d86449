//! Bytes that never change, as an answer: conditions, ranges and what the headers say (RFC 9110).

use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

use crate::id::Digest;
use crate::serve::reply::Problem;

/// One representation of something.
#[derive(Clone, Debug)]
pub struct Face {
    /// Its entity tag, quoted; `W/` before it when equal tags do not promise equal bytes.
    pub tag: String,
    /// The digest of its bytes, where that is known.
    pub digest: Option<Digest>,
    /// How many bytes it has.
    pub len: u64,
    /// What they are.
    pub content_type: &'static str,
    /// How they are coded.
    pub encoding: Option<&'static str>,
    /// Whether the client's `Accept-Encoding` chose it.
    pub varies: bool,
    /// How a file with it may be called.
    pub name: Option<String>,
    /// Whether others than the caller may keep it.
    pub is_private: bool,
}

/// What a request's conditions ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The client has it.
    NotModified,
    /// The client meant another one.
    Failed,
    /// A range behind the end.
    Beyond,
    /// All of it.
    Whole,
    /// A part of it.
    Part(Range<u64>),
}

impl Verdict {
    /// Says whether bytes are sent, if the method asks for any.
    pub fn has_body(&self) -> bool {
        matches!(self, Self::Whole | Self::Part(_))
    }
}

impl Face {
    /// Decides what is sent.
    pub fn judge(&self, method: &Method, headers: &HeaderMap) -> Verdict {
        let is_strong = !self.tag.starts_with("W/");
        if let Some(tags) = joined(headers, &header::IF_MATCH)
            && tags.trim() != "*"
            && !(is_strong && list(&tags).any(|tag| tag == self.tag))
        {
            return Verdict::Failed;
        }
        let weak = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        if let Some(tags) = joined(headers, &header::IF_NONE_MATCH)
            && (tags.trim() == "*" || list(&tags).any(|tag| weak(tag) == weak(&self.tag)))
        {
            return Verdict::NotModified;
        }
        if method != Method::GET || !is_strong {
            return Verdict::Whole;
        }
        let is_meant =
            headers.get(header::IF_RANGE).is_none_or(|tag| tag.as_bytes() == self.tag.as_bytes());
        match headers.get(header::RANGE).and_then(|range| range.to_str().ok()) {
            Some(range) if is_meant => range_of(range, self.len),
            _ => Verdict::Whole,
        }
    }

    /// Makes the answer; `bytes` are those of the whole representation, none when none are sent.
    pub fn answer(&self, verdict: &Verdict, bytes: Option<Bytes>) -> Response {
        let mut response = match verdict {
            Verdict::Failed => {
                let detail = "what is here has another tag";
                return Problem::new(StatusCode::PRECONDITION_FAILED, "tag", detail)
                    .into_response();
            }
            Verdict::Beyond => {
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                let mut response = Problem::new(status, "range", "the range begins behind the end")
                    .into_response();
                set(
                    response.headers_mut(),
                    &header::CONTENT_RANGE,
                    &format!("bytes */{}", self.len),
                );
                return response;
            }
            Verdict::NotModified => StatusCode::NOT_MODIFIED.into_response(),
            Verdict::Whole => {
                let mut response = Response::new(bytes.map_or_else(Body::empty, Body::from));
                set(response.headers_mut(), &header::CONTENT_LENGTH, &self.len.to_string());
                response
            }
            Verdict::Part(part) => {
                let range = part.start as usize..part.end as usize;
                let mut response = Response::new(
                    bytes.map_or_else(Body::empty, |bytes| bytes.slice(range).into()),
                );
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let headers = response.headers_mut();
                let said = format!("bytes {}-{}/{}", part.start, part.end - 1, self.len);
                set(headers, &header::CONTENT_RANGE, &said);
                set(headers, &header::CONTENT_LENGTH, &(part.end - part.start).to_string());
                response
            }
        };
        self.describe(verdict, response.headers_mut());
        response
    }

    fn describe(&self, verdict: &Verdict, headers: &mut HeaderMap) {
        set(headers, &header::ETAG, &self.tag);
        let who = if self.is_private { "private" } else { "public" };
        set(headers, &header::CACHE_CONTROL, &format!("{who}, max-age=31536000, immutable"));
        if self.varies {
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        if *verdict == Verdict::NotModified {
            return;
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(encoding) = self.encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        if !self.tag.starts_with("W/") {
            headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        if let Some(digest) = self.digest {
            let name = HeaderName::from_static("repr-digest");
            set(headers, &name, &format!("sha-256=:{}:", base64(&digest.0)));
        }
        if let Some(name) = &self.name {
            let said = format!("attachment; filename=\"{}\"", harmless(name));
            set(headers, &header::CONTENT_DISPOSITION, &said);
        }
    }
}

fn set(headers: &mut HeaderMap, name: &HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// Returns the lines of a header as one.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> =
        headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// Returns the tags of a list; ours hold no commas but inside a weak one, which is compared whole.
fn list(tags: &str) -> impl Iterator<Item = &str> {
    tags.split(", ")
        .flat_map(|tags| tags.split_inclusive("\","))
        .map(|tag| tag.trim_end_matches(',').trim())
}

/// Reads one range of bytes; of several, and of what is none, nothing is made (RFC 9110, 14.2).
fn range_of(text: &str, len: u64) -> Verdict {
    let Some((first, last)) =
        text.strip_prefix("bytes=").and_then(|text| text.trim().split_once('-'))
    else {
        return Verdict::Whole;
    };
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // What has too many digits is behind every end.
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first, last) {
        ("", last) => match number(last) {
            None => Verdict::Whole,
            Some(0) => Verdict::Beyond,
            Some(_) if len == 0 => Verdict::Beyond,
            Some(count) => Verdict::Part(len.saturating_sub(count)..len),
        },
        (first, last) => {
            let Some(first) = number(first) else { return Verdict::Whole };
            let last = match last {
                "" => u64::MAX,
                last => match number(last) {
                    Some(last) if last >= first => last,
                    _ => return Verdict::Whole,
                },
            };
            if first >= len {
                return Verdict::Beyond;
            }
            Verdict::Part(first..last.min(len - 1) + 1)
        }
    }
}

/// Returns a name that no system takes for anything else.
fn harmless(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.chars().take(100).map(|c| if is_plain(c) { c } else { '_' }).collect();
    match name.trim_start_matches('.') {
        "" => "value".to_owned(),
        name => name.to_owned(),
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut number = 0;
        for at in 0..3 {
            number = number << 8 | u32::from(group.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            if at <= group.len() {
                text.push(char::from(DIGITS[(number >> (18 - 6 * at) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn face() -> Face {
        Face {
            tag: "\"a\"".to_owned(),
            digest: Some(Digest::of(b"")),
            len: 10,
            content_type: "application/cbor",
            encoding: None,
            varies: true,
            name: Some("../a\"b.nii".to_owned()),
            is_private: true,
        }
    }

    fn judged(method: &Method, said: &[(&str, &str)]) -> Verdict {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers
                .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        face().judge(method, &headers)
    }

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (text, wanted) in [
            ("bytes=0-0", Verdict::Part(0..1)),
            ("bytes=0-", Verdict::Part(0..10)),
            ("bytes=3-99", Verdict::Part(3..10)),
            ("bytes=-3", Verdict::Part(7..10)),
            ("bytes=-99", Verdict::Part(0..10)),
            ("bytes=9-99999999999999999999999", Verdict::Part(9..10)),
            ("bytes=10-", Verdict::Beyond),
            ("bytes=99999999999999999999999-", Verdict::Beyond),
            ("bytes=-0", Verdict::Beyond),
            ("bytes=5-4", Verdict::Whole),
            ("bytes=0-1,3-4", Verdict::Whole),
            ("bytes=a-b", Verdict::Whole),
            ("bytes=+1-2", Verdict::Whole),
            ("lines=0-1", Verdict::Whole),
            ("bytes=-", Verdict::Whole),
            ("", Verdict::Whole),
        ] {
            assert_eq!(judged(&Method::GET, &[("range", text)]), wanted, "{text}");
            assert_eq!(judged(&Method::HEAD, &[("range", text)]), Verdict::Whole, "{text}");
        }
    }

    #[test]
    fn conditions_name_one_representation() {
        let get = |said: &[(&str, &str)]| judged(&Method::GET, said);
        assert_eq!(get(&[("if-none-match", "\"b\", W/\"a\"")]), Verdict::NotModified);
        assert_eq!(
            get(&[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")]),
            Verdict::NotModified
        );
        assert_eq!(get(&[("if-none-match", "*")]), Verdict::NotModified);
        assert_eq!(get(&[("if-none-match", "\"ab\"")]), Verdict::Whole);
        assert_eq!(get(&[("if-match", "\"b\"")]), Verdict::Failed);
        assert_eq!(get(&[("if-match", "W/\"a\"")]), Verdict::Failed);
        assert_eq!(get(&[("if-match", "\"b\",\"a\"")]), Verdict::Whole);
        let range = ("range", "bytes=1-2");
        assert_eq!(get(&[range, ("if-range", "\"a\"")]), Verdict::Part(1..3));
        assert_eq!(get(&[range, ("if-range", "\"b\"")]), Verdict::Whole);
        assert_eq!(get(&[range, ("if-range", "Sat, 21 Nov 2026 00:00:00 GMT")]), Verdict::Whole);
        assert_eq!(get(&[range, ("if-none-match", "\"a\"")]), Verdict::NotModified);
    }

    #[test]
    fn answers_say_what_they_are() {
        let bytes = || Some(Bytes::from_static(b"0123456789"));
        let whole = face().answer(&Verdict::Whole, bytes());
        assert_eq!(whole.headers()["content-length"], "10");
        assert_eq!(
            whole.headers()["repr-digest"],
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
        );
        assert_eq!(whole.headers()["content-disposition"], "attachment; filename=\"_a_b.nii\"");
        let part = face().answer(&Verdict::Part(2..4), bytes());
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.headers()["content-range"], "bytes 2-3/10");
        let beyond = face().answer(&Verdict::Beyond, None);
        assert_eq!(beyond.headers()["content-range"], "bytes */10");
        let same = face().answer(&Verdict::NotModified, None);
        assert!(
            same.headers().contains_key("etag") && !same.headers().contains_key("content-type")
        );
    }

    #[test]
    fn base64_is_what_everybody_writes() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
