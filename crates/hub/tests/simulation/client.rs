//! A model of a client: it reads with positions, publishes with keys, and comes back.

use std::collections::{HashMap, HashSet, VecDeque};

use longwire_channel::{
    Capabilities, ChannelName, ClientMessage, Connect, ErrorCode, Policy, Position, Publication,
    Publish, Pushed, Refusal, ServerMessage, Start, Subscribe, Subscribed, Token,
};
use longwire_hub::{SessionId, simulation::Reader};

/// A client.
pub(crate) struct Client {
    pub(crate) name: usize,
    pub(crate) session: Option<SessionId>,
    /// Whether `connected` has come.
    pub(crate) is_connected: bool,
    /// Whether it publishes before that.
    pub(crate) is_eager: bool,
    pub(crate) subs: Vec<Sub>,
    /// What it publishes until it is answered, in its order.
    pub(crate) publishes: VecDeque<Unanswered>,
    next_id: u64,
    next_number: u32,
    published: u64,
    /// Places of what it published in this session, by channel, as they were answered.
    answered: HashMap<ChannelName, Position>,
    face: Face,
    /// Until when it publishes nothing, for it was told to wait: Unix time in milliseconds.
    waits_until: u64,
    /// What the broker did not take when it came: those behind it are not kept from passing it.
    pub(crate) passed: HashSet<String>,
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// The protocol, with pages.
    Pages,
    /// The protocol, each record by itself.
    Messages,
    /// A bare face: the server says for it who it is, and what it subscribes.
    Bare,
}

/// A subscription.
pub(crate) struct Sub {
    pub(crate) channel: ChannelName,
    pub(crate) policy: Option<Policy>,
    first: Start,
    pub(crate) reader: Reader,
    pub(crate) stands: Stands,
}

/// How a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    /// There is none.
    Away,
    /// It was asked for, with this number, this id and this start.
    Asked(u32, u64, Start),
    Active(u32),
    /// `unsubscribe` was said, with this id.
    Leaving(u32, u64),
}

/// A publication.
#[derive(Clone)]
pub(crate) struct Unanswered {
    pub(crate) channel: ChannelName,
    pub(crate) content: String,
    pub(crate) key: Option<Token>,
    /// The id under which it was sent in this session.
    pub(crate) sent: Option<u64>,
}

/// What a client learnt from a message.
pub(crate) enum News {
    /// This content lies there.
    Published(ChannelName, Position, String),
    /// A record was read: the reader has it.
    Read,
    Nothing,
}

impl Client {
    pub(crate) fn new(name: usize, face: Face) -> Self {
        Self {
            name,
            session: None,
            is_connected: false,
            is_eager: false,
            subs: Vec::new(),
            publishes: VecDeque::new(),
            next_id: 0,
            next_number: 0,
            published: 0,
            answered: HashMap::new(),
            face,
            waits_until: 0,
            passed: HashSet::new(),
        }
    }

