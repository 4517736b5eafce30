//! The set of files that is committed: tables, plots, and the results themselves.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::plots;
use crate::results::{Results, store};

/// Writes `results.json`, `README.md` and the plots, and removes plots of what is no longer measured.
pub(crate) fn write(folder: &Path, results: &Results) -> Result<()> {
    ensure!(!results.runs.is_empty(), "nothing is published: nothing was measured");
    fs::create_dir_all(folder)?;
    let file = folder.join(FILE);
    store::write(&file, results, &super::summary(results))?;
    // What the file has, digits and all, is what everything else is made of.
    let results = store::read(&file)?;
    let plots = plots::all(&results);
    let pictures: Vec<_> =
        plots.iter().map(|plot| (plot.file.clone(), plot.title.clone())).collect();
    fs::write(folder.join("README.md"), super::render(&results, &pictures)?)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "svg") {
            fs::remove_file(path)?;
        }
    }
    for plot in plots {
        fs::write(folder.join(&plot.file), &plot.svg)
            .with_context(|| format!("{} cannot be written", plot.file))?;
    }
    Ok(())
}

/// The published results.
pub(crate) const FILE: &str = "results.json";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::sitting;
    use crate::results::Failure;
    use crate::results::tests::run;

    fn results() -> Results {
        let mut results = Results { sittings: vec![sitting()], runs: Vec::new() };
        results.runs = vec![run(0, 1, "longwire", 1.0 / 3.0), run(0, 1, "floor", 0.25)];
        results
    }

    #[test]
    fn every_picture_of_the_page_is_there_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("old.svg"), "").expect("written");
        write(folder.path(), &results()).expect("published");
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("plain"))
            .collect();
        names.sort();
        assert_eq!(names, ["64-x-32-b-x-16.svg", "README.md", "results.json"]);
        let page = fs::read_to_string(folder.path().join("README.md")).expect("read");
        assert!(page.contains("](64-x-32-b-x-16.svg)"), "{page}");
    }

    #[test]
    fn what_failed_is_published_as_such() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut results = results();
        results.sittings[0].failed.push(Failure {
            round: 2,
            workload: results.runs[0].workload.clone(),
            contestant: "floor".to_owned(),
            why: "it ended".to_owned(),
        });
        write(folder.path(), &results).expect("published");
        let page = fs::read_to_string(folder.path().join("README.md")).expect("read");
        assert!(page.ends_with("- 64 x 32 B x 16, round 2, floor: it ended\n"), "{page}");
    }

    #[test]
    fn without_runs_nothing_is_published() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(write(folder.path(), &Results::default()).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
