//! Which server a client command talks to, and by which right.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use longwire_channel::{ChannelName, CloseCode};
use longwire_client::{Builder, Cause, Client};
use url::Url;

use crate::{failure::Failure, settings::SettingsArgs};

/// The options that every client command has.
#[derive(Debug, clap::Args)]
pub(crate) struct TargetArgs {
    /// Server, such as `https://live.example` [default: where the configuration listens]
    #[arg(long, value_name = "URL", env = "LONGWIRE_URL", hide_env_values = true)]
    url: Option<String>,
    /// Token or API key; none is needed in development mode
    #[arg(long, value_name = "TOKEN", env = "LONGWIRE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl TargetArgs {
    /// A client to be, and the URL that it connects to.
    pub(super) fn client(&self) -> Result<(Builder, Url), Failure> {
        let url = match &self.url {
            Some(url) => endpoint(url)?,
            None => endpoint(&reachable(&self.settings.load(&[])?.listen))?,
        };
        let mut builder = Client::builder(url.as_str());
        if let Some(token) = &self.token {
            builder = builder.token(token);
        }
        Ok((builder, url))
    }
}

/// What helps against the end of the client, where an option does.
pub(super) fn cure(cause: &Cause) -> &'static str {
    let of_tokens = [CloseCode::UNAUTHENTICATED, CloseCode::TOKEN_EXPIRED];
    match cause {
        Cause::Server(end) if of_tokens.contains(&end.code) => {
            ". Here a token is given by --token or LONGWIRE_TOKEN, and `longwire token` makes one"
        }
        _ => "",
    }
}

/// The URL of the channel protocol on the server that a person names.
fn endpoint(text: &str) -> Result<Url, Failure> {
    let wrong = || {
        Failure::usage(format!(
            "`{text}` is no server: write its scheme, host and port, as in http://127.0.0.1:8000 or \
             https://live.example"
        ))
    };
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    let scheme = match url.scheme() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        _ => return Err(wrong()),
    };
    url.set_scheme(scheme).map_err(|()| wrong())?;
    let path = url.path().trim_end_matches('/');
    if !path.ends_with(PATH) {
        let path = format!("{path}{PATH}");
        url.set_path(&path);
    }
    Ok(url)
}

/// Where this machine reaches a server that listens there.
fn reachable(listen: &str) -> String {
    let Ok(mut address) = listen.parse::<SocketAddr>() else { return format!("http://{listen}") };
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}")
}

pub(super) fn channel(name: &str) -> Result<ChannelName, String> {
    ChannelName::new(name).map_err(|error| error.to_string())
}

const PATH: &str = "/v1/connect";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_any_of_its_urls() {
        for (text, expected) in [
            ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/v1/connect"),
            ("https://live.example/", "wss://live.example/v1/connect"),
            ("ws://a/v1/connect", "ws://a/v1/connect"),
            ("https://a/live/", "wss://a/live/v1/connect"),
        ] {
            assert_eq!(endpoint(text).expect(text).as_str(), expected);
        }
        for bad in ["127.0.0.1:8000", "live.example", "ftp://a", ""] {
            let failure = endpoint(bad).expect_err(bad);
            assert_eq!(failure.exit_code(), 2);
            assert!(failure.message.contains("https://live.example"), "{failure}");
        }
    }

    #[test]
    fn a_server_that_listens_everywhere_is_reached_on_this_machine() {
        for (listen, expected) in [
            ("0.0.0.0:8000", "http://127.0.0.1:8000"),
            ("[::]:81", "http://[::1]:81"),
            ("10.0.0.1:8000", "http://10.0.0.1:8000"),
            ("localhost:8000", "http://localhost:8000"),
        ] {
            assert_eq!(reachable(listen), expected);
        }
    }
}
