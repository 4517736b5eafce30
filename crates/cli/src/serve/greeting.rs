//! What `longwire serve` prints once it serves.

use longwire_server::config::Config;

/// The lines for stdout. The first names the address, for programs as well.
pub(super) fn text(address: &str, config: &Config, development: bool) -> String {
    let url = format!("http://{address}");
    let data = std::path::absolute(&config.data).unwrap_or_else(|_| config.data.clone());
    let mut lines = vec![format!("listening on {url}")];
    if development {
        lines.extend([
            format!("console  {url}/"),
            format!("publish  curl -d hello {url}/v1/channels/demo/messages"),
            format!("listen   curl -N '{url}/v1/channels/demo/events?last=10'"),
        ]);
    }
    lines.push(format!("data     {}", data.display()));
    if development {
        lines.push("Development mode: whoever reaches this address may do everything.".to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_console_and_curl_are_for_development_mode() {
        let config = Config::default();
        let lines = text("127.0.0.1:8000", &config, true);
        assert!(lines.starts_with("listening on http://127.0.0.1:8000\nconsole "), "{lines}");
        assert!(lines.lines().all(|line| line.len() <= 100), "{lines}");
        let lines = text("0.0.0.0:8000", &config, false);
        assert!(lines.starts_with("listening on http://0.0.0.0:8000\ndata "), "{lines}");
        assert_eq!(lines.lines().count(), 2, "{lines}");
    }
}
