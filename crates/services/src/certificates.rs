//! A certificate authority with one server and one client, made by `openssl` for one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Paths of PEM files. The server's certificate is for 127.0.0.1 and localhost.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// Certificate of the authority.
    pub ca: PathBuf,
    /// Certificate of the server.
    pub server: PathBuf,
    /// Its private key (PKCS#8).
    pub server_key: PathBuf,
    /// Certificate of the client.
    pub client: PathBuf,
    /// Its private key (PKCS#8).
    pub client_key: PathBuf,
}

impl Certificates {
    /// Makes them in the directory.
    ///
    /// # Panics
    /// If `openssl` fails.
    pub fn make(directory: &Path) -> Certificates {
        let path = |name: &str| directory.join(name);
        let authority = "-x509 -days 2 -subj /CN=parapet-test-authority -addext keyUsage=keyCertSign";
        openssl(directory, &format!("req {authority} {KEY} -keyout ca.key -out ca.pem"));
        for (name, extensions) in [
            ("server", "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n"),
            ("client", "extendedKeyUsage=clientAuth\n"),
        ] {
            fs::write(path("extensions"), extensions).expect("the directory can be written");
            openssl(directory, &format!("req -subj /CN={name} {KEY} -keyout {name}.key -out {name}.csr"));
            let signed = format!("-in {name}.csr -out {name}.pem -CA ca.pem -CAkey ca.key -CAcreateserial");
            openssl(directory, &format!("x509 -req -days 2 -extfile extensions {signed}"));
        }
        Certificates {
            ca: path("ca.pem"),
            server: path("server.pem"),
            server_key: path("server.key"),
            client: path("client.pem"),
            client_key: path("client.key"),
        }
    }
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .expect("openssl can be started");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
