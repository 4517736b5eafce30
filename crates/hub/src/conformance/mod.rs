//! The suite that every broker passes.
//!
//! Each case gets a fresh broker whose streams it has for itself. A broker with threads is waited for; time is virtual
//! and moves only where a case says so.

mod appending;
mod following;
mod lives;
mod reading;
mod subject;

use self::subject::Subject;
use crate::{Now, broker::Broker};

/// Runs all cases. `make` gives a broker without streams. `start` is any time; for a broker that looks at a clock of its
/// own, the time of that.
///
/// # Panics
///
/// With the name of the case and what is wrong, at the first thing that is.
pub fn check<B: Broker>(mut make: impl FnMut() -> B, start: Now) {
    for (name, case) in cases::<B>() {
        let mut subject = Subject::new(name, make(), start);
        case(&mut subject);
        subject.finish();
    }
}

type Case<B> = fn(&mut Subject<B>);

fn cases<B: Broker>() -> impl Iterator<Item = (&'static str, Case<B>)> {
    let all: [&[(&'static str, Case<B>)]; 4] =
        [&appending::cases(), &reading::cases(), &following::cases(), &lives::cases()];
    all.concat().into_iter()
}
