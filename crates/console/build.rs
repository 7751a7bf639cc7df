//! Makes sure that the folder of the built web UI exists, so that the console compiles without it;
//! the server then answers with a page that says how to build it.

use std::path::Path;

fn main() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist");
    // Where the source tree is read-only the folder may stay missing: embedding allows for that.
    let _ = std::fs::create_dir_all(&dist);
    println!("cargo::rerun-if-changed=../../web/dist");
    println!("cargo::rerun-if-changed=build.rs");
}
