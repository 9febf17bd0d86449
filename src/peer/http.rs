//! A store behind a web server: `vox serve`, or any that gives out the files below `objects/`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ureq::http::header::{CONTENT_ENCODING, LOCATION};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use crate::id::{BlobId, NodeId};
use crate::peer::check::{self, Patience};
use crate::peer::error::Error;
use crate::peer::listing;
use crate::peer::source::{Offer, Progress, Silent, Source};
use crate::peer::wire::{Heads, Receipt};
use crate::store::object::frame;

/// A connection comes about in this time, or not.
const CONNECT: Duration = Duration::from_secs(10);
/// What a zstd frame begins with; no canonical value does.
const ZSTD: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// Heads of answers are not longer.
const HEAD: usize = 64 << 10;

/// How a server is asked.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What says that we may.
    pub token: Option<String>,
    /// Certificates, as PEM, that its own must stem from; those of the public authorities if none.
    pub authority: Option<Vec<u8>>,
    /// How long it is waited for.
    pub patience: Patience,
}

/// A store behind a web server.
pub struct Http {
    base: String,
    agent: Agent,
    token: Option<String>,
    patience: Patience,
    /// Held while it is found out, so that several threads ask once.
    kind: Mutex<Option<Kind>>,
}

/// What the server is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    /// `vox serve`.
    Serve,
    /// One that gives out files; where `objects/` is, if it lists `log/` there.
    Plain(Option<String>),
}

/// What came of a question.
enum Answer {
    Here { body: Body, is_zstd: bool },
    Absent,
}

