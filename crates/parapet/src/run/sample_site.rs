//! A small site for `--demo`: something to protect on a machine that has nothing yet.

use axum::Router;
use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, Method};
use axum::response::Html;
use axum::routing::{any, get};
use std::future::Future;
use std::net::SocketAddr;
use tokio::net::TcpListener;

const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sample shop</title>\
<style>body{font:16px/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem}</style>\
<h1>Sample shop</h1><p>This page stands behind Parapet. Search for something harmless, then for an attack.</p>\
<form action=\"/search\"><label>Search <input name=\"q\" autofocus></label> <button>Go</button></form></html>";

/// A sample site that listens but does not answer yet.
pub struct SampleSite {
    listener: TcpListener,
    address: SocketAddr,
}

impl SampleSite {
    /// Listens on a free port of this machine.
    pub async fn bind() -> std::io::Result<SampleSite> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(SampleSite { listener, address })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is done.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
        let site = Router::new()
            .route("/", get(Html(PAGE)))
            .route("/search", get(search))
            .route("/echo", any(echo))
            .fallback(|| async { Html("<!doctype html><title>Sample shop</title><p>Nothing here.") });
        axum::serve(self.listener, site).with_graceful_shutdown(stop).await
    }
}

async fn search(RawQuery(query): RawQuery) -> Html<String> {
    let length = query.unwrap_or_default().len();
    Html(format!("<!doctype html><title>Sample shop</title><p>No product matches your {length} bytes of query."))
}

/// Says what arrived, so that a person can see what the gateway passes on.
async fn echo(method: Method, headers: HeaderMap, body: Bytes) -> String {
    let mut text = format!("{method} with {} bytes of body\n", body.len());
    for (name, value) in &headers {
        text.push_str(&format!("{name}: {}\n", value.to_str().unwrap_or("(not text)")));
    }
    text
}
