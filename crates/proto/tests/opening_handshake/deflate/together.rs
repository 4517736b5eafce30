//! permessage-deflate on both sides: what each makes of the other, and the values that say so.

use std::collections::BTreeSet;

use longwire_proto::handshake::{BadResponse, ClientProgress, HandshakeError, encode_acceptance};
use longwire_proto::{CompressionLevel, DeflateParams, Extension, InvalidDeflate, WindowBits};
use proptest::prelude::*;
use proptest::sample::select;

use super::{
    CLIENT_BITS, CLIENT_FLAG, NAME, NO_TAKEOVER, SERVER_BITS, SERVER_FLAG, Short, TAKEOVER,
    answer_to, handshake, list, offer_of, offering, opened, params, respond, short, wish, with,
};

#[test]
fn two_ends_of_ours_agree_on_every_pair_of_flags_and_of_windows() {
    let flags = [(false, false), (false, true), (true, false), (true, true)];
    for (own, other) in flags.iter().flat_map(|own| flags.map(|other| (*own, other))) {
        for (one, two) in (8..=15).flat_map(|one| (8..=15).map(move |two| (one, two))) {
            // Each direction's windows come to every pair.
            assert_agreement((own.0, own.1, one, two), (other.0, other.1, two, one));
        }
    }
}

/// Each end gets what both wish for: the smaller window, and no takeover if one asks for none.
fn assert_agreement(client: Short, server: Short) {
    let request = offering(Some(params(client)), "");
    let (response, of_server) =
        opened(&[&offer_of(&request)]).accept(wish(params(server))).expect("nothing is misused");
    let progress = handshake(&request)
        .and_then(|mut handshake| handshake.handle_input(&encode_acceptance(&response)));
    let Ok(ClientProgress::Accepted { agreement: of_client, .. }) = progress else {
        panic!("{client:?} and {server:?} end in {progress:?}")
    };
    assert_eq!(of_client, of_server, "{client:?} and {server:?}");
    let expected = (
        client.0 || server.0,
        client.1 || server.1,
        client.2.min(server.2).max(9),
        client.3.min(server.3).max(9),
    );
    assert_eq!(of_server.deflate.map(short), Some(expected), "{client:?} and {server:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn two_ends_of_ours_agree_whatever_they_wish(client in wishes(), server in wishes()) {
        assert_agreement(short(client), short(server));
    }

    #[test]
    fn any_offers_get_a_legal_answer_or_none(
        own in wishes(),
        offers in prop::collection::vec(parameters(), 1..4),
        in_one_line: bool,
    ) {
        let mut lines: Vec<_> = offers.iter().map(Extension::to_string).collect();
        if in_one_line {
            lines = vec![lines.join(",")];
        }
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let (line, agreement) = answer_to(&opened(&lines), wish(own));

        let can_serve = |offer: &Listed| matches!(offer.server_bits, None | Some(Some(9..=15)));
        let Some(offer) = offers.iter().filter_map(Listed::read).find(can_serve) else {
            prop_assert_eq!((&*line, agreement.deflate), ("", None));
            return Ok(());
        };
        let answers = list(&line);
        prop_assert_eq!(answers.len(), 1);
        let answer = Listed::read(&answers[0]).expect("what a client may take");
        prop_assert!(answer.is_answer_to(offer), "{:?} to {:?}", answer, offer);
        let agreed = agreement.deflate.expect("it was answered");
        prop_assert!(is_safe(answer.meaning(), agreed), "{} means {}", line, agreed);

        let (own, agreed) = (short(own), short(agreed));
        prop_assert!(agreed.0 || !own.0);
        prop_assert!(agreed.1 || !own.1);
        prop_assert!(agreed.2 <= own.2.max(9));
        prop_assert!(agreed.3 <= own.3.max(9) || offer.client_bits.is_none());
    }

    #[test]
    fn any_answer_is_understood_or_refused(own in wishes(), answer in parameters()) {
        let request = offering(Some(own), "");
        let offers = list(&offer_of(&request));
        let offer = Listed::read(&offers[0]).expect("what a server may take");
        let legal = Listed::read(&answer).filter(|answer| answer.is_answer_to(offer));
        match respond(&request, &[&answer.to_string()]) {
            Ok(agreement) => {
                let legal = legal.expect("the answer is legal");
                let agreed = agreement.deflate.expect("it was answered");
                prop_assert!(is_safe(agreed, legal.meaning()), "{} means {}", answer, agreed);
                let (own, agreed) = (short(own), short(agreed));
                prop_assert!(agreed.1 || !own.1, "the client keeps to its own hint");
                prop_assert!(agreed.3 <= own.3.max(9), "the client keeps to its own hint");
            }
            Err(HandshakeError::BadResponse(BadResponse::DeflateInvalid(_))) => {
                prop_assert!(legal.is_none(), "{} to {}", answer, offers[0]);
            }
            Err(error) => panic!("{answer}: {error}"),
        }
    }
}

