//! The transactions of `bench/engine` under criterion: medians with confidence intervals, compared with
//! the run before. `cargo bench -p parapet-conformance --bench transactions`.
//!
//! The rules are those of `PARAPET_CRS`, or of `PARAPET_TEST_DATA`/crs.

#![allow(clippy::print_stderr, reason = "says what it skips")]

mod transaction;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use parapet_conformance::{Mode, rule_set};
use parapet_engine::Policy;
use transaction::{REQUESTS, Request, transact};

fn run(policy: &Arc<Policy>, request: &Request) -> (u16, usize) {
    let outcome = transact(policy, request);
    (outcome.status, outcome.working_bytes)
}

fn transactions(criterion: &mut Criterion) {
    let given = std::env::var_os("PARAPET_CRS").map(PathBuf::from);
    let Some(rules) = given.or_else(|| Some(PathBuf::from(std::env::var_os("PARAPET_TEST_DATA")?).join("crs"))) else {
        eprintln!("SKIPPED transactions: neither PARAPET_CRS nor PARAPET_TEST_DATA is set");
        return;
    };
    let requests = Path::new("../../bench/requests");
    for paranoia in [1, 4] {
        let policy = match rule_set(&rules, Mode::Blocking(paranoia)) {
            Ok(rule_set) => rule_set.policy,
            Err(error) => return eprintln!("SKIPPED transactions: {}: {error}", rules.display()),
        };
        let mut group = criterion.benchmark_group(format!("paranoia {paranoia}"));
        for (name, file) in REQUESTS {
            match Request::read(&requests.join(file)) {
                Ok(request) => {
                    group.bench_function(name, |bencher| bencher.iter(|| run(&policy, &request)));
                    if name == "get" {
                        let mut number = 0;
                        let mut next = || {
                            number += 1;
                            request.varied(number)
                        };
                        group.bench_function("get varied", |bencher| {
                            bencher.iter_batched(&mut next, |request| run(&policy, &request), BatchSize::SmallInput);
                        });
                    }
                }
                Err(error) => return eprintln!("SKIPPED transactions: {error}"),
            }
        }
    }
}

criterion_group!(benches, transactions);
criterion_main!(benches);
