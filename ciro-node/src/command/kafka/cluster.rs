//! The files of a cluster: for each broker its settings (KRaft, TLS between all, SCRAM for
//! clients), and a script that makes users and gives rights.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use ciro_queue::kafka::Topics;
use ciro_sdk::network::read_settings;
use serde::Deserialize;

/// The file that is read, with its fields explained.
pub(super) const EXAMPLE: &str = include_str!("../../assets/cluster.toml");

/// What a cluster is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cluster {
    prefix: String,
    data: String,
    keystore: String,
    truststore: String,
    store_password_file: PathBuf,
    providers: Vec<u32>,
    brokers: Vec<Broker>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Broker {
    host: String,
    port: u16,
    quorum_port: u16,
}

/// Writes the files and says what is to be done with them.
pub(super) fn init(file: &Path, out: &Path) -> anyhow::Result<String> {
    let cluster: Cluster = read_settings(file)?;
    cluster.check()?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let secret = password(&folder.join(&cluster.store_password_file))?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot create `{}`", out.display()))?;
    ensure!(
        std::fs::read_dir(out)?.next().is_none(),
        "`{}` is not empty: a cluster is set up once",
        out.display()
    );
    let id = cluster_id()?;
    let mut users =
        vec![("node".to_owned(), new_password()?), ("admin".to_owned(), new_password()?)];
    for provider in &cluster.providers {
        users.push((format!("provider-{provider}"), new_password()?));
    }
    for (number, broker) in cluster.brokers.iter().enumerate() {
        let text = cluster.properties((number, broker), &secret);
        private(&out.join(format!("broker-{number}.properties")), &text)?;
    }
    for (name, password) in &users {
        private(&out.join(format!("{name}.password")), &format!("{password}\n"))?;
    }
    private(&out.join("admin.properties"), &cluster.admin(&users[1].1, &secret))?;
    private(&out.join("format.sh"), &format_script(&id, &users))?;
    private(&out.join("rights.sh"), &cluster.rights())?;
    Ok(format!(
        "cluster    {id}, {} brokers, {} users\nfiles      {}\n\
         next       on broker N: sh format.sh N; start it with broker-N.properties\n           \
         once: sh rights.sh BOOTSTRAP, then ciro-node kafka topics FOLDER",
        cluster.brokers.len(),
        users.len(),
        out.display(),
    ))
}

impl Cluster {
    fn check(&self) -> anyhow::Result<()> {
        let word = |text: &str| {
            !text.is_empty()
                && text.len() <= 255
                && text.chars().all(|it| it.is_ascii_alphanumeric() || "-_./:".contains(it))
        };
        let count = self.brokers.len();
        ensure!(
            count >= 3 && count % 2 == 1 && count <= 15,
            "`brokers` has {count}, expected 3, 5, ... 15: a majority must outlive a failure"
        );
        let prefix = self.prefix.chars().all(|it| it.is_ascii_alphanumeric() || "-_".contains(it));
        ensure!(!self.prefix.is_empty() && prefix, "`prefix` is `{}`", self.prefix);
        let paths = [&self.data, &self.keystore, &self.truststore];
        for text in paths.into_iter().chain(self.brokers.iter().map(|broker| &broker.host)) {
            ensure!(word(text), "`{text}` is no path or host: letters, digits, `-`, `_`, `.`, `/`");
        }
        let addresses: BTreeSet<_> = self.brokers.iter().map(|it| (&it.host, it.port)).collect();
        ensure!(addresses.len() == count, "two brokers have the same host and port");
        let ports = self.brokers.iter().find(|it| it.port == it.quorum_port || it.port == 0);
        if let Some(broker) = ports {
            bail!("`port` and `quorum_port` of `{}` must differ, and not be 0", broker.host);
        }
        let providers: BTreeSet<_> = self.providers.iter().collect();
        ensure!(providers.len() == self.providers.len(), "`providers` names one twice");
        Ok(())
    }

