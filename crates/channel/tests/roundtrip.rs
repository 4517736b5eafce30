//! Messages come back from both codecs as they went in.

use longwire_channel::{Codec, Incoming};

#[test]
fn a_message_is_the_same_in_both_codecs() {
    let frames = [
        r#"{"type":"connect","id":1,"capabilities":7,"token":"abc","subscriptions":[{"sub":1,"channel":"chat:1","start":{"epoch":"00000000000000ab","seq":3},"policy":{"type":"rollup","interval_ms":100}},{"sub":2,"channel":"x","start":{"last":1}}]}"#,
        r#"{"type":"publish","id":2,"channel":"chat:1","data":{"a":[1,2.5,-3,1e+300,0.1,null,true,"ä\n"]},"event":"e","key":"k"}"#,
        r#"{"type":"publish","id":2,"channel":"chat:1","data":"te\"xt","producer":{"id":"p","epoch":1,"seq":2}}"#,
        r#"{"type":"publish","id":2,"channel":"chat:1","base64":"AAEC","ephemeral":true}"#,
        r#"{"type":"history","id":3,"channel":"c","from":{"epoch":"00000000000000ab","seq":3},"since":4,"limit":5,"order":"backwards"}"#,
        r#"{"type":"pong"}"#,
    ];
    for frame in frames {
        let messages = Codec::Json.decode_client(frame.as_bytes()).expect("sound");
        let [Incoming::Message(message)] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(std::str::from_utf8(&Codec::Json.encode_client(message)), Ok(frame));
        let cbor = Codec::Cbor.encode_client(message);
        assert_eq!(Codec::Cbor.decode_client(&cbor).as_ref(), Ok(&messages));
    }
}
