//! What an instance may touch outside its sandbox. Nothing, unless it is granted here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::secrets::SecretGrant;
use crate::unix::UnixGrant;

/// Something that a plugin would like to touch; the contract's `permission`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Read files below a directory, or this very file.
    Read(String),
    /// Read and write files below a directory.
    Write(String),
    /// Keep files in a folder of its own.
    DataDir,
    /// Read the command lines of processes.
    ProcessArguments,
    /// Read what no grant opens: the agent itself, what processes hold, the kernel's memory and keys.
    Never(String),
    /// Ask for size and fill of file systems at or below a directory.
    Statfs(String),
    /// Connect to `host:port`.
    Connect(String),
    /// Connect to `host:port` behind a name that is granted, but leads where names do not reach.
    ConnectBehind {
        /// The name.
        name: String,
        /// The address that it leads to.
        address: SocketAddr,
    },
    /// Have a secret put into the requests to this `scheme://host:port`.
    Secret(String),
    /// See an environment variable.
    Env(String),
    /// Write to the agent's standard output.
    Stdout,
    /// Send requests over a Unix socket: `METHOD SOCKET PATH`.
    Unix(String),
}

impl Permission {
    /// The line of configuration that would grant it.
    #[must_use]
    pub fn grant_line(&self) -> String {
        match self {
            Self::Read(path) => format!("grant.read = [{path:?}]"),
            Self::Write(path) => format!("grant.write = [{:?}]", directory_of(path)),
            Self::DataDir => "grant.data_dir = true".into(),
            Self::ProcessArguments => "grant.process_arguments = true".into(),
            Self::Never(_) => "nothing".into(),
            Self::Statfs(path) => format!("grant.statfs = [{path:?}]"),
            Self::Connect(address) => format!("grant.connect = [{address:?}]"),
            Self::ConnectBehind { name, address } => {
                format!("grant.connect = [\"{name}:{}\", \"{address}\"]", address.port())
            }
            Self::Secret(to) => format!("grant.secret = [{{ name = \"NAME\", to = {to:?} }}]"),
            Self::Env(name) => format!("grant.env = [{name:?}]"),
            Self::Stdout => "grant.stdout = true".into(),
            Self::Unix(request) => match request.parse::<UnixGrant>() {
                Ok(grant) => format!("grant.unix = [{}]", grant.entry()),
                Err(_) => "nothing".into(),
            },
        }
    }
}

/// Directories are granted for writing, and what was denied is usually a file; a directory ends with a slash. Nobody
/// looks which it is: a guest chose the path, and who looks could wait for a file system that does not answer.
fn directory_of(path: &str) -> &str {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    if parent.is_empty() || name == ".." { path } else { parent }
}

/// What it is, as a doing: "reading /etc/passwd".
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path) => write!(f, "reading {path}"),
            Self::Write(path) => write!(f, "writing to {path}"),
            Self::DataDir => write!(f, "keeping files in a folder of its own"),
            Self::ProcessArguments => write!(f, "reading the command lines of processes"),
            Self::Never(path) => write!(f, "reading {path}"),
            Self::Statfs(path) => write!(f, "asking for the fill of {path}"),
            Self::Connect(address) => write!(f, "connecting to {address}"),
            Self::ConnectBehind { name, address } => {
                write!(f, "connecting to {address}, where {name} leads but no name reaches by itself")
            }
            Self::Secret(to) => write!(f, "having a secret put into requests to {to}"),
            Self::Env(name) => write!(f, "seeing the environment variable {name}"),
            Self::Stdout => write!(f, "writing to standard output"),
            Self::Unix(request) => write!(f, "sending {request} over a Unix socket"),
        }
    }
}

/// What an instance is granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Directories that it may read, with all that is below them.
    pub read: Vec<PathBuf>,
    /// Directories that it may read and write, with all that is below them.
    pub write: Vec<PathBuf>,
    /// The folder of its own that it may keep files in, which it sees as `/data`.
    pub data_dir: Option<PathBuf>,
    /// Whether what it may read of processes includes their command lines, which may hold secrets.
    pub process_arguments: bool,
    /// Directories at or below which it may ask for the fill of file systems.
    pub statfs: Vec<PathBuf>,
    /// Addresses that it may connect to.
    pub connect: Vec<ConnectAddress>,
    /// Secrets that are put into its requests, and which it never sees.
    pub secret: Vec<SecretGrant>,
    /// Environment variables that it sees.
    pub env: Vec<String>,
    /// Whether its standard output is the agent's own.
    pub stdout: bool,
    /// Unix sockets that it may send requests over, and which.
    pub unix: Vec<UnixGrant>,
}

