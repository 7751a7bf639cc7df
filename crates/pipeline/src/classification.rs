//! The classification in force: the settings, and the operator's script where there is one.
//!
//! A changed script is taken up within a second, without a restart. One that does not compile, or
//! whose globals are wrong, changes nothing: the earlier version stays in force, and what is wrong with
//! the new one shows in the health of the process until it is right.
//!
//! Every lane of the router has an interpreter of its own ([`Judge`]), so that lanes never wait for
//! each other.

use crate::classify::{Classifier, Config, Explanation, Step, Verdict};
use crate::classify_script::{Decision, Seated};
use crate::health::Health;
use crate::severity;
use parapet_event::{SecurityEvent, TrackReason};
use parapet_script::Script;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// How often the script's file is looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// Name of the reader of the script among the stages that have problems.
const STAGE: &str = "classification";

/// What is wrong with a script; each message names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ScriptError(pub Vec<String>);

/// The classification in force, shared by all lanes.
pub struct Classification {
    config: Config,
    severity: severity::Config,
    current: Mutex<Arc<Version>>,
}

/// One version of it.
struct Version {
    classifier: Classifier,
    script: Option<Script>,
    /// Of the script's file.
    modified: Option<SystemTime>,
}

impl Classification {
    /// Reads and checks the script, if one is configured.
    ///
    /// # Errors
    /// Everything that is wrong with the script, with file and line.
    pub fn open(config: Config, severity: severity::Config) -> Result<Arc<Classification>, ScriptError> {
        let version = Version::read(&config, &severity)?;
        Ok(Arc::new(Classification { config, severity, current: Mutex::new(Arc::new(version)) }))
    }

    /// Somewhere to classify from; one for each task.
    pub fn judge(self: &Arc<Classification>) -> Judge {
        let version = self.current();
        Judge { script: version.seated(), version, shared: self.clone() }
    }