    /// Returns `server.properties` of a broker.
    fn properties(&self, (number, broker): (usize, &Broker), secret: &str) -> String {
        let voters: Vec<String> = self
            .brokers
            .iter()
            .enumerate()
            .map(|(number, it)| format!("{number}@{}:{}", it.host, it.quorum_port))
            .collect();
        let (host, port, quorum) = (&broker.host, broker.port, broker.quorum_port);
        let (data, keystore, truststore) = (&self.data, &self.keystore, &self.truststore);
        let voters = voters.join(",");
        // Brokers show certificates to each other's controllers, to which they are their names: a
        // name that is no user with rights may not even vote. A dot is any letter to an expression.
        let brokers: Vec<String> =
            self.brokers.iter().map(|it| it.host.replace('.', "[.]")).collect();
        let brokers = brokers.join("|");
        // Two of three, three of five: what is acknowledged outlives the loss of any minority.
        let in_sync = self.brokers.len().min(3) / 2 + 1;
        format!(
            "process.roles=broker,controller\nnode.id={number}\n\
             controller.quorum.voters={voters}\n\
             listeners=CLIENT://0.0.0.0:{port},CONTROLLER://0.0.0.0:{quorum}\n\
             advertised.listeners=CLIENT://{host}:{port}\n\
             listener.security.protocol.map=CLIENT:SASL_SSL,CONTROLLER:SSL\n\
             inter.broker.listener.name=CLIENT\ncontroller.listener.names=CONTROLLER\n\
             sasl.enabled.mechanisms=SCRAM-SHA-512\n\
             sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512\n\
             listener.name.client.scram-sha-512.sasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required \
             username=\"admin\" password=\"@ADMIN@\";\n\
             ssl.keystore.type=PKCS12\nssl.keystore.location={keystore}\n\
             ssl.keystore.password={secret}\nssl.key.password={secret}\n\
             ssl.truststore.type=PKCS12\nssl.truststore.location={truststore}\n\
             ssl.truststore.password={secret}\n\
             listener.name.controller.ssl.client.auth=required\n\
             listener.name.controller.ssl.principal.mapping.rules=\
             RULE:^CN=({brokers})(,.*)?$/admin/,DEFAULT\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:admin\nallow.everyone.if.no.acl.found=false\n\
             log.dirs={data}\nauto.create.topics.enable=false\n\
             default.replication.factor=3\nmin.insync.replicas={in_sync}\n\
             offsets.topic.replication.factor=3\ntransaction.state.log.replication.factor=3\n\
             transaction.state.log.min.isr={in_sync}\n\
             share.coordinator.state.topic.replication.factor=3\n\
             share.coordinator.state.topic.min.isr={in_sync}\n\
             unclean.leader.election.enable=false\n"
        )
    }

    /// Returns the settings of Kafka's own tools.
    fn admin(&self, password: &str, secret: &str) -> String {
        format!(
            "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n\
             sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
             username=\"admin\" password=\"{password}\";\n\
             ssl.truststore.type=PKCS12\nssl.truststore.location={}\n\
             ssl.truststore.password={secret}\n",
            self.truststore
        )
    }

    /// Returns the script that gives rights: by prefix, so that new classes need none.
    fn rights(&self) -> String {
        let prefix = &self.prefix;
        let topics = Topics::new(prefix.as_str());
        let mut text = "#!/bin/sh\n# Gives rights: sh rights.sh BOOTSTRAP. Needs kafka-acls.sh of \
                        Apache Kafka in PATH.\nset -eu\nacls() {\n  \
                        kafka-acls.sh --bootstrap-server \"$bootstrap\" --command-config \
                        \"$(dirname \"$0\")/admin.properties\" --add \"$@\"\n}\nbootstrap=$1\n"
            .to_owned();
        let mut line = |user: &str, rest: &str| {
            // Writing into a string does not fail.
            let _ = writeln!(text, "acls --allow-principal User:{user} {rest}");
        };
        let all = format!("--topic {prefix}. --resource-pattern-type prefixed");
        let operations = ["Read", "Write", "Describe", "Create", "DescribeConfigs"];
        let operations = operations.map(|it| format!("--operation {it} ")).concat();
        line("node", &format!("{operations}{all}"));
        line(
            "node",
            &format!("--operation Read --group {prefix}. --resource-pattern-type prefixed"),
        );
        line("node", "--operation IdempotentWrite --cluster");
        for provider in &self.providers {
            let user = format!("provider-{provider}");
            let jobs = format!("--topic {prefix}.jobs. --resource-pattern-type prefixed");
            line(&user, &format!("--operation Read --operation Describe {jobs}"));
            line(&user, &format!("--operation Read --group {}", topics.provider_group(*provider)));
            let both = format!("--topic {} --topic {}", topics.results(), topics.dead());
            line(&user, &format!("--operation Write --operation Describe {both}"));
        }
        text
    }
}

