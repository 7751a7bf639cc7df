//! Runs rule-set regression suites against the engine in process