impl Http {
    /// Takes an address.
    pub fn at(address: &str, options: &Options) -> Result<Self, Error> {
        let bad = |reason| Error::Address { address: shown(address), reason };
        let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
        let rest = rest.ok_or_else(|| bad("it begins with neither http:// nor https://"))?;
        let host = rest.split('/').next().unwrap_or_default();
        if host.contains('@') {
            return Err(bad("names and passwords do not belong there; use `token-file`"));
        }
        if host.is_empty() || rest.contains(['?', '#']) || address.contains(char::is_whitespace) {
            return Err(bad("write http://HOST:PORT, and the path below which the store lies"));
        }
        let authority = match &options.authority {
            Some(pem) => {
                let roots = roots(pem).ok_or_else(|| bad("its `ca-file` holds no certificate"))?;
                RootCerts::new_with_certs(&roots)
            }
            None => RootCerts::WebPki,
        };
        let pause = options.patience.pause;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A server that sends elsewhere is told of: neither token nor trust go there.
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("vox/", env!("CARGO_PKG_VERSION")))
            .max_response_header_size(HEAD)
            .timeout_resolve(Some(pause))
            .timeout_connect(Some(pause.min(CONNECT)))
            .timeout_send_request(Some(pause))
            .timeout_recv_response(Some(pause))
            .timeout_per_read(Some(pause))
            .timeout_per_write(Some(pause))
            .max_idle_age(Duration::from_secs(10))
            .tls_config(TlsConfig::builder().root_certs(authority).build())
            .build();
        Ok(Self {
            base: address.trim_end_matches('/').to_owned(),
            agent: config.into(),
            token: options.token.clone(),
            patience: options.patience,
            kind: Mutex::default(),
        })
    }

    fn ask(&self, url: &str, what: &dyn Fn() -> String) -> Result<Answer, Error> {
        let mut request = self.agent.get(url).header("Accept-Encoding", "zstd");
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let answer = request.call().map_err(|error| self.failed(&error, what))?;
        let status = answer.status();
        if status.is_redirection() {
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let to = shown(to.unwrap_or("nowhere"));
            return Err(Error::Elsewhere { peer: self.base.clone(), what: what(), to });
        }
        let is_zstd = answer.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding == "zstd");
        match status.as_u16() {
            200 => Ok(Answer::Here { body: answer.into_body(), is_zstd }),
            404 | 410 => Ok(Answer::Absent),
            status => Err(Error::Refused { peer: self.base.clone(), what: what(), status }),
        }
    }

    fn failed(&self, error: &ureq::Error, what: &dyn Fn() -> String) -> Error {
        let (peer, what, reason) = (self.base.clone(), what(), error.to_string());
        match error {
            ureq::Error::Timeout(_) => Error::Slow { peer, what, reason },
            _ => Error::Unreachable { peer, what, reason },
        }
    }

    /// Reads the bytes of an answer; says too whether they are said to be zstd.
    fn take(
        &self,
        url: &str,
        size: Option<u64>,
        most: u64,
        what: &dyn Fn() -> String,
        progress: &dyn Progress,
    ) -> Result<Option<(Vec<u8>, bool)>, Error> {
        let Answer::Here { body, is_zstd } = self.ask(url, what)? else { return Ok(None) };
        let announced = body.content_length();
        if let (Some(size), Some(len)) = (size, announced)
            && size != len
        {
            let reason = format!("it announces {len} bytes, and said {size} before");
            return Err(Error::Lied { peer: self.base.clone(), what: what(), reason });
        }
        let mut reader = body.into_reader();
        let taken = check::take(&mut reader, announced.or(size), most, &self.patience, progress);
        match taken {
            Ok(bytes) => Ok(Some((bytes, is_zstd))),
            Err(fault) => Err(fault.of(&self.base, what)),
        }
    }

    /// Reads a message.
    fn message(&self, url: &str, what: &dyn Fn() -> String) -> Result<Option<String>, Error> {
        let Some((bytes, _)) = self.take(url, None, check::MESSAGE, what, &Silent)? else {
            return Ok(None);
        };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(self.lied(what(), "it is no text".to_owned())),
        }
    }

    fn lied(&self, what: String, reason: String) -> Error {
        Error::Lied { peer: self.base.clone(), what, reason }
    }

    /// Asks which segments there are; none when it is no `vox serve`.
    fn served(&self) -> Result<Option<Vec<Offer>>, Error> {
        let what = || "the list of its segments".to_owned();
        let Some(text) = self.message(&format!("{}/v1/heads", self.base), &what)? else {
            return Ok(None);
        };
        let heads: Heads =
            serde_json::from_str(&text).map_err(|error| self.lied(what(), error.to_string()))?;
        heads.offers().map(Some).map_err(|reason| self.lied(what(), reason))
    }

    /// Returns what the server is, asked once.
    fn kind(&self) -> Result<Kind, Error> {
        let mut kind = self.guard();
        if let Some(kind) = &*kind {
            return Ok(kind.clone());
        }
        let found = match self.served()? {
            Some(_) => Kind::Serve,
            None => Kind::Plain(self.plain()?.map(|(objects, _)| objects)),
        };
        Ok(kind.insert(found).clone())
    }

    fn guard(&self) -> MutexGuard<'_, Option<Kind>> {
        self.kind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for the folder of logs on a plain server; returns where `objects/` is, and the page.
    fn plain(&self) -> Result<Option<(String, String)>, Error> {
        for objects in self.candidates() {
            match self.message(&format!("{objects}/log/"), &|| "its folder `log/`".to_owned()) {
                Ok(Some(page)) => return Ok(Some((objects, page))),
                // A server that lists nothing says so with 403.
                Ok(None) | Err(Error::Refused { status: 403, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Returns where `objects/` may be, below an address that is its own or the store's.
    fn candidates(&self) -> [String; 2] {
        [self.base.clone(), format!("{}/objects", self.base)]
    }

    /// Walks the pages of a plain server.
    fn listed(&self, objects: &str, log: &str) -> Result<Vec<Offer>, Error> {
        let page = |url: String| {
            let what = || format!("the list `{url}`");
            Ok::<_, Error>(self.message(&url, &what)?.unwrap_or_default())
        };
        let mut offers = Vec::new();
        for writer in listing::writers(log) {
            for folder in listing::folders(&page(format!("{objects}/log/{writer}/"))?) {
                let names = page(format!("{objects}/log/{writer}/{folder:08}/"))?;
                let names = listing::segments(&names, folder).into_iter();
                offers.extend(names.map(|name| Offer { writer, name, size: None }));
            }
        }
        Ok(offers)
    }
}

impl Source for Http {
    fn name(&self) -> &str {
        &self.base
    }

    fn heads(&self) -> Result<Vec<Offer>, Error> {
        if let Some(offers) = self.served()? {
            *self.guard() = Some(Kind::Serve);
            return Ok(offers);
        }
        let Some((objects, page)) = self.plain()? else {
            *self.guard() = Some(Kind::Plain(None));
            return Err(Error::NoList { peer: self.base.clone() });
        };
        *self.guard() = Some(Kind::Plain(Some(objects.clone())));
        self.listed(&objects, &page)
    }

    fn segment(&self, offer: &Offer, progress: &dyn Progress) -> Result<Option<Vec<u8>>, Error> {
        let (writer, name) = (offer.writer, &offer.name);
        let url = match self.kind()? {
            Kind::Serve => format!("{}/v1/log/{writer}/{name}", self.base),
            Kind::Plain(Some(objects)) => {
                format!("{objects}/log/{writer}/{:08}/{name}", name.first / 65536)
            }
            Kind::Plain(None) => return Ok(None),
        };
        let what = || check::of(offer);
        let taken = self.take(&url, offer.size, check::SEGMENT, &what, progress)?;
        Ok(taken.map(|(bytes, _)| bytes))
    }

    fn object(&self, id: BlobId, progress: &dyn Progress) -> Result<Option<Vec<u8>>, Error> {
        let what = || format!("object {id}");
        let get = |url: &str| self.take(url, None, check::OBJECT, &what, progress);
        let hex = id.0.hex();
        let file = |objects: &str| format!("{objects}/{}/{}", &hex[..2], &hex[2..]);
        let taken = match self.kind()? {
            Kind::Serve => get(&format!("{}/v1/blob/{id}", self.base))?,
            Kind::Plain(Some(objects)) => get(&file(&objects))?,
            Kind::Plain(None) => {
                let [one, other] = self.candidates();
                match get(&file(&one))? {
                    None => get(&file(&other))?,
                    taken => taken,
                }
            }
        };
        Ok(taken.map(|(bytes, is_zstd)| {
            if is_zstd || bytes.starts_with(&ZSTD) {
                return bytes;
            }
            // Something in between takes no zstd, so the server has decoded it: as we would store it.
            frame::compress(&[&bytes]).concat()
        }))
    }

    fn tells(&self) -> Result<bool, Error> {
        Ok(self.kind()? == Kind::Serve)
    }

    fn receipt(&self, node: NodeId) -> Result<Vec<Offer>, Error> {
        if !self.tells()? {
            return Ok(Vec::new());
        }
        let what = || format!("the receipt of node {node}");
        let text = match self.message(&format!("{}/ac/{node}", self.base), &what) {
            Ok(Some(text)) => text,
            // Its receipts differ and none stands: no answer.
            Ok(None) | Err(Error::Refused { status: 409, .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let receipt: Receipt =
            serde_json::from_str(&text).map_err(|error| self.lied(what(), error.to_string()))?;
        if receipt.node != node.to_string() {
            return Err(self.lied(what(), format!("it is of node `{}`", shown(&receipt.node))));
        }
        let offer = receipt.offer().map_err(|reason| self.lied(what(), shown(&reason)))?;
        Ok(offer.into_iter().collect())
    }
}

/// Reads certificates; none if there are none, or something else is wrong.
fn roots(pem: &[u8]) -> Option<Vec<Certificate<'static>>> {
    let mut roots = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.ok()? {
            roots.push(certificate);
        }
    }
    (!roots.is_empty()).then_some(roots)
}

/// Makes something that a server or file said fit to be shown: short, and without control characters.
fn shown(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_addresses_of_servers_are_taken() {
        let at = |address: &str| Http::at(address, &Options::default());
        assert_eq!(at("http://h:1/a/").unwrap().name(), "http://h:1/a");
        for address in
            ["h:1", "ftp://h", "http://", "http:///a", "http://u:p@h", "http://h/?a", "http://h /a"]
        {
            assert!(at(address).is_err(), "{address}");
        }
        let authority = Some(b"no certificate".to_vec());
        assert!(Http::at("https://h", &Options { authority, ..Options::default() }).is_err());
    }

    #[test]
    fn what_a_server_says_is_shown_without_its_control_characters() {
        assert_eq!(shown("a\u{1b}[31m\nb"), "a?[31m?b");
        assert_eq!(shown(&"x".repeat(5000)).len(), 200);
    }
}
