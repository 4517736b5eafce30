//! How many instructions fixed scenarios take, by callgrind, compared with an earlier revision.
//!
//! The scenarios are `bench/micro`. A count hardly varies where a time does, so a few per cent more are
//! seen on a busy machine too.

mod base;
mod comparison;
mod program;
mod words;

use std::time::Instant;

use anyhow::{Result, bail};
use longwire_toolbox::valgrind;

use self::base::Base;
use self::comparison::Comparison;
use self::program::{Counts, Program};
use crate::metadata::Metadata;
use crate::test;

pub(crate) use self::base::accept;

/// Builds the scenarios as they are now and as they were, counts, prints the table, and fails if one
/// became worse without a word.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    let valgrind = valgrind::find()?;
    let target = Metadata::read()?.target_directory;
    let dir = target.join("instructions");
    let base = Base::find()?;
    println!("   base: {} ({})", base.short(), base.why);

    let now = Program::of_the_tree(&dir)?;
    let before = Program::of_commit(&base.commit, &dir)?;
    let Some(before) = before else {
        let counts = program::count(&valgrind, &dir, &[&now])?.remove(0);
        print_alone(&counts);
        let text = format!("Instructions: NOT COMPARED, for {} has no scenarios", base.short());
        println!("{text}");
        return test::keep_summary(&target, "instructions", &text);
    };
    let mut counts = program::count(&valgrind, &dir, &[&before, &now])?;
    let (now, before) = (counts.remove(1), counts.remove(0));
    let comparison = Comparison::new(&before, &now, &words::since(&base.commit)?);
    println!("{}", comparison.table());
    println!("   {:.1} s", start.elapsed().as_secs_f32());
    test::keep_summary(&target, "instructions", &comparison.summary(base.short()))?;
    let worse = comparison.failures();
    if worse.is_empty() {
        return Ok(());
    }
    bail!(
        "against {}: {}. Find the cause with `callgrind_annotate` on the files in {}; or, if it is \
         worth it, say why: a trailer `Instructions: SCENARIO: why` in a commit, or \
         `cargo xtask instructions --accept 'why'`",
        base.short(),
        worse.join("; "),
        dir.join("profiles").display()
    );
}

fn print_alone(counts: &Counts) {
    for (name, count) in counts {
        println!("{name:32}  {count:>12}");
    }
}