impl Grants {
    /// Whether nothing is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether size and fill of the file system at `path` may be asked for.
    #[must_use]
    pub fn allows_usage(&self, path: &str) -> bool {
        let path = Path::new(path);
        let plain = path.is_absolute() && !path.components().any(|part| part.as_os_str() == "..");
        plain && self.statfs.iter().any(|granted| path.starts_with(granted))
    }

    /// Whether `address`, which `name` was resolved to if it was given by name, may be connected to.
    #[must_use]
    pub fn allows_connect(&self, name: Option<&str>, address: SocketAddr) -> bool {
        self.connect.iter().any(|granted| granted.covers(name, address))
    }

    /// Whether `address` may be connected to; else what is missing.
    pub(crate) fn check_connect(&self, name: Option<&str>, address: SocketAddr) -> Result<(), Permission> {
        if self.allows_connect(name, address) {
            return Ok(());
        }
        Err(match name {
            None => Permission::Connect(address.to_string()),
            Some(name) if self.allows_name(name, address.port()) => {
                Permission::ConnectBehind { name: name.into(), address }
            }
            Some(name) => Permission::Connect(format!("{name}:{}", address.port())),
        })
    }

    /// Whether a name is granted, with this port.
    #[must_use]
    pub fn allows_name(&self, name: &str, port: u16) -> bool {
        self.connect.iter().any(|granted| granted.is_name(name) && granted.port.is_none_or(|granted| granted == port))
    }

    /// Whether a name is granted, with any port: then it may be looked up.
    pub(crate) fn knows_name(&self, name: &str) -> bool {
        self.connect.iter().any(|granted| granted.is_name(name))
    }

    /// Each grant in a few words, for people.
    #[must_use]
    pub fn to_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.read.iter().map(|path| format!("read {}", path.display())));
        words.extend(self.write.iter().map(|path| format!("write {}", path.display())));
        words.extend(self.data_dir.as_ref().map(|path| format!("data_dir {}", path.display())));
        words.extend(self.process_arguments.then(|| "process arguments".to_owned()));
        words.extend(self.statfs.iter().map(|path| format!("statfs {}", path.display())));
        words.extend(self.connect.iter().map(|address| format!("connect {address}")));
        words.extend(self.secret.iter().map(|secret| format!("secret {} to {}", secret.name, secret.to)));
        words.extend(self.env.iter().map(|name| format!("env {name}")));
        words.extend(self.stdout.then(|| "stdout".to_owned()));
        for UnixGrant { socket, methods, paths } in &self.unix {
            let methods: Vec<_> = methods.iter().map(|method| method.as_str()).collect();
            let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
            words.push(format!("unix {}: {} of {}", socket.display(), methods.join(" "), paths.join(" ")));
        }
        words
    }
}

/// An address, or a range of them: `host:port`, where the host is a name, `*.domain`, an address or `address/bits`, and
/// the port a number or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectAddress {
    host: HostPattern,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Name(String),
    Net(IpAddr, u8),
}

/// An address that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no address: {problem}; write host:port, such as \"127.0.0.1:8086\", \"db.example:443\" or \"10.0.0.0/8:*\""
)]
pub struct GrantError {
    text: String,
    problem: &'static str,
}

