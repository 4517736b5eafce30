//! Where a bare face begins to read, by its address.

use longwire_channel::{Epoch, Position, Start};
use serde::Deserialize;

/// The query of a bare face. Names of others are ignored, so that an address may carry more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StartQuery {
    /// Behind this position: `EPOCH:SEQ`.
    from: Option<String>,
    /// The same, as libraries for events have it.
    #[serde(rename = "lastEventId")]
    last_event_id: Option<String>,
    /// With the last so many records.
    last: Option<String>,
    /// With the first record of this time or later: milliseconds since 1970.
    since: Option<String>,
    /// With the first record: `1` or `true`.
    beginning: Option<String>,
    /// `beginning` or `now`.
    start: Option<String>,
    /// A token, where the client cannot send headers.
    pub(crate) token: Option<String>,
}

impl StartQuery {
    /// Where to begin; the header `Last-Event-ID` comes before everything, since a browser sends it to go on.
    pub(crate) fn start(&self, last_event_id: Option<&str>) -> Result<Start, String> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let last_event_id = last_event_id.filter(|id| !id.is_empty()).map(str::to_owned);
        if let Some(id) =
            last_event_id.or_else(|| given(&self.last_event_id)).or_else(|| given(&self.from))
        {
            return position(&id).map(Start::After);
        }
        if let Some(last) = given(&self.last) {
            let number = last.parse().map(Start::Last);
            return number
                .map_err(|_| format!("`last={last}` is no number of records, as in last=10"));
        }
        if let Some(since) = given(&self.since) {
            let time = since.parse().map(Start::Time);
            return time
                .map_err(|_| format!("`since={since}` is no time: write milliseconds since 1970"));
        }
        match given(&self.start).as_deref() {
            Some("beginning") => return Ok(Start::Beginning),
            Some("now") | None => {}
            Some(other) => {
                return Err(format!("`start={other}` is not possible: write beginning or now"));
            }
        }
        match given(&self.beginning).as_deref() {
            Some("1" | "true") => Ok(Start::Beginning),
            Some("0" | "false") | None => Ok(Start::Now),
            Some(other) => Err(format!("`beginning={other}` is not possible: write 1")),
        }
    }
}

/// A position as the bare faces write it: `EPOCH:SEQ`.
pub(crate) fn position(text: &str) -> Result<Position, String> {
    let parsed = text.split_once(':').and_then(|(epoch, seq)| {
        let seq = seq.parse().ok().filter(|seq| *seq <= SEQ_MAX)?;
        Some(Position { epoch: epoch.parse::<Epoch>().ok()?, seq })
    });
    parsed.ok_or_else(|| {
        format!("`{text}` is no position: write EPOCH:SEQ, as an event's id or an answer has them")
    })
}

/// What JavaScript can count exactly.
const SEQ_MAX: u64 = (1 << 53) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> StartQuery {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let map = pairs.map(|(key, value)| (key.to_owned(), value.into())).collect();
        serde_json::from_value(serde_json::Value::Object(map)).expect("texts")
    }

    #[test]
    fn the_header_comes_before_the_query() {
        let at = |seq| {
            let epoch = Epoch::from_random(0xab);
            Ok(Start::After(Position { epoch, seq }))
        };
        let from = query("from=00000000000000ab:1&last=5");
        assert_eq!(from.start(None), at(1));
        assert_eq!(from.start(Some("00000000000000ab:7")), at(7));
        assert_eq!(from.start(Some("")), at(1));
        assert_eq!(query("lastEventId=00000000000000ab:2").start(None), at(2));
    }

    #[test]
    fn each_start_has_its_name() {
        assert_eq!(query("").start(None), Ok(Start::Now));
        assert_eq!(query("last=3").start(None), Ok(Start::Last(3)));
        assert_eq!(query("since=99").start(None), Ok(Start::Time(99)));
        assert_eq!(query("beginning=1").start(None), Ok(Start::Beginning));
        assert_eq!(query("start=beginning").start(None), Ok(Start::Beginning));
        assert_eq!(query("start=now").start(None), Ok(Start::Now));
    }

    #[test]
    fn what_means_nothing_is_refused_with_the_cure() {
        let words = |text: &str| query(text).start(None).expect_err("means nothing");
        assert!(words("from=1").contains("EPOCH:SEQ"));
        assert!(words("from=00000000000000ab:9007199254740992").contains("EPOCH:SEQ"));
        assert!(words("last=x").contains("last=10"));
        assert!(words("since=yesterday").contains("milliseconds"));
        assert!(words("start=end").contains("beginning"));
        assert!(words("beginning=maybe").contains("write 1"));
    }
}
