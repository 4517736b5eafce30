//! The forms in which one message can be sent, and echo servers that answer in them.

use std::collections::HashMap;
use std::mem::Discriminant;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use longwire::{Acceptor, Config, Message, OriginPolicy, Prepared, Sender, WebSocket};
use tokio::runtime::{Builder, Runtime};

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Ordinary,
    /// As one that is shared with other connections.
    Prepared,
    /// Although compression is agreed on, without it.
    Uncompressed,
    /// By a writer, in two pieces.
    Pieces,
}

/// Every form behind every form, if it is repeated.
pub const ALL_FORMS: [Form; 16] = {
    use Form::{Ordinary as O, Pieces as S, Prepared as P, Uncompressed as U};
    [O, O, P, O, U, O, S, P, P, U, P, S, U, U, S, S]
};

/// The prepared messages of connections that share them.
#[derive(Debug, Default, Clone)]
pub struct Shared(Arc<Mutex<Store>>);

#[derive(Debug, Default)]
struct Store {
    prepared: HashMap<(Discriminant<Message>, Vec<u8>), Prepared>,
    reused: usize,
}

impl Shared {
    /// How often a prepared message was sent that had been sent before.
    pub fn reused(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reused
    }

    fn prepared(&self, message: &Message) -> Prepared {
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (std::mem::discriminant(message), message.as_bytes().to_vec());
        if let Some(prepared) = store.prepared.get(&key).cloned() {
            store.reused += 1;
            return prepared;
        }
        let prepared = Prepared::new(message.clone());
        store.prepared.insert(key, prepared.clone());
        prepared
    }

    /// Sends `message` in the given form.
    pub async fn send(&self, sender: &mut Sender, message: Message, form: Form) -> Result<()> {
        match form {
            Form::Ordinary => sender.send(message).await?,
            Form::Prepared => sender.send(self.prepared(&message)).await?,
            Form::Uncompressed => sender.send(message.uncompressed()).await?,
            Form::Pieces => {
                let mut writer = sender.send_writer(message.message_type()).await?;
                let mut first = message.into_bytes();
                let second = first.split_off(first.len() / 2);
                writer.write(first).await?;
                writer.write(second).await?;
                writer.finish().await?;
            }
        }
        Ok(())
    }
}

/// Echo servers in this process, for clients from everywhere. Their answers on each connection take
/// turns in several forms. They share one thread, and so its compressors, and what they prepare.
#[derive(Debug)]
pub struct EchoServers {
    runtime: Runtime,
    forms: &'static [Form],
    /// What they prepare.
    pub shared: Shared,
}

impl EchoServers {
    /// No server yet.
    pub fn new(forms: &'static [Form]) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { runtime, forms, shared: Shared::default() })
    }

    /// Starts a server with these settings, and gives its port on 127.0.0.1.
    pub fn start(&self, config: Config) -> Result<u16> {
        let server = self.runtime.block_on(longwire::Server::bind("127.0.0.1:0"))?;
        let port = server.local_addr()?.port();
        let acceptor = Acceptor::new().origins(OriginPolicy::any()).config(config);
        let (forms, shared) = (self.forms, self.shared.clone());
        let serve = move |socket| {
            let shared = shared.clone();
            async move { echo(socket, forms, &shared).await }
        };
        self.runtime.spawn(server.acceptor(acceptor).serve(serve));
        Ok(port)
    }
}

/// Whatever ends the connection, the client's report says it.
async fn echo(socket: WebSocket, forms: &[Form], shared: &Shared) {
    let (mut sender, mut receiver) = socket.split();
    for form in forms.iter().cycle() {
        let Ok(Some(message)) = receiver.recv().await else { return };
        if shared.send(&mut sender, message, *form).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_form_comes_behind_every_form() {
        let mut pairs = HashSet::new();
        for (i, form) in ALL_FORMS.iter().enumerate() {
            let next = ALL_FORMS[(i + 1) % ALL_FORMS.len()];
            pairs.insert(format!("{form:?} {next:?}"));
        }
        assert_eq!(pairs.len(), 16, "{pairs:?}");
    }
}
