//! A reader of server-sent events for tests.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{TestServer, http::get, ws::PATIENCE};

/// A reader of events.
pub(crate) struct Reader {
    body: Incoming,
    text: String,
}

impl Reader {
    pub(crate) async fn open(
        server: &TestServer,
        target: &str,
        last_event_id: Option<&str>,
    ) -> Self {
        let mut call = get(server.addr(), &format!("/v1/channels/{target}"));
        if let Some(id) = last_event_id {
            call = call.header("last-event-id", id);
        }
        let response = call.open().await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert_eq!(response.headers()["cache-control"], "no-store, no-transform");
        let mut reader = Self { body: response.into_body(), text: String::new() };
        assert_eq!(reader.next().await.as_deref(), Some("retry: 1000"));
        reader
    }

    /// The next event, as it is written; nothing at the end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                let event = std::mem::replace(&mut self.text, rest);
                return event.strip_suffix("\n\n").map(str::to_owned);
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("in time")?;
            let data = frame.expect("no fault").into_data().expect("data");
            self.text.push_str(std::str::from_utf8(&data).expect("UTF-8"));
        }
    }
}
