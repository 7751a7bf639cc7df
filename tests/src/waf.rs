//! An existing WAF: nginx with libmodsecurity, as Debian ships them.

use crate::client;
use crate::product::free_port;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so";

/// Forms in which a server writes its audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditLog {
    /// `SecAuditLogFormat JSON`, one file.
    Json,
    /// The native form, one file.
    Native,
    /// JSON, a file per transaction and an index.
    Concurrent,
}

/// A running nginx with one server per form of audit log; stopped when it is dropped.
pub struct Nginx {
    /// Where its files are: `FORM.log`, `error.log`, `storage/`.
    pub directory: TempDir,
    servers: Vec<(AuditLog, SocketAddr)>,
    child: Child,
}

impl Nginx {
    /// Starts it; `None` if nginx or the module is not installed.
    pub fn start(forms: &[AuditLog]) -> Option<Nginx> {
        let installed = Path::new(MODULE).is_file() && Command::new("nginx").arg("-v").output().is_ok();
        if !installed {
            return None;
        }
        let directory = TempDir::new().expect("a temporary directory");
        // Workers run as another user when the tests run as root.
        let everyone = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o777);
        fs::set_permissions(directory.path(), everyone.clone()).expect("permissions can be set");
        fs::create_dir(directory.path().join("storage")).expect("a directory");
        fs::set_permissions(directory.path().join("storage"), everyone).expect("permissions can be set");
        fs::create_dir(directory.path().join("www")).expect("a directory");
        fs::write(directory.path().join("www/index.html"), "ok").expect("a page can be written");
        let servers: Vec<_> =
            forms.iter().map(|form| (*form, SocketAddr::from(([127, 0, 0, 1], free_port())))).collect();
        let place = directory.path().display();
        let mut config = format!(
            "load_module {MODULE};\npid {place}/pid;\nerror_log {place}/error.log error;\ndaemon off;\nworker_processes 2;\n\
             events {{ worker_connections 256; }}\nhttp {{ access_log off;\n"
        );
        for path in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            let _ = writeln!(config, "{path}_temp_path {place}/{path};");
        }
        for (form, address) in &servers {
            let rules = directory.path().join(format!("{form:?}.conf"));
            fs::write(&rules, audit_rules(*form, directory.path())).expect("the rules can be written");
            let _ = writeln!(
                config,
                "server {{ listen {address}; modsecurity on; modsecurity_rules_file {}; root {place}/www; location / {{ try_files /index.html =404; }} }}",
                rules.display()
            );
        }
        config.push_str("}\n");
        fs::write(directory.path().join("nginx.conf"), config).expect("the configuration can be written");
        let child = spawn(directory.path());
        let mut nginx = Nginx { directory, servers, child };
        nginx.wait_until_ready();
        Some(nginx)
    }

    /// Stops and starts it, which is how libmodsecurity opens its audit log anew.
    pub fn restart(&mut self) {
        self.signal("QUIT");
        self.child.wait().expect("nginx ends");
        self.child = spawn(self.directory.path());
        self.wait_until_ready();
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        for (_, address) in self.servers.clone() {
            while client::get(address, "/").is_err() {
                let ended = self.child.try_wait().expect("nginx can be asked");
                let said = || fs::read_to_string(self.directory.path().join("stderr")).unwrap_or_default();
                assert!(ended.is_none() && Instant::now() < deadline, "nginx does not answer: {}", said());
                sleep(Duration::from_millis(50));
            }
        }
    }

    /// One of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The audit log of a form.
    pub fn audit_log(&self, form: AuditLog) -> PathBuf {
        self.file(&format!("{form:?}.log"))
    }

    /// Sends an attack that is refused, with a mark in its target.
    pub fn attack(&self, form: AuditLog, mark: &str) {
        let (_, address) = self.servers.iter().find(|(known, _)| *known == form).expect("a server of that form");
        let target = format!("/search?mark={mark}&q=1%27%20UNION%20SELECT%20password%20FROM%20users--%20-");
        assert_eq!(client::get(*address, &target).expect("nginx answers").status, 403);
    }

    /// Tells it to open its own logs anew, as logrotate does.
    pub fn reopen(&self) {
        self.signal("USR1");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("kill runs").success());
    }
}

fn spawn(directory: &Path) -> Child {
    Command::new("nginx")
        .args(["-e", "stderr", "-p"])
        .arg(directory)
        .arg("-c")
        .arg(directory.join("nginx.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(directory.join("stderr")).expect("a file"))
        .spawn()
        .expect("nginx starts")
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.signal("TERM");
        // It may have ended already.
        let _ = self.child.wait();
    }
}

/// Rules as CRS has them, few enough to be loaded in no time.
fn audit_rules(form: AuditLog, directory: &Path) -> String {
    let place = directory.display();
    let log = match form {
        AuditLog::Json => "SecAuditLogType Serial\nSecAuditLogFormat JSON\n".to_owned(),
        AuditLog::Native => "SecAuditLogType Serial\n".to_owned(),
        AuditLog::Concurrent => {
            format!("SecAuditLogType Concurrent\nSecAuditLogFormat JSON\nSecAuditLogStorageDir {place}/storage/\n")
        }
    };
    format!(
        "SecRuleEngine On\nSecRequestBodyAccess On\nSecAuditEngine RelevantOnly\nSecAuditLogParts ABFHZ\n\
         SecAuditLogRelevantStatus \"^403\"\n{log}SecAuditLog {place}/{form:?}.log\n\
         SecAction \"id:900990,phase:1,pass,nolog,setvar:tx.anomaly_score=0\"\n\
         SecRule ARGS \"@detectSQLi\" \"id:942100,phase:2,pass,log,t:none,t:urlDecodeUni,\
         msg:'SQL Injection Attack Detected via libinjection',\
         logdata:'Matched Data: %{{TX.0}} found within %{{MATCHED_VAR_NAME}}: %{{MATCHED_VAR}}',capture,\
         tag:'attack-sqli',tag:'paranoia-level/1',ver:'OWASP_CRS/3.3.4',severity:'CRITICAL',setvar:tx.anomaly_score=+5\"\n\
         SecRule TX:ANOMALY_SCORE \"@ge 5\" \"id:949110,phase:2,deny,status:403,log,\
         msg:'Inbound Anomaly Score Exceeded (Total Score: %{{TX.ANOMALY_SCORE}})',tag:'attack-generic',severity:'CRITICAL'\"\n"
    )
}
