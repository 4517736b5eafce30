//! Whether a sitting may go on with earlier results: only what is alike is put together.

use anyhow::{Result, ensure};

use crate::machine::Machine;
use crate::plan::Plan;
use crate::results::Results;

/// Fails where the earlier runs are of another machine, commit or duration than the ones to come.
pub(crate) fn check(results: &Results, machine: &Machine, plan: &Plan) -> Result<()> {
    for run in &results.runs {
        let Some(sitting) = results.sittings.get(run.sitting) else { continue };
        let earlier = &sitting.machine;
        for (what, was, is) in [
            ("processor", &earlier.processor, &machine.processor),
            ("kernel", &earlier.kernel, &machine.kernel),
            ("commit of Longwire", &earlier.longwire, &machine.longwire),
        ] {
            ensure!(
                was == is,
                "--resume: the {what} was {was:?} and is {is:?}; go on where it is the same, or \
                 measure anew without --resume"
            );
        }
        let workload = plan.workloads.iter().find(|workload| workload.name() == run.workload);
        let seconds = workload.map_or(run.seconds, |workload| plan.seconds(*workload));
        ensure!(
            (seconds - run.seconds).abs() < 1e-6,
            "--resume: \"{}\" was measured for {} s and now has {seconds} s; give the same profile \
             and --seconds, or measure anew without --resume",
            run.workload,
            run.seconds
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::sitting;
    use crate::plan::Profile;
    use crate::results::tests::run;

    #[test]
    fn only_the_same_machine_commit_and_duration_go_on() {
        let runs = vec![run(0, 1, "longwire", 1.0)];
        let results = Results { sittings: vec![sitting()], runs };
        let plan = Plan::new(Profile::Full, &[]);
        let same = sitting().machine;
        check(&results, &same, &plan).expect("all is the same");
        let other = "another".to_owned();
        for (machine, what) in [
            (Machine { processor: other.clone(), ..same.clone() }, "processor"),
            (Machine { kernel: other.clone(), ..same.clone() }, "kernel"),
            (Machine { longwire: other, ..same.clone() }, "commit"),
        ] {
            let error = check(&results, &machine, &plan).expect_err(what).to_string();
            assert!(error.contains(what) && error.contains("\"another\""), "{error}");
        }
        let longer = Plan { seconds: Some(2.0), ..plan };
        let error = check(&results, &same, &longer).expect_err("longer").to_string();
        assert!(error.contains("was measured for 1 s and now has 2 s"), "{error}");
    }
}
