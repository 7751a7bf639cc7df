//! The pipeline as a whole, on real journals: order, no loss, no blocking, and an account that adds up.

mod alerting;
mod faults;
mod restart;
mod scene;
mod seams;
mod spool;
mod story;
