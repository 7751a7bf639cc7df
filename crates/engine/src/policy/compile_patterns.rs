//! Regular expressions of rules, compiled on all processors.
//!
//! Compiling them, and reading off what they need, takes most of the time that loading rules takes.

use std::collections::{HashMap, HashSet};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parapet_seclang::ast::OperatorKind;

use super::compile::{CompiledPattern, Compiler, Draft};
use crate::operators::{Operator, Rx};
use crate::prefilter::Need;

/// Threads that compile patterns at most.
const MOST_THREADS: usize = 8;
/// Fewer patterns than this are compiled as they are met.
const WORTH_THREADS: usize = 16;

impl Compiler<'_> {
    /// Compiles the patterns of all rules, if they are many. Whoever asks for one later gets it, or the
    /// reason why it cannot be compiled.
    pub(super) fn compile_patterns(&mut self, drafts: &[Draft]) {
        let operators = drafts.iter().flat_map(|draft| &draft.rule.links).map(|link| &link.operator);
        let is_pattern = |kind| matches!(kind, OperatorKind::Rx | OperatorKind::RxGlobal);
        // A pattern with macros is compiled when they are known.
        let has_macros = |text: &[u8]| text.windows(2).any(|pair| pair == b"%{");
        let texts = operators.filter(|operator| is_pattern(operator.kind) && !has_macros(&operator.argument));
        let distinct: HashSet<&[u8]> = texts.map(|operator| operator.argument.as_slice()).collect();
        let mut texts: Vec<&[u8]> = distinct.into_iter().collect();
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
        if threads == 1 || texts.len() < WORTH_THREADS {
            return;
        }
        // Long ones first, so that the threads end at about the same time.
        texts.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
        self.patterns.extend(compile_all(&texts, threads, self.pcre_match_limit));
    }

    /// A compiled pattern.
    pub(super) fn pattern(&mut self, text: &[u8]) -> CompiledPattern {
        if let Some(known) = self.patterns.get(text) {
            return known.clone();
        }
        let compiled = compile(text, self.pcre_match_limit);
        self.patterns.insert(text.to_vec(), compiled.clone());
        compiled
    }
}

/// Compiles patterns on some threads, each of which takes the next one that is left.
fn compile_all(texts: &[&[u8]], threads: usize, match_limit: Option<u32>) -> HashMap<Vec<u8>, CompiledPattern> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(text) = texts.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((text.to_vec(), compile(text, match_limit)));
        }
        done
    };
    thread::scope(|scope| {
        let others: Vec<_> =
            (1..threads).filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
        let own = work();
        // What a thread that failed has taken is compiled when it is asked for.
        own.into_iter().chain(others.into_iter().filter_map(|thread| thread.join().ok()).flatten()).collect()
    })
}

fn compile(text: &[u8], match_limit: Option<u32>) -> CompiledPattern {
    let (rx, hir) = Rx::compile_parsed(text, match_limit)?;
    let operator = Operator::Rx(Arc::new(rx));
    let need = Need::of(&operator, Some(text), hir.as_ref());
    match operator {
        Operator::Rx(rx) => Ok((rx, need)),
        _ => unreachable!("just made"),
    }
}
