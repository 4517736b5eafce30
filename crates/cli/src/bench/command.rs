//! The command line of this run as a report shows it: without secrets, to be pasted into a shell.

use std::{borrow::Cow, env};

/// The command, in which the URL is the one that may be shown, and no option has a secret.
/// `secrets` are values of options, each with what stands in its place.
pub(super) fn shown(url: (&str, &str), secrets: &[(String, String)]) -> String {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let shown = arguments.iter().map(|argument| {
        if argument == url.0 {
            return quoted(url.1).into_owned();
        }
        let secret = secrets.iter().find(|(value, _)| argument.ends_with(value.as_str()));
        match secret {
            Some((value, instead)) => {
                let start = &argument[..argument.len() - value.len()];
                quoted(&format!("{start}{instead}")).into_owned()
            }
            None => quoted(argument).into_owned(),
        }
    });
    ["longwire".to_owned()].into_iter().chain(shown).collect::<Vec<_>>().join(" ")
}

fn quoted(argument: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    if !argument.is_empty() && argument.bytes().all(plain) {
        return argument.into();
    }
    format!("'{}'", argument.replace('\'', r"'\''")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_for_a_shell_where_they_need_it() {
        for (argument, expected) in [
            ("--rate", "--rate"),
            ("ws://127.0.0.1:9001/a", "ws://127.0.0.1:9001/a"),
            ("X-Trace: 7", "'X-Trace: 7'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("ws://a/?b=$(c)", "'ws://a/?b=$(c)'"),
        ] {
            assert_eq!(quoted(argument), expected);
        }
    }
}
