//! What every opening handshake of a client asks for, by the options that clients share.

use std::{path::PathBuf, time::Duration};

use longwire::{Connect, Subprotocol};

use crate::{
    args::{origin_sent, seconds, subprotocol},
    failure::Failure,
};

/// The options about the opening handshake.
#[derive(Debug, clap::Args)]
pub(crate) struct OpeningArgs {
    /// Header field to add to the request, as 'Name: value'; may be repeated
    #[arg(long = "header", short = 'H', value_name = "FIELD")]
    pub(crate) headers: Vec<String>,
    /// Subprotocol to offer, the preferred one first; may be repeated
    #[arg(long = "subprotocol", value_name = "NAME", value_parser = subprotocol)]
    pub(crate) subprotocols: Vec<Subprotocol>,
    /// Origin to send, as a browser on that site would
    #[arg(long, value_name = "ORIGIN", value_parser = origin_sent)]
    pub(crate) origin: Option<String>,
    /// Name and password to send as Basic authentication
    #[arg(long, value_name = "NAME:PASSWORD", conflicts_with = "bearer")]
    pub(crate) user: Option<String>,
    /// Token to send as Bearer authentication
    #[arg(long, value_name = "TOKEN")]
    pub(crate) bearer: Option<String>,
    /// PEM file with the certificate authorities to trust [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Seconds for connecting, and again for the opening handshake
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

impl OpeningArgs {
    /// The connection that they ask for. TLS and proxies are not in it.
    pub(crate) fn plan(&self, url: &str) -> Result<Connect, Failure> {
        let mut connect = Connect::new(url)
            .subprotocols(self.subprotocols.iter().map(Subprotocol::as_str))
            .connect_timeout(self.timeout)
            .handshake_timeout(self.timeout);
        for field in &self.headers {
            // The value may be secret, so it is not shown.
            let (name, value) = field
                .split_once(':')
                .ok_or_else(|| Failure::usage("--header takes 'Name: value', with a colon"))?;
            connect = connect.header(name.trim(), value.trim());
        }
        if let Some(origin) = &self.origin {
            connect = connect.origin(origin);
        }
        if let Some(user) = &self.user {
            let (name, password) = user
                .split_once(':')
                .ok_or_else(|| Failure::usage("--user takes NAME:PASSWORD, with a colon"))?;
            connect = connect.basic_auth(name, password);
        }
        if let Some(token) = &self.bearer {
            connect = connect.bearer_token(token);
        }
        Ok(connect)
    }

    /// The values that are nobody else's business, each with what may be shown in its place.
    pub(crate) fn secrets(&self) -> Vec<(String, String)> {
        let hidden = |value: &Option<String>| value.clone().map(|value| (value, "...".to_owned()));
        let headers = self.headers.iter().filter_map(|field| {
            let (name, _) = field.split_once(':')?;
            Some((field.clone(), format!("{name}: ...")))
        });
        headers.chain(hidden(&self.user)).chain(hidden(&self.bearer)).collect()
    }
}