    /// Takes up changes of the script until cancelled.
    pub(crate) async fn watch(self: Arc<Classification>, health: Arc<Health>, stop: CancellationToken) {
        let Some(path) = self.config.script.clone() else { return };
        let mut seen = self.current().modified;
        loop {
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = stop.cancelled() => return,
            }
            let found = modified(&path);
            if found != seen {
                seen = found;
                self.reload(&path, &health);
            }
        }
    }

    fn reload(&self, path: &Path, health: &Health) {
        match Version::read(&self.config, &self.severity) {
            Ok(version) => {
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(version);
                health.works(STAGE);
                tracing::info!(script = %path.display(), "the classification script was changed; it is in force");
            }
            Err(error) => {
                tracing::error!(%error, "the changed classification script is wrong; the earlier one stays in force");
                health.fails(STAGE, format!("the earlier script stays in force: {error}"));
            }
        }
    }

    fn current(&self) -> Arc<Version> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Version {
    fn read(config: &Config, severity: &severity::Config) -> Result<Version, ScriptError> {
        let Some(path) = &config.script else {
            let classifier = Classifier::new(config.clone(), severity.clone());
            return Ok(Version { classifier, script: None, modified: None });
        };
        let modified = modified(path);
        let one = |message: String| ScriptError(vec![message]);
        let source = std::fs::read(path).map_err(|error| one(format!("{} cannot be read: {error}", path.display())))?;
        let script = Script::compile(&name(path), &source).map_err(|error| one(error.to_string()))?;
        let settings = Seated::new(&script).map_err(one)?.settings(config.clone()).map_err(ScriptError)?;
        let classifier = Classifier::new(settings, severity.clone());
        Ok(Version { classifier, script: Some(script), modified })
    }

    fn seated(&self) -> Option<Seated> {
        // It ran before, in the check; memory that ran out since is no reason to stop classifying.
        self.script.as_ref().and_then(|script| Seated::new(script).map_err(|error| report(&error)).ok())
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

fn report(error: &str) {
    metrics::counter!("parapet_classification_script_failures_total").increment(1);
    tracing::warn!(error, "the classification script failed; the rules decided");
}

/// Where one task classifies, with an interpreter of its own.
pub struct Judge {
    shared: Arc<Classification>,
    version: Arc<Version>,
    script: Option<Seated>,
}

impl Judge {
    /// Takes up a version that came into force since. To be called between batches, so that all
    /// events of a batch are judged alike.
    pub fn refresh(&mut self) {
        let current = self.shared.current();
        if !Arc::ptr_eq(&current, &self.version) {
            self.script = current.seated();
            self.version = current;
        }
    }

    /// Severity and track of an event.
    pub fn classify(&mut self, event: &SecurityEvent) -> Verdict {
        let verdict = self.version.classifier.classify(event);
        match self.decide(event) {
            Ok(Some(decision)) => decided(verdict, decision),
            Ok(None) => verdict,
            Err(error) => {
                report(&error);
                verdict
            }
        }
    }

    /// The same, with what the script and each rule found.
    pub fn explain(&mut self, event: &SecurityEvent) -> Explanation {
        let mut explanation = self.version.classifier.explain(event);
        if self.script.is_none() {
            return explanation;
        }
        let (decision, detail) = match self.decide(event) {
            Ok(Some(decision)) => (Some(decision.clone()), decision.reason),
            Ok(None) => (None, "leaves it to the rules".to_owned()),
            Err(error) => (None, format!("failed, so the rules decide: {error}")),
        };
        let track = decision.as_ref().map_or(explanation.verdict.track, |decision| decision.track);
        let mut step = Step::new("script".to_owned(), track, decision.is_some(), detail);
        if let Some(decision) = decision {
            explanation.steps.iter_mut().for_each(|step| step.decides = false);
            step.decides = true;
            explanation.verdict = decided(explanation.verdict, decision);
        }
        explanation.steps.insert(0, step);
        explanation
    }

    fn decide(&mut self, event: &SecurityEvent) -> Result<Option<Decision>, String> {
        self.script.as_mut().map_or(Ok(None), |script| script.decide(event))
    }
}

fn decided(verdict: Verdict, decision: Decision) -> Verdict {
    Verdict {
        severity: decision.severity.unwrap_or(verdict.severity),
        track: decision.track,
        reason: TrackReason::Script(decision.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use parapet_event::Track;

    fn open(script: &Path) -> Result<Arc<Classification>, ScriptError> {
        let config = Config { script: Some(script.to_owned()), ..Config::default() };
        Classification::open(config, severity::Config::default())
    }

    /// Writes with a time of its own: two writes within the clock's tick would look like one.
    fn write(path: &Path, text: &str, second: u64) {
        std::fs::write(path, text).unwrap();
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + second)).unwrap();
    }

    #[tokio::test]
    async fn a_changed_script_is_taken_up_and_a_broken_one_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("classify.lua");
        write(&path, "anomaly_threshold = 7", 1);
        let classification = open(&path).unwrap();
        let (health, stop) = (Arc::new(Health::default()), CancellationToken::new());
        let watching = tokio::spawn(classification.clone().watch(health.clone(), stop.clone()));
        let mut judge = classification.judge();
        let mut event = example::event(1);
        (event.findings, event.inbound_score) = (Vec::new(), 7);
        assert_eq!(judge.classify(&event).reason, TrackReason::AnomalyScore(7));

        write(&path, "function classify(", 2);
        eventually(|| !health.problems().is_empty()).await;
        assert!(health.problems()[0].contains("classify.lua:1"), "{:?}", health.problems());
        judge.refresh();
        assert_eq!(judge.classify(&event).reason, TrackReason::AnomalyScore(7));

        write(&path, "function classify(event) return {track = \"analytics\", reason = \"quiet\"} end", 3);
        eventually(|| health.problems().is_empty()).await;
        assert_eq!(judge.classify(&event).track, Track::RealTime, "not within a batch");
        judge.refresh();
        let verdict = judge.classify(&event);
        assert_eq!((verdict.track, verdict.reason), (Track::Analytics, TrackReason::Script("quiet".into())));
        stop.cancel();
        watching.await.unwrap();
    }

    async fn eventually(holds: impl Fn() -> bool) {
        for _ in 0..200 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never happened");
    }

    #[test]
    fn a_script_that_is_missing_or_wrong_stops_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("classify.lua");
        assert!(open(&path).err().unwrap().to_string().contains("cannot be read"));
        write(&path, "critical_rules = 1\nscanner_rules = 2", 1);
        assert_eq!(open(&path).err().unwrap().0.len(), 2);
    }

    #[test]
    fn a_script_that_fails_leaves_the_decision_to_the_rules() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("classify.lua");
        write(&path, "function classify(event) error(\"no\") end", 1);
        let mut judge = open(&path).unwrap().judge();
        let event = example::event(1);
        let expected = Classifier::new(Config::default(), severity::Config::default()).classify(&event);
        assert_eq!(judge.classify(&event), expected);
        let explanation = judge.explain(&event);
        assert_eq!((explanation.verdict, explanation.steps[0].applies), (expected, false));
        assert!(explanation.steps[0].detail.contains("no"), "{}", explanation.steps[0].detail);
        assert_eq!(explanation.steps.iter().filter(|step| step.decides).count(), 1);
    }
}
