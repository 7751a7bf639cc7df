//! REST API, live stream and the web console
