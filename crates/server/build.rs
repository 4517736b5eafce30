//! Lists the files of the console, so that the server carries whatever lies in their folder.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("console");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        if let Some(name) = name.filter(|name| path.is_file() && !name.starts_with('.')) {
            let path = path.to_str().ok_or("the crate's folder has a name that is no UTF-8")?;
            files.push(format!("    ({name:?}, include_bytes!({path:?})),\n"));
        }
    }
    files.sort();
    let list = format!("const CONSOLE: &[(&str, &[u8])] = &[\n{}];\n", files.concat());
    fs::write(Path::new(&env::var("OUT_DIR")?).join("console.rs"), list)?;
    Ok(())
}
