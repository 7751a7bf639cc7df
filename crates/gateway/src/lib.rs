//! The reverse proxy in front of the protected applications
