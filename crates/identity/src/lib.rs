//! Users, sessions, audit trail and the control database