fn wishes() -> impl Strategy<Value = DeflateParams> {
    (any::<bool>(), any::<bool>(), 8..=15_u8, 8..=15_u8).prop_map(params)
}

/// permessage-deflate with parameters that are well made more often than not.
fn parameters() -> impl Strategy<Value = Extension> {
    let flag = (select(vec![SERVER_FLAG, CLIENT_FLAG]), Just(None));
    let bits = (select(vec![SERVER_BITS, CLIENT_BITS]), select(BITS.to_vec()).prop_map(Some));
    let names = vec![SERVER_FLAG, CLIENT_FLAG, SERVER_BITS, CLIENT_BITS, "x"];
    let any = (select(names), prop::option::of(select(vec!["7", "08", "8", "10", "16"])));
    let one = prop_oneof![8 => flag, 8 => bits, 2 => (Just(CLIENT_BITS), Just(None)), 1 => any];
    prop::collection::vec(one, 0..4).prop_map(|params| Extension {
        name: NAME.to_owned(),
        params: params
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)))
            .collect(),
    })
}

const BITS: [&str; 8] = ["8", "9", "10", "11", "12", "13", "14", "15"];

/// The parameters that a header lists, as RFC 7692 §7.1 has them.
#[derive(Clone, Copy, Debug)]
struct Listed {
    server_flag: bool,
    client_flag: bool,
    server_bits: Bits,
    client_bits: Bits,
}

/// A window that is not there, there without a value, or there.
type Bits = Option<Option<u8>>;

impl Listed {
    /// `None` if one of them is unknown, repeated, or has a value that it may not have.
    fn read(extension: &Extension) -> Option<Self> {
        let names: BTreeSet<_> = extension.params.iter().map(|(name, _)| name.as_str()).collect();
        let known = BTreeSet::from([SERVER_FLAG, CLIENT_FLAG, SERVER_BITS, CLIENT_BITS]);
        if names.len() < extension.params.len() || !names.is_subset(&known) {
            return None;
        }
        let find = |wanted: &str| extension.params.iter().find(|(name, _)| name == wanted);
        let flag = |name| match find(name) {
            Some((_, Some(_))) => None,
            param => Some(param.is_some()),
        };
        let bits = |name| match find(name) {
            Some((_, Some(value))) => {
                let index = BITS.iter().position(|bits| bits == value)?;
                Some(Some(u8::try_from(8 + index).ok()))
            }
            param => Some(param.map(|_| None)),
        };
        Some(Self {
            server_flag: flag(SERVER_FLAG)?,
            client_flag: flag(CLIENT_FLAG)?,
            server_bits: bits(SERVER_BITS)?,
            client_bits: bits(CLIENT_BITS)?,
        })
    }

    fn is_answer_to(self, offer: Self) -> bool {
        let server_bits_are_answered = match (offer.server_bits, self.server_bits) {
            (None, None | Some(Some(_))) => true,
            (Some(offered), Some(Some(bits))) => Some(bits) <= offered,
            (_, Some(None)) | (Some(_), None) => false,
        };
        let client_bits_are_answered = match (offer.client_bits, self.client_bits) {
            (_, None) => true,
            (Some(hint), Some(Some(bits))) => bits <= hint.unwrap_or(15),
            (None, Some(_)) | (_, Some(None)) => false,
        };
        let server_flag_is_answered = self.server_flag || !offer.server_flag;
        server_bits_are_answered && client_bits_are_answered && server_flag_is_answered
    }

