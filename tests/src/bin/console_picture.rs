//! Takes the picture of the console that the README shows: `cargo run -p longwire-tests --bin console_picture`.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use longwire_tests::console::Console;

/// More bytes than a front page should make its readers load.
const MAX_SIZE: u64 = 300 * 1024;

fn main() -> Result<()> {
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/console.png");
    Console::start()?.run("picture", Some(&picture))?;
    let size = fs::metadata(&picture)?.len();
    ensure!(size <= MAX_SIZE, "{} has {size} bytes, at most {MAX_SIZE}", picture.display());
    println!("docs/console.png: {size} bytes");
    Ok(())
}
