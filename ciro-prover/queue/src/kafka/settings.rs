//! How to reach a cluster.

use std::path::{Path, PathBuf};

use rdkafka::ClientConfig;
use serde::Deserialize;

use super::KafkaError;

/// The table `[kafka]` of a worker's or a node's settings. Paths are relative to the file's folder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSettings {
    /// The brokers that are asked first: `host:port`, with commas between them.
    pub brokers: String,
    /// What the names of all topics begin with. Default `ciro`; letters, digits, `-` and `_`.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// How the connection is protected. Default `plain`.
    #[serde(default)]
    pub security: Security,
    /// The authority that signed the brokers' certificates (PEM). Default: the system's.
    pub ca: Option<PathBuf>,
    /// This client's certificate (PEM), where brokers ask for one.
    pub certificate: Option<PathBuf>,
    /// The key of the certificate (PEM).
    pub key: Option<PathBuf>,
    /// How the password is proven. Default `scram-sha-512`.
    #[serde(default)]
    pub mechanism: Mechanism,
    /// The name at the brokers, for `sasl` and `sasl-tls`.
    pub username: Option<String>,
    /// The file with the password: one line, readable by its owner alone.
    pub password_file: Option<PathBuf>,
    /// How members of a group agree. Default `auto`.
    #[serde(default)]
    pub group_protocol: GroupProtocol,
    /// Records of one consumer that are not taken care of yet. Default 1,024, range 1 to 65,536.
    #[serde(default = "in_flight_max")]
    pub in_flight_max: usize,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// Not at all: for one machine, or a network that nobody else is in.
    #[default]
    Plain,
    /// Encrypted, and the brokers prove who they are.
    Tls,
    /// A password, over a connection that is not encrypted.
    Sasl,
    /// A password, over an encrypted connection.
    SaslTls,
}

/// How a password is proven without being sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// SCRAM with SHA-256.
    ScramSha256,
    /// SCRAM with SHA-512.
    #[default]
    ScramSha512,
}

/// How the members of a group agree on who reads what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupProtocol {
    /// `consumer` where the broker has it, else `classic`.
    #[default]
    Auto,
    /// The broker assigns (KIP-848): a member that comes or goes stops nobody else.
    Consumer,
    /// The members assign, and all of them stop for it.
    Classic,
}

/// What is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaSettingsError {
    /// An address is none.
    #[error("`{0}` in `kafka.brokers` is no address, expected `host:port`")]
    Broker(String),
    /// The prefix cannot begin the name of a topic.
    #[error("`kafka.prefix` is `{0}`, expected 1 to 64 letters, digits, `-` and `_` of ASCII")]
    Prefix(String),
    /// A number is out of its range.
    #[error("`kafka.in_flight_max` is {0}, expected 1 to 65536")]
    InFlight(usize),
    /// A field is there that the kind of protection has no use for, or one is missing.
    #[error("`kafka.{field}` {problem} with `kafka.security = \"{security}\"`")]
    Field {
        /// The field.
        field: &'static str,
        /// `is missing` or `has no use`.
        problem: &'static str,
        /// The kind of protection.
        security: &'static str,
    },
    /// A file cannot be used.
    #[error("`kafka.{field}`: `{}` {reason}", path.display())]
    File {
        /// The field.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The build has no OpenSSL.
    #[error("`kafka.security = \"{0}\"` needs a build with the feature `tls`")]
    Build(&'static str),
}

fn prefix() -> String {
    "ciro".to_owned()
}

const fn in_flight_max() -> usize {
    1024
}

impl Security {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Sasl => "sasl",
            Self::SaslTls => "sasl-tls",
        }
    }

    const fn protocol(self) -> &'static str {
        match self {
            Self::Plain => "plaintext",
            Self::Tls => "ssl",
            Self::Sasl => "sasl_plaintext",
            Self::SaslTls => "sasl_ssl",
        }
    }

    const fn tls(self) -> bool {
        matches!(self, Self::Tls | Self::SaslTls)
    }

    const fn sasl(self) -> bool {
        matches!(self, Self::Sasl | Self::SaslTls)
    }
}

