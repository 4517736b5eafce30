//! `bench-runner`: builds the contestants, measures them in turn, writes medians, ratios and plots.

mod args;
mod contestants;
mod field;
mod kernels;
mod machine;
mod measure;
mod plan;
mod report;
mod results;
mod resume;
mod session;
mod targets;
mod versions;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bench_harness::build::build_program;
use bench_harness::cores::raise_open_files;
use clap::Parser;

use crate::args::Args;
use crate::contestants::Contestant;
use crate::contestants::certificate::Certificate;
use crate::plan::entries::{ENTRIES, Entry};
use crate::plan::workloads::Part;
use crate::plan::{KERNELS, Plan};
use crate::report::{publish, readme};
use crate::results::{Missing, Results, Sitting, store};
use crate::session::Session;

fn main() -> Result<()> {
    let args = Args::parse();
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in bench/");
    if args.is_readme_alone() {
        return readme::write(bench);
    }
    let file = file(bench, args.keep.as_deref());
    let results = if args.merge.is_empty() {
        let Some(results) = measure(&args, bench, &file)? else { return Ok(()) };
        results
    } else {
        let all: Result<Vec<_>> = args.merge.iter().map(|file| store::read(file)).collect();
        store::merge(all?)
    };
    fs::create_dir_all(file.parent().context("the file has a folder")?)?;
    store::write(&file, &results, &report::summary(&results))?;
    let text = report::render(&results, &[])?;
    fs::write(file.with_extension("md"), &text)?;
    print!("{text}");
    eprintln!("written: {} and the .md beside it", file.display());
    let failed = results.failed().count();
    if args.publish {
        publish::write(&bench.join("results"), &results)?;
    }
    if args.readme {
        readme::write(bench)?;
    }
    ensure!(failed == 0, "{failed} measurements failed; the report names them");
    Ok(())
}

/// Measures what the command line asks for; `None` where it asks for the list alone.
fn measure(args: &Args, bench: &Path, file: &Path) -> Result<Option<Results>> {
    let plan = args.plan();
    ensure!(args.rounds != Some(0), "--rounds is at least 1");
    ensure!(args.seconds.is_none_or(|seconds| seconds > 0.0), "--seconds is more than 0");
    ensure!(
        !plan.workloads.is_empty() || plan.kernels,
        "no workload has such a name; --list has those there are"
    );
    let entries = contestants::chosen(&plan, &args.only)?;
    ensure!(
        !entries.is_empty() || plan.workloads.is_empty(),
        "none of these contestants takes part in these workloads; --list has who does"
    );
    eprint!("{}", plan.announce(&entries, args.list));
    if args.list {
        return Ok(None);
    }
    // Children inherit it. A server needs one file a connection, the load generator as well.
    raise_open_files(10_100)?;
    fs::create_dir_all(file.parent().context("the file has a folder")?)?;

    let mut results =
        if args.resume && file.exists() { store::read(file)? } else { Results::default() };
    let machine = machine::describe(bench, args.longwire.is_some())?;
    resume::check(&results, &machine, &plan)?;
    let load = build_program(&bench.join("../Cargo.toml"), "longwire-cli", "longwire")?;
    let longwire = args.longwire.clone().unwrap_or_else(|| load.clone());
    let (contestants, floor, left_out) = build(&plan, bench, entries, &longwire)?;
    let mut sitting = Sitting {
        machine,
        profile: plan.profile,
        server_cpu: args.server_cpu,
        load_cpu: args.load_cpu,
        left_out,
        failed: Vec::new(),
        kernels: None,
    };
    if plan.kernels && !(args.resume && results.kernels().is_some()) {
        measure_kernels(bench, args.server_cpu, &mut sitting);
    }
    let session = Session {
        plan: &plan,
        contestants,
        floor,
        load,
        certificate: Certificate::new()?,
        server_cpu: args.server_cpu,
        load_cpu: args.load_cpu,
        file,
    };
    session.run(&mut results, sitting)?;
    Ok(Some(results))
}

fn measure_kernels(bench: &Path, core: usize, sitting: &mut Sitting) {
    let why = match kernels::measure(bench, core) {
        Ok(measured) => {
            sitting.kernels = Some(measured);
            return;
        }
        Err(error) => format!("{error:#}"),
    };
    eprintln!("kernels: NOT MEASURED, {why}");
    sitting.left_out.push(Missing { what: KERNELS.to_owned(), why });
}

/// The contestants, the server of the client role if that is measured, and what is not there.
fn build(
    plan: &Plan,
    bench: &Path,
    mut entries: Vec<Entry>,
    longwire: &Path,
) -> Result<(Vec<Contestant>, Option<Contestant>, Vec<Missing>)> {
    let is_floor = |name: &str| name == "floor";
    let takes_part = entries.iter().any(|entry| is_floor(entry.name));
    let is_server = plan.workloads.iter().any(|workload| workload.part == Part::Client);
    if is_server && !takes_part {
        entries.extend(ENTRIES.iter().find(|entry| is_floor(entry.name)).copied());
    }
    let (mut contestants, left_out) = contestants::build(bench, entries, longwire)?;
    let floor = contestants.iter().find(|contestant| is_floor(contestant.name())).cloned();
    contestants.retain(|contestant| takes_part || !is_floor(contestant.name()));
    Ok((contestants, floor, left_out))
}

/// Where results are written.
fn file(bench: &Path, keep: Option<&str>) -> PathBuf {
    let folder = bench.join("results");
    match keep {
        Some(name) => folder.join("kept").join(format!("{name}.json")),
        None => folder.join("latest.json"),
    }
}