impl FromStr for ConnectAddress {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let wrong = |problem| GrantError { text: text.into(), problem };
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("it has no port"))?;
        let port = match port {
            "*" => None,
            number => Some(number.parse().map_err(|_| wrong("its port is neither a number nor *"))?),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let (ip, bits) = match bare.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits)),
            None => (bare, None),
        };
        let host = match (ip.parse::<IpAddr>(), bits) {
            (Ok(ip), bits) => {
                let all = if ip.is_ipv4() { 32 } else { 128 };
                let bits = bits.map_or(Ok(all), str::parse).ok().filter(|&bits| bits <= all);
                HostPattern::Net(ip, bits.ok_or_else(|| wrong("its network has no such length"))?)
            }
            (Err(_), Some(_)) => return Err(wrong("its network is not numeric")),
            (Err(_), None) if host.is_empty() || host == "*" || host.contains([':', '@', ' ']) => {
                return Err(wrong("it has no host"));
            }
            (Err(_), None) => HostPattern::Name(host.to_ascii_lowercase()),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for ConnectAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Name(name) => write!(f, "{name}:")?,
            HostPattern::Net(ip, bits) => {
                let length = if ip.is_ipv4() { 32 } else { 128 };
                let network = if *bits == length { String::new() } else { format!("/{bits}") };
                if ip.is_ipv6() { write!(f, "[{ip}{network}]:")? } else { write!(f, "{ip}{network}:")? }
            }
        }
        match self.port {
            Some(port) => write!(f, "{port}"),
            None => f.write_str("*"),
        }
    }
}

impl ConnectAddress {
    fn is_name(&self, name: &str) -> bool {
        matches!(&self.host, HostPattern::Name(granted) if name_matches(granted, name))
    }

    fn covers(&self, name: Option<&str>, address: SocketAddr) -> bool {
        if self.port.is_some_and(|port| port != address.port()) {
            return false;
        }
        let ip = address.ip().to_canonical();
        match &self.host {
            HostPattern::Net(net, bits) => in_net(ip, *net, *bits),
            // Whoever answers for a name chooses its address. So a name does not reach this machine itself, the link's own
            // services (169.254.169.254 hands out a cloud machine's credentials) or private networks: those need a grant
            // by address.
            HostPattern::Name(granted) => {
                name.is_some_and(|name| name_matches(granted, name)) && (granted == "localhost" || !is_special(ip))
            }
        }
    }
}

fn name_matches(granted: &str, name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    match granted.strip_prefix('*') {
        Some(domain) => domain.starts_with('.') && name.ends_with(domain) && name.len() > domain.len(),
        None => granted == name,
    }
}

/// Networks that a name does not lead to: this machine, this link, private networks, and what no server has. From the
/// registries of special-purpose addresses (RFC 6890 and its successors).
const SPECIAL: [(IpAddr, u8); 18] = [
    (v4(0, 0, 0, 0), 8),
    (v4(10, 0, 0, 0), 8),
    (v4(100, 64, 0, 0), 10),
    (v4(127, 0, 0, 0), 8),
    (v4(169, 254, 0, 0), 16),
    (v4(172, 16, 0, 0), 12),
    (v4(192, 0, 0, 0), 24),
    (v4(192, 168, 0, 0), 16),
    (v4(198, 18, 0, 0), 15),
    (v4(224, 0, 0, 0), 3),
    (v6(0, 0), 96),
    // NAT64 and 6to4 hold an address of version 4 that would pass unseen.
    (v6(0x64, 0xff9b), 32),
    (v6(0x2002, 0), 16),
    // Teredo.
    (v6(0x2001, 0), 32),
    (v6(0xfc00, 0), 7),
    (v6(0xfe80, 0), 10),
    (v6(0xfec0, 0), 10),
    (v6(0xff00, 0), 8),
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(a: u16, b: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0))
}

fn is_special(ip: IpAddr) -> bool {
    SPECIAL.iter().any(|&(net, bits)| in_net(ip, net, bits))
}

