//! What a person sees when Parapet has started.

use parapet_identity::GeneratedCredential;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;

/// What there is to say.
pub struct Banner<'a> {
    /// Where the gateway listens.
    pub gateway: &'a [SocketAddr],
    /// Where the console listens.
    pub console: SocketAddr,
    /// Rules in force and their policy hash, if there is a gateway.
    pub rules: Option<(usize, &'a str)>,
    /// Names of the sources.
    pub sources: Vec<&'a str>,
    /// Only on the first start.
    pub credential: Option<&'a GeneratedCredential>,
}

impl Banner<'_> {
    /// Prints to standard output.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        let (bold, plain) = if out.is_terminal() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        writeln!(out, "\n{bold}Parapet {} is running{plain}", env!("CARGO_PKG_VERSION"))?;
        for address in self.gateway {
            writeln!(out, "  Protected site   http://{address}/")?;
        }
        writeln!(out, "  Console          http://{}/", self.console)?;
        match self.credential {
            Some(credential) => {
                let (user, password) = (&credential.username, credential.password.expose());
                writeln!(
                    out,
                    "  First login      {bold}{user}{plain} / {bold}{password}{plain}   (shown only this once)"
                )?;
            }
            None => writeln!(out, "  Login            forgotten? `parapet user reset-password admin`")?,
        }
        if let Some((count, policy)) = self.rules {
            writeln!(out, "  Rules            {count} (policy {policy})")?;
        }
        if !self.sources.is_empty() {
            writeln!(out, "  Sources          {}", self.sources.join(", "))?;
        }
        if let Some(address) = self.gateway.first() {
            writeln!(out, "  Try an attack    curl -i 'http://{address}/search?q=<script>alert(1)</script>'")?;
        }
        writeln!(out, "  Stop with Ctrl-C\n")?;
        out.flush()
    }
}
