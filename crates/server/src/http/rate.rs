//! How much clients publish over HTTP: as much as over a connection.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    state::keyed::HashMapStateStore,
};
use longwire_channel::{ErrorCode, Refusal, Token};

/// Publications a second of each client. The application's own keys are not limited.
#[derive(Debug)]
pub(crate) struct PublishRate {
    limiter: RateLimiter<Client, HashMapStateStore<Client>, MonotonicClock>,
    rate: NonZeroU32,
    /// Beyond so many clients those are forgotten that have published nothing lately.
    most: AtomicUsize,
}

/// Who publishes: a user, or whoever is at an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// Who a token names.
    User(Token),
    /// Somebody without a name.
    Address(IpAddr),
}

impl Client {
    pub(crate) fn at(address: IpAddr) -> Self {
        Self::Address(network(address))
    }
}

/// What counts as one address: within a network of IPv6 they are free to take, so there it is the network. A socket for
/// both kinds has those of IPv4 within one network of IPv6, which they are not.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

impl PublishRate {
    /// So many a second, twice as many at once.
    pub(crate) fn new(rate: u32) -> Self {
        let rate = NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(rate).allow_burst(rate.saturating_mul(BURST));
        let store = HashMapStateStore::default();
        let limiter = RateLimiter::new(quota, store, MonotonicClock);
        Self { limiter, rate, most: AtomicUsize::new(CLIENTS) }
    }

    /// Counts publications of a client, or refuses them all.
    pub(crate) fn admit(&self, client: &Client, count: usize) -> Result<(), Refusal> {
        self.forget_quiet();
        let Some(count) = NonZeroU32::new(u32::try_from(count).unwrap_or(u32::MAX)) else {
            return Ok(());
        };
        let (rate, most) = (self.rate, self.rate.saturating_mul(BURST));
        match self.limiter.check_key_n(client, count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(wait)) => {
                let wait = wait.wait_time_from(self.limiter.clock().now());
                let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                let words = format!("{rate} publications a second are the most: publish slower");
                let refusal = Refusal::new(ErrorCode::RateLimited, words);
                Err(Refusal { retry_after_ms: Some(milliseconds.max(1)), ..refusal })
            }
            Err(_) => {
                let words = format!("{most} publications at once are the most: publish in parts");
                Err(Refusal::new(ErrorCode::TooLarge, words))
            }
        }
    }

    /// Looks through all clients only once there are twice as many as were left the last time.
    fn forget_quiet(&self) {
        let most = self.most.load(Ordering::Relaxed);
        if self.limiter.len() <= most {
            return;
        }
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        self.most.store((2 * self.limiter.len()).max(CLIENTS), Ordering::Relaxed);
    }
}

/// Seconds whose publications may come at once, as over a connection.
const BURST: NonZeroU32 = NonZeroU32::new(2).expect("not 0");

/// Clients that are remembered in any case.
const CLIENTS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_rate() {
        let rate = PublishRate::new(2);
        let one = Client::at("10.0.0.1".parse().expect("an address"));
        let other = Client::User(Token::new("alice").expect("valid"));
        assert!(rate.admit(&one, 3).is_ok());
        assert!(rate.admit(&one, 1).is_ok());
        let refusal = rate.admit(&one, 1).expect_err("too many");
        assert_eq!(refusal.code, ErrorCode::RateLimited);
        assert!(refusal.retry_after_ms.is_some_and(|wait| wait > 0 && wait <= 500));
        assert!(rate.admit(&other, 4).is_ok());
        assert_eq!(rate.admit(&other, 5).expect_err("too many").code, ErrorCode::TooLarge);
        assert!(rate.admit(&one, 0).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let at = |text: &str| Client::at(text.parse().expect("an address"));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_ne!(at("10.0.0.1"), at("10.0.0.2"));
        assert_ne!(at("::ffff:10.0.0.1"), at("::ffff:10.0.0.2"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
    }

    #[test]
    fn clients_that_publish_nothing_any_more_are_forgotten() {
        let rate = PublishRate::new(1_000_000);
        for number in (0_u32..).take(3 * CLIENTS) {
            let client = Client::at(std::net::Ipv4Addr::from_bits(number).into());
            assert!(rate.admit(&client, 1).is_ok());
        }
        assert!(rate.limiter.len() <= 2 * CLIENTS, "{} clients", rate.limiter.len());
    }
}