fn in_net(ip: IpAddr, net: IpAddr, bits: u8) -> bool {
    match (ip, net) {
        (IpAddr::V4(ip), IpAddr::V4(net)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            ip.to_bits() & mask == net.to_bits() & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(net)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            ip.to_bits() & mask == net.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(connect: &[&str]) -> Grants {
        Grants { connect: connect.iter().map(|text| text.parse().unwrap()).collect(), ..Grants::default() }
    }

    fn check(granted: &str, name: Option<&str>, address: &str, expected: bool) {
        assert_eq!(
            grants(&[granted]).allows_connect(name, address.parse().unwrap()),
            expected,
            "{granted} {name:?} {address}"
        );
    }

    #[test]
    fn nothing_is_granted_by_default() {
        assert!(!Grants::default().allows_connect(None, "127.0.0.1:80".parse().unwrap()));
        assert!(!Grants::default().allows_usage("/"));
    }

    #[test]
    fn an_address_covers_itself_and_a_network_its_members() {
        check("127.0.0.1:80", None, "127.0.0.1:80", true);
        check("127.0.0.1:80", None, "127.0.0.1:81", false);
        check("127.0.0.1:80", None, "127.0.0.2:80", false);
        check("127.0.0.1:*", None, "127.0.0.1:9", true);
        check("10.0.0.0/8:80", None, "10.255.0.1:80", true);
        check("10.0.0.0/8:80", None, "11.0.0.1:80", false);
        check("0.0.0.0/0:80", None, "11.0.0.1:80", true);
        check("[::1]:80", None, "[::1]:80", true);
        check("[fd00::/8]:80", None, "[fd12::1]:80", true);
        check("127.0.0.1:80", None, "[::ffff:127.0.0.1]:80", true);
    }

    #[test]
    fn a_granted_name_covers_no_private_address() {
        check("db.example:80", Some("DB.example."), "198.51.100.1:80", true);
        check("db.example:80", Some("db.example"), "[2001:db8::1]:80", true);
        check("db.example:80", Some("other.example"), "198.51.100.1:80", false);
        check("db.example:80", None, "198.51.100.1:80", false);
        check("localhost:80", Some("localhost"), "127.0.0.1:80", true);
        check("*.example:80", Some("a.example"), "198.51.100.1:80", true);
        check("*.example:80", Some("example"), "198.51.100.1:80", false);
        for address in [
            "127.0.0.1:80",
            "127.9.9.9:80",
            "0.0.0.0:80",
            "169.254.169.254:80",
            "10.1.2.3:80",
            "172.16.0.1:80",
            "172.31.255.255:80",
            "192.168.1.1:80",
            "100.64.0.1:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[::1]:80",
            "[::]:80",
            "[fe80::1]:80",
            "[fd12::1]:80",
            "[ff02::1]:80",
            "[::ffff:169.254.169.254]:80",
            "[::127.0.0.1]:80",
            "[64:ff9b::a9fe:a9fe]:80",
            "[2002:7f00:1::]:80",
            "[2001:0:1::]:80",
        ] {
            check("db.example:80", Some("db.example"), address, false);
            check("*.example:80", Some("db.example"), address, false);
        }
    }

    #[test]
    fn where_no_name_reaches_an_address_does() {
        let address = "169.254.169.254:80".parse().unwrap();
        let missing = grants(&["db.example:80"]).check_connect(Some("db.example"), address).unwrap_err();
        let words = "connecting to 169.254.169.254:80, where db.example leads but no name reaches by itself";
        assert_eq!(missing.to_string(), words);
        let line = r#"grant.connect = ["db.example:80", "169.254.169.254:80"]"#;
        assert_eq!(missing.grant_line(), line);
        let both = grants(&["db.example:80", "169.254.169.254:80"]);
        assert_eq!(both.check_connect(Some("db.example"), address), Ok(()));
        let other_port = grants(&["db.example:81"]).check_connect(Some("db.example"), address).unwrap_err();
        assert_eq!(other_port, Permission::Connect("db.example:80".into()));
    }

    #[test]
    fn an_unreadable_address_says_what_to_write() {
        for text in ["127.0.0.1", "h:x", ":80", "*:80", "10.0.0.0/33:1", "h/8:1", "::1:x"] {
            let error = text.parse::<ConnectAddress>().unwrap_err().to_string();
            assert!(error.contains("write host:port"), "{text}: {error}");
        }
        for text in ["127.0.0.1:80", "10.0.0.0/8:*", "[::1]:80", "db.example:443", "*.example:1"] {
            assert_eq!(text.parse::<ConnectAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_line_that_grants_a_path_takes_no_look_at_it() {
        for (path, line) in [("/srv/out/points", "/srv/out"), ("/srv/out/", "/srv/out"), ("/points", "/points")] {
            assert_eq!(Permission::Write(path.into()).grant_line(), format!("grant.write = [{line:?}]"));
            assert_eq!(Permission::Read(path.into()).grant_line(), format!("grant.read = [{path:?}]"));
        }
    }

    #[test]
    fn usage_is_for_paths_below_the_granted_ones() {
        let grants = Grants { statfs: vec!["/srv".into()], ..Grants::default() };
        assert!(grants.allows_usage("/srv") && grants.allows_usage("/srv/data"));
        assert!(!grants.allows_usage("/srvx") && !grants.allows_usage("/srv/../etc") && !grants.allows_usage("srv"));
    }
}
