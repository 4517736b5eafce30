//! Layers, and what is wrong with them.

use std::fs;

use tempfile::TempDir;

use super::*;

/// Reads a file with this text, these variables and these flags.
fn read(
    text: &str,
    variables: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Config, ConfigError> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("longwire.toml");
    fs::write(&path, text).expect("written");
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let mut overrides = Overrides::new();
    for (key, value) in flags {
        overrides.set(*key, *value);
    }
    Config::from_layers(Some(&path), variables, &overrides)
}

fn words(text: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    read(text, variables, flags).expect_err("it cannot be used").to_string()
}

#[test]
fn nothing_at_all_is_the_default() {
    assert_eq!(read("", &[], &[]).expect("sound"), Config::default());
    assert!(Config::default().is_development());
}

#[test]
fn each_layer_covers_those_before_it() {
    let file = "listen = '127.0.0.1:1'\ndata = 'a'\n[limits]\nconnections = 1\nsubscriptions = 1";
    let variables =
        [("LONGWIRE_LISTEN", "127.0.0.1:2"), ("LONGWIRE_LIMITS__CONNECTIONS", "2"), ("PATH", "/x")];
    let config = read(file, &variables, &[("listen", "127.0.0.1:3")]).expect("sound");
    assert_eq!(config.listen, "127.0.0.1:3");
    assert_eq!(config.limits.connections, 2);
    assert_eq!(config.limits.subscriptions, 1);
    assert_eq!(config.data, Path::new("a"));
    assert_eq!(config.limits.publish_rate, LimitsConfig::default().publish_rate);
}

