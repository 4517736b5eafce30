//! The data folder: may it be written, on which disk is it, how fast does that keep its word.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use tempfile::NamedTempFile;

use super::Finding;

/// What is to be said of the data folder, and of the clock as its files see it.
pub(super) fn look(data: &Path) -> Vec<Finding> {
    let (folder, made) = match existing(data) {
        Ok(found) => found,
        Err(error) => {
            return vec![Finding::error(
                "data",
                format!("{}: {error}; name another folder by `data`", data.display()),
            )];
        }
    };
    let mut file = match NamedTempFile::new_in(&folder) {
        Ok(file) => file,
        Err(error) => {
            return vec![Finding::error(
                "data",
                format!(
                    "{} cannot be written: {error}; make it belong to the user that runs the server, \
                     or name another by `data`",
                    folder.display()
                ),
            )];
        }
    };
    let mut findings = vec![place(data, &folder, made)];
    findings.push(match synced(&mut file) {
        Ok(times) => speed(&times),
        Err(error) => Finding::error(
            "fsync",
            format!(
                "the disk does not keep what is written: {error}; durable channels cannot be served \
                 from it"
            ),
        ),
    });
    drop(file);
    if let Some(finding) = from_the_future(data) {
        findings.push(finding);
    }
    findings
}

/// The folder, or the nearest above it that is there, and whether it is the folder itself.
fn existing(data: &Path) -> io::Result<(PathBuf, bool)> {
    let data = std::path::absolute(data)?;
    for folder in data.ancestors() {
        match fs::metadata(folder) {
            Ok(found) if found.is_dir() => return Ok((folder.to_owned(), folder == data)),
            Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn place(data: &Path, folder: &Path, made: bool) -> Finding {
    let mut text = data.display().to_string();
    if !made {
        text += " (made at the first start)";
    }
    let Some(disk) = Disk::of(folder) else { return Finding::ok("data", text) };
    let _ = write!(text, " on {} ({})", disk.kind, disk.source);
    if let Some(free) = disk.free {
        let _ = write!(text, ", {:.1} GiB free", gibibytes(free));
    }
    if VOLATILE.contains(&disk.kind.as_str()) {
        return Finding::warning(
            "data",
            format!(
                "{text}: it is gone when the machine restarts; name a folder on a disk by `data`"
            ),
        );
    }
    if NETWORK.iter().any(|kind| disk.kind.starts_with(kind)) {
        return Finding::warning(
            "data",
            format!("{text}: the log wants a disk of this machine; name a folder on one by `data`"),
        );
    }
    match disk.free {
        Some(free) if free < FREE_MIN => Finding::warning(
            "data",
            format!("{text}: durable channels refuse what no longer fits; make room"),
        ),
        _ => Finding::ok("data", text),
    }
}

/// How long each of some small appends took until it was on disk, sorted.
fn synced(file: &mut NamedTempFile) -> io::Result<Vec<Duration>> {
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < SYNCS_MAX && (times.is_empty() || start.elapsed() < SYNCING_MAX) {
        file.write_all(&[0x5a; SYNC_LEN])?;
        let begun = Instant::now();
        file.as_file().sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn speed(times: &[Duration]) -> Finding {
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    let (median, worst) = (at(50), at(100));
    let text = format!("{median:.2?} at the median, {worst:.2?} at worst, of {}", times.len());
    if median > SLOW {
        return Finding::warning(
            "fsync",
            format!("{text}: every durable publication waits for one; use a faster disk"),
        );
    }
    if median < IMPLAUSIBLE {
        return Finding::warning(
            "fsync",
            format!("{text}: no disk is that fast, so a power cut may take what was acknowledged"),
        );
    }
    Finding::ok("fsync", text)
}

/// Files of the folder that are newer than now: the clock was set back, or is wrong.
fn from_the_future(data: &Path) -> Option<Finding> {
    let newest = fs::read_dir(data)
        .ok()?
        .filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok())
        .max()?;
    let ahead = newest.duration_since(SystemTime::now()).ok().filter(|ahead| *ahead > SKEW_MAX)?;
    Some(Finding::warning(
        "clock",
        format!(
            "the data folder was written {:.0?} from now: the clock went back, and times of records \
             with it; let the system's clock be kept by NTP",
            Duration::from_secs(ahead.as_secs())
        ),
    ))
}

#[allow(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
fn gibibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1_u32 << 30)
}

/// The file system that a folder is on.
struct Disk {
    kind: String,
    source: String,
    free: Option<u64>,
}

impl Disk {
    #[cfg(target_os = "linux")]
    fn of(folder: &Path) -> Option<Self> {
        let folder = folder.canonicalize().ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let (kind, source) = mounted(&mounts, &folder)?;
        let free = rustix::fs::statvfs(&folder).ok().map(|stat| stat.f_bavail * stat.f_frsize);
        Some(Self { kind, source, free })
    }

    /// Other systems do not tell.
    #[cfg(not(target_os = "linux"))]
    fn of(_folder: &Path) -> Option<Self> {
        None
    }
}

/// Kind and source of the mount that holds the folder, by the lines of `mountinfo`.
#[cfg(target_os = "linux")]
fn mounted(mounts: &str, folder: &Path) -> Option<(String, String)> {
    let mut found: Option<(PathBuf, String, String)> = None;
    for line in mounts.lines() {
        let (before, after) = line.split_once(" - ")?;
        let point = PathBuf::from(before.split(' ').nth(4)?.replace("\\040", " "));
        let mut after = after.split(' ');
        let (kind, source) = (after.next()?, after.next()?);
        // A later mount lies over an earlier one at the same place.
        let deeper = found.as_ref().is_none_or(|(held, _, _)| point.starts_with(held));
        if folder.starts_with(&point) && deeper {
            found = Some((point, kind.to_owned(), source.to_owned()));
        }
    }
    found.map(|(_, kind, source)| (kind, source))
}

const VOLATILE: &[&str] = &["tmpfs", "ramfs"];
const NETWORK: &[&str] = &["nfs", "cifs", "smb", "9p", "ceph", "fuse.sshfs"];

/// Below this a busy day may fill the disk.
const FREE_MIN: u64 = 1 << 30;

/// As much as a small batch of the log.
const SYNC_LEN: usize = 4096;
const SYNCS_MAX: usize = 100;
const SYNCING_MAX: Duration = Duration::from_secs(1);

/// Spinning disks are slower; the wait is then noticed by users.
const SLOW: Duration = Duration::from_millis(20);

/// The fastest disks with a power-loss protected cache need more.
const IMPLAUSIBLE: Duration = Duration::from_micros(5);

/// What two clocks may differ by.
const SKEW_MAX: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_deepest_and_latest_mount_holds_a_folder() {
        let mounts = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /run rw,nosuid - tmpfs tmpfs rw
31 22 8:1 / /srv rw - xfs /dev/sda1 rw
32 31 8:2 / /srv/my\\040data rw - btrfs /dev/sdb1 rw
33 22 8:3 / /srv rw - ext4 /dev/sdc1 rw
";
        for (folder, kind, source) in [
            ("/srv/my data/log", "btrfs", "/dev/sdb1"),
            ("/srv/mydata", "ext4", "/dev/sdc1"),
            ("/run/x", "tmpfs", "tmpfs"),
            ("/runner", "ext4", "/dev/vda"),
        ] {
            let found = mounted(mounts, Path::new(folder));
            assert_eq!(found, Some((kind.to_owned(), source.to_owned())), "{folder}");
        }
    }

    #[test]
    fn a_fsync_that_is_slow_or_too_fast_is_a_warning() {
        let of = |micros| speed(&[Duration::from_micros(micros); 10]).to_string();
        assert!(of(1_500).starts_with("ok"), "{}", of(1_500));
        assert!(of(30_000).contains("use a faster disk"), "{}", of(30_000));
        assert!(of(1).contains("power cut"), "{}", of(1));
    }

    #[test]
    fn the_probe_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let findings = look(&folder.path().join("not/there"));
        assert!(
            findings.iter().any(|finding| finding.to_string().contains("made at the first start"))
        );
        assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
        let file = folder.path().join("file");
        fs::write(&file, "").expect("it is writable");
        let finding = look(&file).remove(0).to_string();
        assert!(finding.starts_with("error") && finding.contains("name another"), "{finding}");
    }
}
