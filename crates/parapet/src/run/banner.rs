//! What a person sees when Parapet has started.

use super::roles::Roles;
use parapet_identity::GeneratedCredential;
use parapet_ports::node::Role;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;

/// What there is to say.
pub struct Banner<'a> {
    /// Roles of this process.
    pub roles: &'a Roles,
    /// Where the gateway listens.
    pub gateway: &'a [SocketAddr],
    /// Where the console listens, or the probes and peers of a process without one.
    pub listener: SocketAddr,
    /// Whether that speaks TLS.
    pub secure: bool,
    /// Rules in force and their policy hash, of a gateway.
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
        let is_console = self.roles.has(Role::Console);
        let (label, listener) = (if is_console { "Console" } else { "Health" }, self.listener);
        let scheme = if self.secure { "https" } else { "http" };
        writeln!(out, "  {label:<17}{scheme}://{listener}/{}", if is_console { "" } else { "readyz" })?;
        if *self.roles != Roles::default() {
            let names: Vec<_> = self.roles.list().iter().map(|role| role.as_str()).collect();
            writeln!(out, "  Roles            {}", names.join(", "))?;
        }
        match self.credential {
            Some(credential) => {
                let (user, password) = (&credential.username, credential.password.expose());
                writeln!(
                    out,
                    "  First login      {bold}{user}{plain} / {bold}{password}{plain}   (shown only this once)"
                )?;
            }
            None if is_console => writeln!(out, "  Login            forgotten? `parapet user reset-password admin`")?,
            None => {}
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