#[test]
fn variables_and_flags_are_written_as_in_the_file_or_plainly() {
    let variables = [
        ("LONGWIRE_ALLOWED_ORIGINS", "['https://a.example', \"https://b.example\"]"),
        ("LONGWIRE_AUTH__HMAC_SECRET", "12345678901234567890123456789012"),
        ("LONGWIRE_AUTH__LEEWAY", "5s"),
        ("LONGWIRE_NAMESPACES__CHAT__EPHEMERAL", "false"),
        ("LONGWIRE_TOKEN", "of a command"),
        ("LONGWIRE_URL", "of a command"),
    ];
    let config = read("", &variables, &[("limits.message_bytes", "1 MiB")]).expect("sound");
    assert_eq!(config.allowed_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(config.auth.hmac_secret, Some(Secret("12345678901234567890123456789012".into())));
    assert_eq!(config.auth.leeway, Span::seconds(5));
    assert_eq!(config.namespace("chat").ephemeral, Some(false));
    assert_eq!(config.limits.message_bytes, Size(1 << 20));
}

#[test]
fn a_namespace_takes_over_what_it_leaves_out() {
    let file = "
        [namespaces.default]
        durability = 'disk'
        retention = { count = 7 }
        access = { subscribe = 'user' }
        [namespaces.chat]
        history_limit = 5
        access = { publish = 'anyone' }
        [namespaces.ticks]
        durability = 'memory'";
    let config = read(file, &[], &[]).expect("sound");
    let chat = config.namespace("chat");
    assert_eq!((chat.durability, chat.history_limit), (Some(Durability::Disk), Some(5)));
    assert_eq!(chat.retention.count, Some(7));
    assert_eq!(chat.access.subscribe, Some(WhoName::User));
    assert_eq!(chat.access.publish, Some(WhoName::Anyone));
    // Numbers for a disk mean nothing in memory.
    assert_eq!(config.namespace("ticks").retention, RetentionConfig::default());
    assert_eq!(config.namespace("other"), config.namespace("default"));
}

#[test]
fn an_unknown_key_is_told_with_its_place_and_those_there_are() {
    let words = words("[namespaces.chat]\ndurabilty = 'disk'", &[], &[]);
    assert!(
        words.contains("longwire.toml: `namespaces.chat.durabilty`: there is no such key"),
        "{words}"
    );
    assert!(words.contains("durability"), "{words}");
    let words = self::words("", &[("LONGWIRE_LIMITS__CONECTIONS", "1")], &[]);
    assert!(
        words.starts_with("the variable LONGWIRE_LIMITS__CONECTIONS: `limits.conections`"),
        "{words}"
    );
    let words = self::words("", &[], &[("limits.conections", "1")]);
    assert!(words.starts_with("the command line: `limits.conections`"), "{words}");
}

#[test]
fn variables_of_others_are_passed_over_and_ours_are_not() {
    let others = [
        ("LONGWIRE_CACHE", "/tmp"),
        ("LONGWIRE_PORT", "tcp://10.0.0.7:80"),
        ("LONGWIRE_PORT_80_TCP", "tcp://10.0.0.7:80"),
        ("LONGWIRE_SERVICE_HOST", "10.0.0.7"),
        ("LONGWIRE_", ""),
    ];
    assert_eq!(read("", &others, &[]).expect("sound"), Config::default());
    for (name, value, cure) in [
        ("LONGWIRE_LIMITS__CONNECTIONS", "many", "a whole number"),
        ("LONGWIRE_LIMITS__CONECTIONS", "1", "no such key"),
        ("LONGWIRE_LIMITS", "1", "`limits`"),
        ("LONGWIRE_AUTH__API_KEYS", "[{ nam = 'a' }]", "no such key"),
    ] {
        let words = words("", &[(name, value)], &[]);
        assert!(words.contains(name) && words.contains(cure), "{words}");
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_told_with_what_to_write() {
    for (file, key, cure) in [
        ("[limits]\nconnections = 'many'", "limits.connections", "a whole number"),
        ("[limits]\nmessage_bytes = 'much'", "limits.message_bytes", "64 KiB"),
        ("[limits]\nping_interval = 25", "limits.ping_interval", "unit"),
        ("[namespaces.a]\ndurability = 'tape'", "namespaces.a.durability", "memory, disk"),
        (
            "[namespaces.a]\naccess = { publish = 'me' }",
            "namespaces.a.access.publish",
            "token, user, anyone",
        ),
        ("[auth]\napi_keys = [{ key = '0123456789abcdef' }]", "auth.api_keys.0.name", "add it"),
        ("[auth]\nhmac_secret = 7", "auth.hmac_secret", "secret in quotes"),
    ] {
        let words = words(file, &[], &[]);
        assert!(words.contains("longwire.toml"), "{words}");
        assert!(words.contains(&format!("`{key}`")), "{words}");
        assert!(words.contains(cure), "{words}");
    }
}

#[test]
fn what_cannot_be_is_told_with_the_cure() {
    for (file, key, cure) in [
        ("[auth]\nhmac_secret = 'short'", "auth.hmac_secret", "openssl rand -hex 32"),
        ("[auth]\nticket_secret = 'short'", "auth.ticket_secret", "openssl rand -hex 32"),
        (
            "[auth]\napi_keys = [{ name = 'a', key = 'short' }]",
            "auth.api_keys.0.key",
            "openssl rand",
        ),
        ("[auth]\napi_keys = [{ name = 'a' }]", "auth.api_keys.0", "`key_sha256`"),
        (
            "[auth]\napi_keys = [{ name = 'a', key_sha256 = 'x' }]",
            "auth.api_keys.0.key_sha256",
            "sha256sum",
        ),
        (
            "[auth]\napi_keys = [{ name = 'a', key = '0123456789abcdef', channels = { 'a?' = [] } }]",
            "auth.api_keys.0.channels.a?",
            "'?'",
        ),
        ("[limits]\nconnections = 0", "limits.connections", "1 or more"),
        ("[limits]\nping_interval = '0s'", "limits.ping_interval", "1 or more"),
        ("[limits]\nhead_bytes = 100", "limits.head_bytes", "8 KiB"),
        ("[namespaces.'a:b']", "namespaces.a:b", "`:`"),
        ("[namespaces.a]\nretention = { count = 0 }", "namespaces.a.retention.count", "1 record"),
        ("[namespaces.a]\npublish_rate = 0", "namespaces.a.publish_rate", "1 or more"),
        (
            "[namespaces.a]\nmessage_bytes = '1 GiB'",
            "namespaces.a.message_bytes",
            "limits.message_bytes",
        ),
        (
            "[namespaces.a]\npolicy = 'drop'\npolicies = ['all']",
            "namespaces.a.policy",
            "`policies`",
        ),
        ("allowed_origins = ['app.example']", "allowed_origins.0", "https://app.example"),
        ("allowed_origins = ['https://app.example/path']", "allowed_origins.0", "no origin"),
    ] {
        let words = words(file, &[], &[]);
        assert!(words.contains(&format!("`{key}`")), "{words}");
        assert!(words.contains(cure), "{words}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    let words = words("listen = '127.0.0.1:1'\nlimits = [\n", &[], &[]);
    assert!(words.contains("longwire.toml, line "), "{words}");
    assert!(words.contains("TOML"), "{words}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("none.toml");
    let error = Config::from_layers(Some(&path), [], &Overrides::new()).expect_err("missing");
    assert!(matches!(error, ConfigError::Unreadable { .. }));
    assert!(error.to_string().contains("none.toml"), "{error}");
}

#[test]
fn development_mode_is_for_loopback_without_credentials() {
    let is_development = |file: &str| read(file, &[], &[]).expect("sound").is_development();
    assert!(is_development("listen = 'localhost:8000'"));
    assert!(is_development("listen = '[::1]:8000'"));
    assert!(!is_development("listen = '0.0.0.0:8000'"));
    assert!(!is_development("[auth]\nhmac_secret = '0123456789abcdef0123456789abcdef'"));
    assert!(!is_development("[auth]\napi_keys = [{ name = 'a', key = '0123456789abcdef' }]"));
}

#[test]
fn a_time_that_no_clock_has_is_refused() {
    for file in
        ["[shutdown]\ntimeout = '500000000000 years'", "[limits]\nevents_interval = '101 years'"]
    {
        let words = words(file, &[], &[]);
        assert!(words.contains("100 years"), "{words}");
    }
    assert!(read("[limits]\nidle_timeout = '99 years'", &[], &[]).is_ok());
}

#[test]
fn a_secret_of_the_wrong_kind_is_not_shown_either() {
    for (file, key) in [
        ("[auth]\nhmac_secret = 81237612", "auth.hmac_secret"),
        ("[auth]\napi_keys = 'key-81237612'", "auth.api_keys"),
        ("[auth]\napi_keys = ['key-81237612']", "auth.api_keys.0"),
        ("[auth]\napi_keys = [{ name = 'a', key = 81237612 }]", "auth.api_keys.0.key"),
        ("auth = 'key-81237612'", "auth"),
    ] {
        let words = words(file, &[], &[]);
        assert!(words.contains(&format!("`{key}`")), "{words}");
        assert!(!words.contains("81237612"), "{words}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let file = "[auth]\nhmac_secret = '0123456789abcdef0123456789abcdef'";
    let shown = format!("{:?}", read(file, &[], &[]).expect("sound"));
    assert!(!shown.contains("0123456789"), "{shown}");
}
