//! Which coding a client takes: `Accept-Encoding`.

use axum::http::{HeaderMap, header};

/// How the bytes of a value are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coding {
    /// As stored.
    Zstd,
    /// Decoded.
    Identity,
}

/// Returns the coding that a client likes best, none when it takes neither (RFC 9110, 12.5.3).
///
/// Stored bytes are for those who name them, or like them better than decoded ones; `*` alone asks for
/// nothing.
pub fn coding(headers: &HeaderMap) -> Option<Coding> {
    let (mut zstd, mut identity, mut rest) = (None, None, None);
    for line in headers.get_all(header::ACCEPT_ENCODING) {
        for item in line.to_str().unwrap_or_default().split(',') {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let q = parts.find_map(weight).unwrap_or(1000);
            if name.eq_ignore_ascii_case("zstd") {
                zstd = Some(q);
            } else if name.eq_ignore_ascii_case("identity") {
                identity = Some(q);
            } else if name == "*" {
                rest = Some(q);
            }
        }
    }
    let takes_identity = identity.or(rest).unwrap_or(1) > 0;
    let likes = zstd.or(if takes_identity { None } else { rest }).unwrap_or(0);
    if likes > 0 && (!takes_identity || likes >= identity.unwrap_or(0)) {
        return Some(Coding::Zstd);
    }
    takes_identity.then_some(Coding::Identity)
}

/// Reads `q=0.5` in thousandths; what is no weight counts as none.
fn weight(part: &str) -> Option<u32> {
    let value = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))?;
    let q: f64 = value.trim().parse().ok()?;
    Some(if (0.0..=1.0).contains(&q) { (q * 1000.0).round() as u32 } else { 0 })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn weights_decide() {
        use Coding::{Identity, Zstd};
        for (said, wanted) in [
            ("", Some(Identity)),
            ("gzip, deflate, br", Some(Identity)),
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("ZSTD;q=0.1", Some(Zstd)),
            ("zstd;q=0", Some(Identity)),
            ("zstd;q=0.5, identity", Some(Identity)),
            ("zstd;q=0.5, identity;q=0.5", Some(Zstd)),
            ("identity;q=0, zstd", Some(Zstd)),
            ("identity;q=0", None),
            ("*;q=0", None),
            ("*", Some(Identity)),
            ("identity;q=0, *", Some(Zstd)),
            ("gzip;q=1.0, *;q=0, zstd; q=0.3", Some(Zstd)),
            ("zstd;q=nonsense", Some(Zstd)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, said.parse().unwrap());
            assert_eq!(coding(&headers), wanted, "{said}");
        }
        assert_eq!(coding(&HeaderMap::new()), Some(Identity));
    }
}
