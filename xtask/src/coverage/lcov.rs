//! The part of the lcov format that coverage needs: how often each line and each branch was taken.

use std::collections::BTreeMap;
use std::path::Path;

/// What was measured of one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Measured {
    /// Executions by line number.
    pub(super) lines: BTreeMap<usize, u64>,
    /// Executions by line number and the branch's name in it: a condition has two.
    pub(super) branches: BTreeMap<(usize, String), u64>,
}

/// Reads the files below `root`; the keys are relative to it.
pub(super) fn parse(lcov: &str, root: &Path) -> BTreeMap<String, Measured> {
    let mut files = BTreeMap::<String, Measured>::new();
    let mut file = None;
    for line in lcov.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        if key == "SF" {
            let relative = Path::new(value).strip_prefix(root).ok();
            file = relative.map(|path| path.to_string_lossy().into_owned());
            continue;
        }
        let Some(file) = &file else { continue };
        let fields: Vec<&str> = value.split(',').collect();
        match (key, &fields[..]) {
            ("DA", [line, count, ..]) => {
                let measured = files.entry(file.clone()).or_default();
                *measured.lines.entry(number(line)).or_default() +=
                    count.parse::<u64>().unwrap_or(0);
            }
            ("BRDA", [line, block, branch, count]) => {
                let measured = files.entry(file.clone()).or_default();
                let branch = (number(line), format!("{block}.{branch}"));
                // `-` when the condition was never reached.
                *measured.branches.entry(branch).or_default() += count.parse::<u64>().unwrap_or(0);
            }
            _ => {}
        }
    }
    files
}

fn number(field: &str) -> usize {
    field.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_and_branches_of_our_files_only() {
        let lcov = "SF:/t/src/a.rs\nFN:1,f\nDA:1,3\nDA:2,0\nBRDA:2,0,0,-\nBRDA:2,0,1,4\n\
                    end_of_record\nSF:/other/b.rs\nDA:1,1\nend_of_record\n";
        let files = parse(lcov, Path::new("/t/src"));
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.rs"]);
        assert_eq!(files["a.rs"].lines, BTreeMap::from([(1, 3), (2, 0)]));
        let branches = [((2, "0.0".to_owned()), 0), ((2, "0.1".to_owned()), 4)];
        assert_eq!(files["a.rs"].branches, BTreeMap::from(branches));
    }
}