    /// What an answer promises, and no more: hints of the offer promise nothing.
    fn meaning(self) -> DeflateParams {
        let bits = |bits: Bits| bits.flatten().unwrap_or(15);
        params((self.server_flag, self.client_flag, bits(self.server_bits), bits(self.client_bits)))
    }
}

/// Whether the receiver of either direction can follow its sender: it keeps no smaller window than
/// the sender uses, and forgets nothing between messages unless the sender does too.
fn is_safe(client: DeflateParams, server: DeflateParams) -> bool {
    server.server_max_window_bits <= client.server_max_window_bits
        && client.client_max_window_bits <= server.client_max_window_bits
        && (server.server_no_context_takeover || !client.server_no_context_takeover)
        && (client.client_no_context_takeover || !server.client_no_context_takeover)
}

#[test]
fn parameters_are_displayed_as_an_answer_has_them() {
    let table: &[(Short, &str)] = &[
        ((false, false, 15, 15), ""),
        ((true, false, 15, 15), SERVER_FLAG),
        ((false, true, 14, 15), "client_no_context_takeover; server_max_window_bits=14"),
        ((false, false, 8, 8), "server_max_window_bits=8; client_max_window_bits=8"),
        (
            (true, true, 9, 10),
            "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; \
             client_max_window_bits=10",
        ),
    ];
    for (own, text) in table {
        assert_eq!(params(*own).to_string(), with(text));
    }
    assert_eq!(short(TAKEOVER), (false, false, 15, 15));
    assert_eq!(short(NO_TAKEOVER), (true, true, 15, 15));
}

#[test]
fn windows_have_8_to_15_bits_and_levels_are_1_to_9() {
    for number in 0..=u8::MAX {
        let bits = WindowBits::new(number).map(|bits| (bits.get(), bits.window_size()));
        let size = 1_usize.checked_shl(number.into()).unwrap_or_default();
        assert_eq!(bits, (8..=15).contains(&number).then_some((number, size)));
        let level = CompressionLevel::new(number).map(CompressionLevel::get);
        assert_eq!(level, (1..=9).contains(&number).then_some(number));
    }
    let ends = [WindowBits::MIN, WindowBits::MAX];
    assert_eq!(ends.map(|bits| bits.to_string()), ["8", "15"]);
    assert!(WindowBits::MIN < WindowBits::MAX);
    let ends = [CompressionLevel::FASTEST, CompressionLevel::SMALLEST];
    assert_eq!(ends.map(CompressionLevel::get), [1, 9]);
}

#[test]
fn a_fault_names_its_cause() {
    let value = |value: &str| InvalidDeflate::Value {
        name: SERVER_BITS.to_owned(),
        value: value.to_owned(),
    };
    for (fault, words) in [
        (InvalidDeflate::NotGranted(SERVER_FLAG), [SERVER_FLAG, "not granted"]),
        (InvalidDeflate::NotOffered(CLIENT_BITS), [CLIENT_BITS, "beyond what was offered"]),
        (InvalidDeflate::Repeated(CLIENT_FLAG.to_owned()), [CLIENT_FLAG, "twice"]),
        (InvalidDeflate::Repeated(NAME.to_owned()), [NAME, "twice"]),
        (InvalidDeflate::Unknown("x".to_owned()), ["\"x\"", "not a parameter"]),
        (value("08"), [SERVER_BITS, "\"08\""]),
        (InvalidDeflate::ValueMissing(SERVER_BITS), [SERVER_BITS, "lacks its value"]),
    ] {
        let whole = BadResponse::DeflateInvalid(fault.clone()).to_string();
        for word in words.into_iter().chain([NAME, "; "]) {
            assert!(whole.contains(word), "{word}: {whole}");
        }
        assert!(whole.contains(&fault.to_string()), "{whole}");
    }
}
