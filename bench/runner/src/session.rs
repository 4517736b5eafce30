//! A sitting: everything of a plan is measured in turn, and written down as it comes.

use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::{Context, Result, ensure};
use bench_harness::statistics::{median, rounded};

use crate::contestants::Contestant;
use crate::contestants::certificate::Certificate;
use crate::machine::Ticks;
use crate::measure::load::{self, Order};
use crate::measure::{Cores, client, server};
use crate::plan::Plan;
use crate::plan::workloads::{Kind, MAXIMUM, Pace, Part, Workload};
use crate::report;
use crate::results::figures::Figures;
use crate::results::{Failure, Missing, Results, Run, Sitting, store};

/// What a sitting has to do, and with what.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) contestants: Vec<Contestant>,
    /// The server of the client role.
    pub(crate) floor: Option<Contestant>,
    /// The program whose `bench` is the load generator.
    pub(crate) load: PathBuf,
    pub(crate) certificate: Certificate,
    pub(crate) server_cpu: usize,
    pub(crate) load_cpu: usize,
    /// Where results go as they come.
    pub(crate) file: &'a Path,
}

impl Session<'_> {
    /// Adds a sitting to `results` and measures what is not there yet.
    ///
    /// A B C A B C: what drifts on the machine touches every contestant alike. A measurement that fails is
    /// written down; the others go on.
    pub(crate) fn run(&self, results: &mut Results, sitting: Sitting) -> Result<()> {
        let before = Ticks::read([self.server_cpu, self.load_cpu])?;
        let index = results.sittings.len();
        results.sittings.push(sitting);
        let steps = self.plan.steps();
        for (number, &(round, workload)) in (1..).zip(&steps) {
            let name = workload.name();
            if let Err(why) = self.cores(workload) {
                if round == 1 {
                    eprintln!("{name}: NOT MEASURED, {why}");
                    let missing = Missing { what: name, why: why.to_string() };
                    results.sittings[index].left_out.push(missing);
                }
                continue;
            }
            let contestants: Vec<_> = self
                .contestants
                .iter()
                .filter(|contestant| self.plan.measures(&contestant.entry, workload))
                .collect();
            let wanted: Vec<_> = contestants.iter().map(|contestant| contestant.name()).collect();
            if store::is_whole(&results.runs, round, &name, &wanted) {
                continue;
            }
            for contestant in contestants {
                let who = contestant.name();
                eprintln!("{number}/{}: {name}, round {round}, {who}", steps.len());
                let measured = self.measure(contestant, workload, round, results);
                match measured {
                    Ok(figures) => results.add(Run {
                        sitting: index,
                        round,
                        workload: name.clone(),
                        contestant: who.to_owned(),
                        seconds: self.plan.seconds(workload),
                        figures,
                    }),
                    Err(error) => {
                        let why = format!("{error:#}");
                        eprintln!("FAILED: {name}, round {round}, {who}: {why}");
                        let (workload, contestant) = (name.clone(), who.to_owned());
                        let failure = Failure { round, workload, contestant, why };
                        results.sittings[index].failed.push(failure);
                    }
                }
            }
            let now = Ticks::read([self.server_cpu, self.load_cpu])?;
            results.sittings[index].machine.stolen = rounded(now.stolen_share_since(before));
            store::write(self.file, results, &report::summary(results))?;
        }
        Ok(())
    }

    fn measure(
        &self,
        contestant: &Contestant,
        workload: Workload,
        round: usize,
        results: &Results,
    ) -> Result<Figures> {
        let cores = self.cores(workload)?;
        let seconds = self.plan.seconds(workload);
        if workload.part == Part::Client {
            let floor = self.floor.as_ref().context("the floor, its server, is not there")?;
            let server = server::start(floor, workload.part, &cores.load, &self.certificate)?;
            return client::measure(contestant, &server, workload, seconds, &cores);
        }
        let order = Order {
            workload,
            seconds,
            rate: rate(workload, contestant.name(), round, results)?,
            besides: contestant.entry.load,
        };
        let server = server::start(contestant, workload.part, &cores.server, &self.certificate)?;
        load::measure(&self.load, &server, &order, &cores, &self.certificate)
    }

    /// The cores of a workload; an error where the machine has too few.
    fn cores(&self, workload: Workload) -> Result<Cores> {
        if workload.part != Part::Threads {
            return Ok(Cores { server: vec![self.server_cpu], load: vec![self.load_cpu] });
        }
        let available = available_parallelism()?.get();
        ensure!(available >= 4, "needs four cores, this machine has {available}");
        Ok(Cores { server: vec![0, 1], load: vec![2, 3] })
    }
}

/// Messages a second of an open loop; `None` for everything else.
fn rate(
    workload: Workload,
    contestant: &str,
    round: usize,
    results: &Results,
) -> Result<Option<f64>> {
    match workload.kind {
        Kind::Paced { pace: Pace::Fixed(rate), .. } => Ok(Some(f64::from(rate))),
        Kind::Paced { pace: Pace::Half, .. } => {
            let runs = results.of(MAXIMUM, contestant).filter(|run| run.round == round);
            let maximum = median(runs.filter_map(|run| run.figures.messages_per_second));
            let maximum = maximum.with_context(|| {
                format!("its maximum, by \"{}\", was not measured in this round", MAXIMUM.name())
            })?;
            Ok(Some((maximum / 2.0).round()))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::workloads::HALF;
    use crate::results::tests::run;

    #[test]
    fn half_of_the_maximum_is_that_of_the_same_round() {
        let runs = vec![run(0, 1, "longwire", 1.0), run(0, 2, "longwire", 2.0)];
        let results = Results { runs, ..Results::default() };
        let rate = |round| rate(HALF, "longwire", round, &results);
        assert_eq!(rate(1).expect("measured"), Some(500_000.0));
        assert_eq!(rate(2).expect("measured"), Some(250_000.0));
        let error = rate(3).expect_err("not measured").to_string();
        assert!(error.contains("64 x 32 B x 16"), "{error}");
    }

    #[test]
    fn a_closed_loop_has_no_rate() {
        let rate = rate(MAXIMUM, "longwire", 1, &Results::default());
        assert_eq!(rate.expect("none is needed"), None);
    }
}