impl KafkaSettings {
    /// Makes settings without protection, with defaults for all the rest.
    #[must_use]
    pub fn plain(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            prefix: prefix(),
            security: Security::Plain,
            ca: None,
            certificate: None,
            key: None,
            mechanism: Mechanism::default(),
            username: None,
            password_file: None,
            group_protocol: GroupProtocol::Auto,
            in_flight_max: in_flight_max(),
        }
    }

    /// Makes paths relative to a folder.
    pub fn beside(&mut self, folder: &Path) {
        let paths = [&mut self.ca, &mut self.certificate, &mut self.key, &mut self.password_file];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&path);
        }
    }

    /// Checks what can be known without a broker.
    ///
    /// # Errors
    ///
    /// [`KafkaSettingsError`] naming the first field that is wrong.
    pub fn check(&self) -> Result<(), KafkaSettingsError> {
        for broker in self.brokers.split(',').map(str::trim) {
            let port = broker.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if !port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0)) {
                return Err(KafkaSettingsError::Broker(broker.to_owned()));
            }
        }
        let letter = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
        if !(1..=64).contains(&self.prefix.len()) || !self.prefix.chars().all(letter) {
            return Err(KafkaSettingsError::Prefix(self.prefix.clone()));
        }
        if !(1..=65_536).contains(&self.in_flight_max) {
            return Err(KafkaSettingsError::InFlight(self.in_flight_max));
        }
        let (security, name) = (self.security, self.security.name());
        if security != Security::Plain && !cfg!(feature = "tls") {
            return Err(KafkaSettingsError::Build(name));
        }
        let field =
            |field, problem| Err(KafkaSettingsError::Field { field, problem, security: name });
        let fields = [
            ("ca", self.ca.is_some(), security.tls(), false),
            ("certificate", self.certificate.is_some(), security.tls(), self.key.is_some()),
            ("key", self.key.is_some(), security.tls(), self.certificate.is_some()),
            ("username", self.username.is_some(), security.sasl(), security.sasl()),
            ("password_file", self.password_file.is_some(), security.sasl(), security.sasl()),
        ];
        for (name, there, useful, needed) in fields {
            match (there, useful, needed) {
                (true, false, _) => return field(name, "has no use"),
                (false, _, true) => return field(name, "is missing"),
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns what a client of librdkafka is made of. The password is read anew each time.
    pub(super) fn client(&self) -> Result<ClientConfig, KafkaError> {
        self.check()?;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers.trim());
        config.set("client.id", "ciro");
        config.set("security.protocol", self.security.protocol());
        config.set("socket.keepalive.enable", "true");
        // The pause before a broker that went away is looked for again.
        config.set("reconnect.backoff.ms", "100").set("reconnect.backoff.max.ms", "2000");
        let files = [
            ("ca", "ssl.ca.location", &self.ca),
            ("certificate", "ssl.certificate.location", &self.certificate),
            ("key", "ssl.key.location", &self.key),
        ];
        for (field, name, path) in files {
            let Some(path) = path else { continue };
            let file =
                |reason: String| KafkaSettingsError::File { field, path: path.clone(), reason };
            std::fs::metadata(path).map_err(|error| file(format!("cannot be read: {error}")))?;
            let text = path.to_str().ok_or_else(|| file("is no name in UTF-8".to_owned()))?;
            config.set(name, text);
        }
        if let (Some(name), Some(path)) = (&self.username, &self.password_file) {
            let mechanism = match self.mechanism {
                Mechanism::ScramSha256 => "SCRAM-SHA-256",
                Mechanism::ScramSha512 => "SCRAM-SHA-512",
            };
            config.set("sasl.mechanism", mechanism);
            config.set("sasl.username", name).set("sasl.password", password(path)?);
        }
        Ok(config)
    }
}

/// Reads a password of one line, which nobody but its owner may be able to read.
fn password(path: &Path) -> Result<String, KafkaSettingsError> {
    let refused = |reason: String| KafkaSettingsError::File {
        field: "password_file",
        path: path.to_owned(),
        reason,
    };
    let unreadable = |error: std::io::Error| refused(format!("cannot be read: {error}"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(refused(format!("has mode {mode:o}: `chmod 600` it")));
        }
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.contains(['\n', '\0']) || line.len() > 1024 {
        return Err(refused("holds no password of one line".to_owned()));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let settings: KafkaSettings = toml::from_str(text).unwrap();
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn each_setting_that_is_wrong_has_one_error_that_names_it() {
        let plain = "brokers = \"a:9092, b:9092\"\n";
        assert!(toml::from_str::<KafkaSettings>(plain).unwrap().check().is_ok());
        let broker = refused("brokers = \"a:9092,b\"");
        assert_eq!(broker, "`b` in `kafka.brokers` is no address, expected `host:port`");
        assert!(refused("brokers = \"\"").contains("is no address"));
        assert!(refused("brokers = \"a:0\"").contains("is no address"));
        assert!(refused(&format!("{plain}prefix = \"a.b\"")).contains("`kafka.prefix` is `a.b`"));
        assert!(refused(&format!("{plain}in_flight_max = 0")).contains("expected 1 to 65536"));
        assert!(toml::from_str::<KafkaSettings>(&format!("{plain}broker = 1")).is_err());
    }

    #[cfg(feature = "tls")]
    #[test]
    fn fields_of_another_kind_of_protection_are_refused_and_so_is_their_lack() {
        let plain = "brokers = \"a:9092\"\n";
        let ca = refused(&format!("{plain}ca = \"x\""));
        assert_eq!(ca, "`kafka.ca` has no use with `kafka.security = \"plain\"`");
        let name = refused(&format!("{plain}security = \"sasl-tls\""));
        assert_eq!(name, "`kafka.username` is missing with `kafka.security = \"sasl-tls\"`");
        let key = refused(&format!("{plain}security = \"tls\"\ncertificate = \"x\""));
        assert_eq!(key, "`kafka.key` is missing with `kafka.security = \"tls\"`");
    }

    #[cfg(all(unix, feature = "tls"))]
    #[test]
    fn a_password_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "secret\n").unwrap();
        let mode = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, permissions).unwrap();
        };
        let mut settings = KafkaSettings::plain("a:9092");
        settings.security = Security::Sasl;
        settings.username = Some("alice".to_owned());
        settings.password_file = Some("password".into());
        settings.beside(folder.path());
        mode(0o644);
        assert!(settings.client().unwrap_err().to_string().contains("has mode 644"));
        mode(0o600);
        let config = settings.client().unwrap();
        assert_eq!(config.get("sasl.password"), Some("secret"));
        assert_eq!(config.get("security.protocol"), Some("sasl_plaintext"));
    }
}