    pub(crate) fn add_sub(&mut self, channel: ChannelName, first: Start, policy: Option<Policy>) {
        let skips = matches!(policy, Some(Policy::Latest { .. } | Policy::Drop));
        let reader = Reader { skips, ..Reader::default() };
        self.subs.push(Sub { channel, policy, first, reader, stands: Stands::Away });
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Whether it is known already who it is, so that there is no `connect`.
    pub(crate) fn is_bare(&self) -> bool {
        self.face == Face::Bare
    }

    /// What a session begins with: all subscriptions and their positions, in `connect` where there is one.
    pub(crate) fn begin(&mut self, session: SessionId) -> Vec<ClientMessage> {
        self.session = Some(session);
        self.is_connected = self.is_bare();
        if self.is_bare() {
            return (0..self.subs.len()).map(|sub| self.subscribe(sub)).collect();
        }
        let id = self.id();
        let subscriptions = (0..self.subs.len()).map(|sub| self.ask(sub, id)).collect();
        let takes_pages = self.face == Face::Pages;
        vec![ClientMessage::Connect(Box::new(Connect {
            id,
            version: 1,
            capabilities: if takes_pages { Capabilities::ALL } else { Capabilities::PINGS },
            subscriptions,
            ..Connect::default()
        }))]
    }

    fn ask(&mut self, sub: usize, id: u64) -> Subscribe {
        self.next_number += 1;
        let number = self.next_number;
        let sub = &mut self.subs[sub];
        let start = sub.reader.start(sub.first);
        sub.reader.ended = false;
        sub.stands = Stands::Asked(number, id, start);
        Subscribe { sub: number, channel: sub.channel.clone(), start, policy: sub.policy }
    }

    pub(crate) fn subscribe(&mut self, sub: usize) -> ClientMessage {
        let id = self.id();
        ClientMessage::Subscribe { id, subscribe: self.ask(sub, id) }
    }

    pub(crate) fn unsubscribe(&mut self, sub: usize) -> Option<ClientMessage> {
        let Stands::Active(number) = self.subs[sub].stands else { return None };
        let id = self.id();
        self.subs[sub].stands = Stands::Leaving(number, id);
        Some(ClientMessage::Unsubscribe { id, sub: number })
    }

    /// Thinks of something to publish.
    pub(crate) fn compose(&mut self, channel: ChannelName, keyed: bool, length: usize) {
        self.published += 1;
        let operation = format!("{}:{}", self.name, self.published);
        let key = keyed.then(|| Token::new(&operation).expect("valid"));
        let content = format!("{operation} {}", "x".repeat(length));
        self.publishes.push_back(Unanswered { channel, content, key, sent: None });
    }

    /// Everything that was not sent in this session, unless it is to wait.
    pub(crate) fn unsent(&mut self, unix_ms: u64) -> Vec<ClientMessage> {
        if unix_ms < self.waits_until {
            return Vec::new();
        }
        let mut next_id = self.next_id;
        let messages = self
            .publishes
            .iter_mut()
            .filter(|it| it.sent.is_none())
            .map(|it| {
                next_id += 1;
                it.sent = Some(next_id);
                let publication = Publication {
                    key: it.key.clone(),
                    ..Publication::new(longwire_channel::Payload::text(it.content.clone()))
                };
                let publish = Publish { channel: it.channel.clone(), publication };
                ClientMessage::Publish { id: next_id, publish: Box::new(publish) }
            })
            .collect();
        self.next_id = next_id;
        messages
    }

    /// The connection is lost. What has no key is not sent again: whether it was published is unknown. Of what
    /// was on its way the broker may have refused or deleted some.
    pub(crate) fn lost(&mut self, broker_refuses: bool) {
        if broker_refuses {
            let sent = self.publishes.iter().filter(|it| it.sent.is_some());
            self.passed.extend(sent.map(|it| it.content.clone()));
        }
        self.session = None;
        self.is_connected = false;
        self.answered.clear();
        self.waits_until = 0;
        for sub in &mut self.subs {
            sub.stands = Stands::Away;
        }
        self.publishes.retain(|it| it.key.is_some() || it.sent.is_none());
        for publish in &mut self.publishes {
            publish.sent = None;
        }
    }

    /// Takes a message.
    pub(crate) fn take(&mut self, message: ServerMessage, unix_ms: u64) -> News {
        match message {
            ServerMessage::Connected(connected) => {
                self.is_connected = true;
                for (number, answer) in connected.subscriptions {
                    match answer {
                        Ok(subscribed) => self.subscribed(subscribed),
                        Err(refusal) => self.not_subscribed(number, refusal.code),
                    }
                }
                News::Nothing
            }
            ServerMessage::Subscribed { subscribed, .. } => {
                self.subscribed(subscribed);
                News::Nothing
            }
            ServerMessage::Unsubscribed { id, sub } => {
                for it in &mut self.subs {
                    if it.stands == Stands::Leaving(sub, id) {
                        it.stands = Stands::Away;
                    }
                }
                News::Nothing
            }
            ServerMessage::Published { id, published } => {
                let sent = self.publishes.iter().filter_map(|it| it.sent);
                assert_eq!(sent.min(), Some(id), "answered out of order");
                let place = self.publishes.iter().position(|it| it.sent == Some(id));
                let answered =
                    place.and_then(|at| self.publishes.remove(at)).expect("it is one of them");
                let position = published.position.expect("kept");
                if !published.duplicate {
                    let before = self.answered.insert(answered.channel.clone(), position);
                    assert!(
                        before.is_none_or(|it| it.epoch != position.epoch || it.seq < position.seq),
                        "{position:?} is behind {before:?}, which was published before"
                    );
                }
                News::Published(answered.channel, position, answered.content)
            }
            ServerMessage::Error { id, refusal } => {
                self.refused(id, &refusal, unix_ms);
                News::Nothing
            }
            ServerMessage::Push(push) => self.pushed(push.sub, &push.pushed),
            _ => News::Nothing,
        }
    }

    fn subscribed(&mut self, subscribed: Subscribed) {
        let number = subscribed.sub;
        let asked = self.subs.iter_mut().find_map(|sub| match sub.stands {
            Stands::Asked(asked, _, start) if asked == number => Some((sub, start)),
            _ => None,
        });
        let (sub, start) = asked.expect("nobody asked for it");
        sub.stands = Stands::Active(number);
        if let Err(fault) = sub.reader.subscribed(start, subscribed) {
            panic!("{fault} with {subscribed:?} to {start:?}");
        }
    }

    fn not_subscribed(&mut self, number: u32, code: ErrorCode) {
        assert!(is_for_a_time(code), "a subscription is refused with {code:?}");
        for sub in &mut self.subs {
            if matches!(sub.stands, Stands::Asked(asked, ..) if asked == number) {
                sub.stands = Stands::Away;
            }
        }
    }

    fn refused(&mut self, id: u64, refusal: &Refusal, unix_ms: u64) {
        let code = refusal.code;
        for sub in &mut self.subs {
            match sub.stands {
                Stands::Asked(_, asked, _) if asked == id => {
                    assert!(is_for_a_time(code), "a subscription is refused with {code:?}");
                    sub.stands = Stands::Away;
                }
                // It ended by itself just before.
                Stands::Leaving(_, left) if left == id => {
                    assert_eq!(code, ErrorCode::NotFound);
                    sub.stands = Stands::Away;
                }
                _ => {}
            }
        }
        let Some(place) = self.publishes.iter().position(|it| it.sent == Some(id)) else { return };
        match code {
            // It is sent again before those behind it.
            ErrorCode::RateLimited => {
                let wait = refusal.retry_after_ms.expect("it says when");
                self.waits_until = self.waits_until.max(unix_ms + wait);
                self.publishes[place].sent = None;
            }
            ErrorCode::StreamEnded => drop(self.publishes.remove(place)),
            // Whether it is there shows only behind the next crash, and without a key it cannot be asked.
            ErrorCode::StorageFailed if self.publishes[place].key.is_none() => {
                self.publishes.remove(place);
            }
            // It is sent again behind the others.
            _ if is_for_a_time(code) || code == ErrorCode::StorageFailed => {
                let refused = self.publishes.remove(place);
                self.passed.extend(refused.iter().map(|it| it.content.clone()));
                self.publishes.extend(refused.map(|it| Unanswered { sent: None, ..it }));
            }
            code => panic!("a publication is refused with {code:?}"),
        }
    }

    fn pushed(&mut self, number: u32, pushed: &Pushed) -> News {
        let found = self.subs.iter_mut().find(|sub| match sub.stands {
            Stands::Active(it) | Stands::Leaving(it, _) => it == number,
            _ => false,
        });
        let sub = found.unwrap_or_else(|| panic!("{pushed:?} is pushed to nobody"));
        if let Err(fault) = sub.reader.pushed(pushed) {
            panic!("{fault} with {pushed:?} to {:?}, {:?}", sub.stands, sub.reader.position);
        }
        match pushed {
            Pushed::Unsubscribed(why) => panic!("a subscription is ended: {why:?}"),
            Pushed::Ended { .. } => {
                if matches!(sub.stands, Stands::Active(_)) {
                    sub.stands = Stands::Away;
                }
                News::Nothing
            }
            Pushed::Message { .. } | Pushed::Page { .. } => News::Read,
            _ => News::Nothing,
        }
    }
}

fn is_for_a_time(code: ErrorCode) -> bool {
    code.is_temporary()
}
