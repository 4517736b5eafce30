//! Records and channels in JSON, as the protocol has them.

use std::fmt::Write;

use base64::{Engine, prelude::BASE64_STANDARD};
use longwire_channel::{HistoryPage, Payload, Position, Published, Record, Refusal};
use longwire_hub::{ChannelInfo, ConnectionInfo};
use serde_json::{Map, Value, json};

use super::refusal_json;

/// A page of history, written by hand so that contents stay as they were published.
pub(super) fn history(page: &HistoryPage) -> String {
    let mut text = format!(
        "{{\"epoch\":\"{}\",\"first\":{},\"last\":{},\"messages\":[",
        page.epoch, page.first, page.last
    );
    for (number, record) in page.records.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        put_record(&mut text, record);
    }
    // A String takes everything.
    let _ = write!(text, "],\"more\":{}}}", page.more);
    text
}

fn put_record(text: &mut String, record: &Record) {
    // A String takes everything.
    let _ = write!(text, "{{\"seq\":{},\"time\":{},", record.seq, record.time);
    match &record.payload {
        Payload::Json(json) => {
            let _ = write!(text, "\"data\":{}", String::from_utf8_lossy(json));
        }
        Payload::Text(bytes) => {
            let _ = write!(text, "\"data\":{}", json!(String::from_utf8_lossy(bytes)));
        }
        other => {
            let _ = write!(text, "\"base64\":\"{}\"", BASE64_STANDARD.encode(other.bytes()));
        }
    }
    for (key, value) in [("event", &record.event), ("publisher", &record.publisher)] {
        if let Some(value) = value {
            let _ = write!(text, ",\"{key}\":{}", json!(value.as_str()));
        }
    }
    text.push('}');
}

/// Where a publication lies; empty for an ephemeral one.
pub(super) fn published(published: &Published) -> Value {
    let mut map = published.position.map(position_map).unwrap_or_default();
    if published.duplicate {
        map.insert("duplicate".to_owned(), true.into());
    }
    Value::Object(map)
}

/// The outcomes of a batch.
pub(super) fn results(results: &[Result<Published, Refusal>]) -> Value {
    let each = results.iter().map(|result| match result {
        Ok(it) => published(it),
        Err(refusal) => json!({ "error": refusal_json(refusal) }),
    });
    json!({ "results": each.collect::<Vec<_>>() })
}

pub(super) fn position(position: Position) -> Value {
    Value::Object(position_map(position))
}

pub(super) fn channel(info: &ChannelInfo) -> Value {
    json!({
        "channel": info.channel.as_str(),
        "epoch": info.position.epoch.to_string(),
        "seq": info.position.seq,
        "first": info.first,
        "bytes": info.bytes,
        "ended": info.ended,
        "subscriptions": info.subscriptions,
    })
}

pub(super) fn connection(info: &ConnectionInfo) -> Value {
    let mut map = Map::new();
    map.insert("session".to_owned(), info.session.to_string().into());
    if let Some(user) = &info.user {
        map.insert("user".to_owned(), user.as_str().into());
    }
    map.insert("transport".to_owned(), info.transport.name().into());
    if let Some(address) = info.address {
        map.insert("address".to_owned(), address.to_string().into());
    }
    map.insert("connected_ms".to_owned(), info.connected_ms.into());
    map.insert("subscriptions".to_owned(), info.subscriptions.into());
    map.insert("congested".to_owned(), info.congested.into());
    Value::Object(map)
}

fn position_map(position: Position) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("epoch".to_owned(), position.epoch.to_string().into());
    map.insert("seq".to_owned(), position.seq.into());
    map
}
