//! The shortest use of the engine: one rule, one request, one verdict.
//!
//! `cargo run -p parapet-engine --example verdict -- '/?q=%3CSCRIPT%3E'`

use parapet_engine::{Context, Policy, Transaction};

const RULES: &[u8] = br#"SecRuleEngine On
SecRule ARGS "@contains <script" "id:1,phase:1,deny,status:403,t:lowercase,msg:'XSS'""#;

#[allow(clippy::print_stdout, reason = "printing is what the example is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args().nth(1).ok_or("usage: verdict REQUEST-TARGET")?;
    let policy = Policy::from_text("example.conf", RULES)?;
    let mut transaction = Transaction::new(policy.into(), Context::default());
    transaction.request_line(b"GET", target.as_bytes(), b"HTTP/1.1");
    match transaction.process_request_headers() {
        Some(stop) => println!("{} by rule {}: {}", stop.status, stop.rule_id, stop.message),
        None => println!("passed"),
    }
    Ok(())
}