/// Returns the script that prepares a broker's folder: with the users, so that brokers can speak
/// to each other from the first second.
fn format_script(id: &str, users: &[(String, String)]) -> String {
    let mut text =
        "#!/bin/sh\n# Prepares broker N: sh format.sh N. Needs kafka-storage.sh of Apache \
                    Kafka in PATH.\nset -eu\nhere=$(cd \"$(dirname \"$0\")\" && pwd)\n\
                    properties=$here/broker-$1.properties\n\
                    sed -i \"s/@ADMIN@/$(cat \"$here/admin.password\")/\" \"$properties\"\n"
            .to_owned();
    let _ = write!(text, "exec kafka-storage.sh format --cluster-id {id} --config \"$properties\"");
    for (name, _) in users {
        let scram = format!("name={name},password=$(cat \"$here/{name}.password\")");
        let _ = write!(text, " \\\n  --add-scram \"SCRAM-SHA-512=[{scram}]\"");
    }
    text.push('\n');
    text
}

/// Draws a name for a cluster: 16 bytes in 22 letters of base64url, as Kafka writes them.
fn cluster_id() -> anyhow::Result<String> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    // A name that began with a dash would be an option to Kafka's scripts.
    bytes[0] &= 0x7F;
    let number = u128::from_be_bytes(bytes);
    let letter = |at: u32| {
        let bits = if at == 21 { number << 4 } else { number >> (128 - 6 * (at + 1)) };
        char::from(LETTERS[usize::try_from(bits & 63).unwrap_or(0)])
    };
    Ok((0..22).map(letter).collect())
}

fn new_password() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(hex::encode(bytes))
}

/// Reads the password of the key stores.
fn password(path: &Path) -> anyhow::Result<String> {
    let shared = ciro_sdk::files::shared_mode(path)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    if let Some(mode) = shared {
        bail!("`{}` has mode {mode:o}: `chmod 600` it", path.display());
    }
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    let line = text.trim_end();
    let plain = line.chars().all(|it| it.is_ascii_graphic() && it != '\\');
    ensure!(!line.is_empty() && plain, "`{}` holds no password of one word", path.display());
    Ok(line.to_owned())
}

/// Writes a file that its owner alone can read: each of them holds a password.
fn private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let file = ciro_sdk::files::create_private(path);
    let mut file = file.with_context(|| format!("cannot create `{}`", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example with some of its text replaced, made into a cluster.
    fn made(from: &str, to: &str) -> anyhow::Result<tempfile::TempDir> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cluster.toml");
        assert!(EXAMPLE.contains(from), "{from}");
        std::fs::write(&file, EXAMPLE.replacen(from, to, 1)).unwrap();
        private(&folder.path().join("stores.password"), "secret\n").unwrap();
        init(&file, &folder.path().join("out")).map(|_| folder)
    }

    #[test]
    fn the_example_makes_a_cluster_whose_files_only_their_owner_can_read() {
        let folder = made("prefix", "prefix").unwrap();
        let out = folder.path().join("out");
        let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
        for entry in std::fs::read_dir(&out).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(ciro_sdk::files::shared_mode(&path).unwrap(), None, "{}", path.display());
        }
        let broker = read("broker-2.properties");
        assert!(broker.contains("node.id=2\n") && broker.contains("min.insync.replicas=2\n"));
        assert!(broker.contains("0@kafka-0.example.org:9094,1@kafka-1.example.org:9094"));
        // Without it brokers may not vote at each other's controllers, and no cluster comes up.
        assert!(broker.contains(
            "listener.name.controller.ssl.principal.mapping.rules=RULE:^CN=(kafka-0[.]example[.]org|\
             kafka-1[.]example[.]org|kafka-2[.]example[.]org)(,.*)?$/admin/,DEFAULT\n"
        ));
        let rights = read("rights.sh");
        assert!(rights.contains("User:provider-1 --operation Read --group ciro.provider.1\n"));
        assert!(
            !rights.contains("provider-1 --operation Write --operation Describe --topic ciro.jobs")
        );
        let (one, two) = (read("provider-0.password"), read("provider-1.password"));
        assert!(one != two && one.trim().len() == 48);
        assert!(read("format.sh").contains("--add-scram \"SCRAM-SHA-512=[name=admin,"));
    }

    #[test]
    fn clusters_that_would_not_outlive_a_failure_or_are_ambiguous_are_refused() {
        let refused = |from: &str, to: &str| made(from, to).unwrap_err().to_string();
        let last = &EXAMPLE[EXAMPLE.rfind("[[brokers]]").unwrap()..];
        assert!(refused(last, "").contains("`brokers` has 2, expected 3"));
        assert!(refused("kafka-1", "kafka-0").contains("same host and port"));
        assert!(refused("quorum_port = 9094", "quorum_port = 9093").contains("must differ"));
        assert!(refused("[0, 1]", "[1, 1]").contains("names one twice"));
        assert!(refused("kafka-1.example", "$(reboot)").contains("is no path or host"));
        assert!(refused("data =", "dta =").contains("dta"));
    }
}
