//! An Apache Kafka broker that is its own controller (KRaft), run from its Maven artifacts.

use crate::certificates::Certificates;
use crate::process::Process;
use crate::{free_port, installed, skip};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// User that the SASL listener knows, with SCRAM-SHA-256 and SCRAM-SHA-512.
pub const SCRAM_USER: &str = "parapet";
/// Password of [`SCRAM_USER`].
pub const SCRAM_PASSWORD: &str = "correct-horse";

/// Little memory, and no optimising compiler: a broker that lives for a minute would not earn it back.
const VIRTUAL_MACHINE: [&str; 3] = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
const LOGGING: &str = "status=error\nappender.out.type=Console\nappender.out.name=out\n\
    appender.out.layout.type=PatternLayout\nappender.out.layout.pattern=%d %p %m (%c)%n\n\
    rootLogger.level=INFO\nrootLogger.appenderRef.out.ref=out\n";

/// A broker with a plain listener, one with SASL over TLS and one that asks for a client certificate.
/// Topics are not created by themselves.
#[derive(Debug)]
pub struct Kafka {
    process: Process,
    plain: u16,
    sasl: u16,
    mutual: u16,
    certificates: Certificates,
}

impl Kafka {
    /// Starts a broker and waits until it serves.
    pub fn start(test: &str) -> Option<Kafka> {
        let Some(classes) = classes() else {
            skip(test, "Kafka is not in .build/kafka (run setup/install test)");
            return None;
        };
        if !installed("java") {
            skip(test, "java is not installed");
            return None;
        }
        Some(Kafka::launch(&classes))
    }

    fn launch(classes: &str) -> Kafka {
        let directory = Process::directory("kafka");
        let certificates = Certificates::make(&directory);
        let [plain, sasl, mutual, controller] = [(); 4].map(|()| free_port());
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text).expect("the directory can be written");
            path
        };
        write("keystore.pem", &(read(&certificates.server_key) + &read(&certificates.server)));
        let properties = write("server.properties", &properties(&directory, plain, sasl, mutual, controller));
        let logging = format!("-Dlog4j2.configurationFile={}", write("log4j2.properties", LOGGING).display());
        let [heap, collector, compiler] = VIRTUAL_MACHINE;
        let java = ["java", heap, collector, compiler, &logging, "-cp", classes];
        format_storage(&java, &properties);
        let mut command: Vec<_> = java.map(str::to_owned).into();
        command.extend(["kafka.Kafka".to_owned(), properties.display().to_string()]);
        let process = Process::start(&directory, command, "Kafka Server started");
        Kafka { process, plain, sasl, mutual, certificates }
    }

    /// Address of the plain listener.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.plain)
    }

    /// Address of the listener that wants SASL (SCRAM) over TLS.
    pub fn sasl_address(&self) -> String {
        format!("127.0.0.1:{}", self.sasl)
    }

    /// Address of the listener that wants a client certificate.
    pub fn mutual_tls_address(&self) -> String {
        format!("127.0.0.1:{}", self.mutual)
    }

    /// What clients need for TLS.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same ports with what it had.
    pub fn restart(&mut self) {
        self.process.restart();
    }
}

/// The class path of the broker, where `setup/install` put it. The checkout is looked for from the working
/// directory upwards: binaries of a shared build cache may have been built in another.
fn classes() -> Option<String> {
    let here = std::env::current_dir().ok()?;
    let directory = here.ancestors().map(|directory| directory.join(".build/kafka")).find(|kafka| kafka.is_dir())?;
    Some(directory.join("*").display().to_string())
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a file that was just made can be read")
}

fn properties(directory: &Path, plain: u16, sasl: u16, mutual: u16, controller: u16) -> String {
    let directory = directory.display();
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    let public = format!("PLAIN://127.0.0.1:{plain},SASL://127.0.0.1:{sasl},MUTUAL://127.0.0.1:{mutual}");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners={public},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={public}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,SASL:SASL_SSL,MUTUAL:SSL
inter.broker.listener.name=PLAIN
log.dirs={directory}/data
log.retention.check.interval.ms=2000
log.segment.delete.delay.ms=0
log.initial.task.delay.ms=500
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.scram-sha-256.sasl.jaas.config={scram}
listener.name.sasl.scram-sha-512.sasl.jaas.config={scram}
ssl.keystore.type=PEM
ssl.keystore.location={directory}/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location={directory}/ca.pem
listener.name.mutual.ssl.client.auth=required
"
    )
}

/// Prepares the data directory, with the user of the SASL listener in it.
fn format_storage(java: &[&str], properties: &Path) {
    let users = ["SCRAM-SHA-256", "SCRAM-SHA-512"]
        .map(|mechanism| format!("--add-scram={mechanism}=[name={SCRAM_USER},password={SCRAM_PASSWORD}]"));
    let output = Command::new(java[0])
        .args(&java[1..])
        .args(["kafka.tools.StorageTool", "format", "--cluster-id", "cGFyYXBldC10ZXN0cy0tMQ", "--config"])
        .arg(properties)
        .args(users)
        .stdin(Stdio::null())
        .output()
        .expect("java can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "formatting: {}{}", text(&output.stdout), text(&output.stderr));
}
