//! Everything that runs against a whole journal or lakehouse, in one binary.

mod journal;
mod killed;
mod lakehouse;
