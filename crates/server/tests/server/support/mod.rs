//! A server of a test, and clients for it.

pub(crate) mod http;
pub(crate) mod sse;
pub(crate) mod ws;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use longwire_server::{
    Running, Server,
    auth::{Authoriser, Claims, sign_token},
    config::{Action, Config, Durability, NamespaceConfig, Secret},
};
use tempfile::TempDir;

/// A server on a free port, with a data folder of its own.
pub(crate) struct TestServer {
    pub(crate) running: Running,
    pub(crate) config: Config,
    data: TempDir,
}

impl TestServer {
    /// In development mode, all channels in memory.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn with(edit: impl FnOnce(&mut Config)) -> Self {
        let data = TempDir::new().expect("a folder");
        let mut config = config(&data);
        edit(&mut config);
        let running = Server::start(config.clone()).await.expect("it starts");
        Self { running, config, data }
    }

    /// With another way to tell who somebody is.
    pub(crate) async fn asking(
        authoriser: impl Authoriser,
        edit: impl FnOnce(&mut Config),
    ) -> Self {
        let data = TempDir::new().expect("a folder");
        let mut config = config(&data);
        edit(&mut config);
        let started = Server::start_with(config.clone(), Some(Arc::new(authoriser))).await;
        Self { running: started.expect("it starts"), config, data }
    }

    /// In development mode, all channels on disk.
    pub(crate) async fn durable() -> Self {
        Self::with(|config| config.namespaces.clear()).await
    }

    /// Stops it, and starts another over the same data.
    pub(crate) async fn restart(self) -> Self {
        let Self { running, config, data } = self;
        assert_eq!(running.shutdown().await.cut, 0);
        let running = Server::start(config.clone()).await.expect("it starts");
        Self { running, config, data }
    }

    /// With credentials: tokens are signed by [`Self::token`].
    pub(crate) async fn guarded() -> Self {
        Self::with(|config| config.auth.hmac_secret = Some(Secret("s".repeat(32)))).await
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.running.local_addr()
    }

    /// A token of this user for these channels.
    pub(crate) fn token(&self, user: &str, channels: &[(&str, &[Action])]) -> String {
        self.token_until(user, channels, seconds() + 600)
    }

    pub(crate) fn token_until(
        &self,
        user: &str,
        channels: &[(&str, &[Action])],
        exp: u64,
    ) -> String {
        let channels =
            channels.iter().map(|(pattern, actions)| ((*pattern).to_owned(), actions.to_vec()));
        let channels = channels.collect::<BTreeMap<_, _>>();
        let claims = Claims { sub: Some(user.to_owned()), exp, nbf: None, channels };
        sign_token(&self.config.auth, &claims).expect("there is a secret")
    }
}

/// Any free port, this folder, channels in memory.
pub(crate) fn config(data: &TempDir) -> Config {
    let mut config = Config::default();
    config.listen = String::from("127.0.0.1:0");
    config.data = data.path().into();
    let mut namespace = NamespaceConfig::default();
    namespace.durability = Some(Durability::Memory);
    config.namespaces.insert("default".to_owned(), namespace);
    config
}

pub(crate) fn seconds() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("after 1970").as_secs()
}

pub(crate) const ALL: &[Action] =
    &[Action::Subscribe, Action::Publish, Action::History, Action::Manage];
