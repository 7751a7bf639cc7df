//! The console in a real browser: log in, see a blocked request appear live. The walk itself is
//! `web/e2e/console.mjs`; pictures land in `tests/artifacts`.

use parapet_scenarios::product::{Product, rule_set};
use parapet_scenarios::{artifacts, root, skip};
use std::path::PathBuf;
use std::process::Command;

fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("PARAPET_CHROMIUM").map(PathBuf::from);
    named.into_iter().chain(["/usr/bin/chromium".into()]).find(|path| path.is_file())
}

#[test]
fn an_analyst_logs_in_and_sees_a_blocked_request_appear_live() {
    let test = "an_analyst_logs_in_and_sees_a_blocked_request_appear_live";
    let Some(chromium) = chromium() else {
        return skip(test, "no Chromium (install it, or name it in PARAPET_CHROMIUM)");
    };
    if !root().join("web/node_modules").is_dir() || !root().join("web/dist/index.html").is_file() {
        return skip(test, "the web console is not built (run `make web`)");
    }
    if rule_set().is_none() {
        return skip(test, "no rule set");
    }
    let product = Product::start("");
    let output = Command::new("node")
        .arg("e2e/console.mjs")
        .current_dir(root().join("web"))
        .env("PARAPET_CONSOLE_URL", format!("http://{}", product.console))
        .env("PARAPET_GATEWAY_URL", format!("http://{}", product.gateway))
        .env("PARAPET_USER", &product.login.0)
        .env("PARAPET_PASSWORD", &product.login.1)
        .env("PARAPET_ARTIFACTS", artifacts())
        .env("PARAPET_CHROMIUM", chromium)
        .output()
        .expect("node runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}
