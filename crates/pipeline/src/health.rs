//! What is wrong right now, in words for `/readyz` and for the operator.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Current problems, one per stage at most.
#[derive(Default)]
pub struct Health {
    problems: Mutex<BTreeMap<String, String>>,
}

impl Health {
    /// All current problems; empty when every stage works.
    pub fn problems(&self) -> Vec<String> {
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        problems.iter().map(|(stage, problem)| format!("{stage}: {problem}")).collect()
    }

    /// Notes a problem; returns `true` if the stage had none before.
    pub(crate) fn fails(&self, stage: &str, problem: String) -> bool {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).insert(stage.to_owned(), problem).is_none()
    }

    /// The stage works again; returns `true` if it had a problem.
    pub(crate) fn works(&self, stage: &str) -> bool {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).remove(stage).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_until_the_stage_works_again() {
        let health = Health::default();
        assert!(health.fails("analytics", "store lakehouse is away".into()));
        assert!(!health.fails("analytics", "store lakehouse is still away".into()));
        assert_eq!(health.problems(), ["analytics: store lakehouse is still away"]);
        assert!(health.works("analytics"));
        assert!(!health.works("analytics"));
        assert!(health.problems().is_empty());
    }
}
