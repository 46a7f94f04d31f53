//! What a plugin wants to touch with these settings, compared with what it is granted.
//!
//! A plugin's description says what it wants: a path such as `/proc`, which is the default of a setting, or
//! `<host:port of url>`, which is what a setting says. So nothing here knows any plugin.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use saker_sandbox::{Description, Grants, Permission, UnixGrant};
use serde_json::{Map, Value};

/// What is missing weighs so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantSeverity {
    /// It cannot work like this.
    Mistake,
    /// It works without, if that is what was meant.
    Warning,
}

/// Something that is wanted and not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingGrant {
    /// How much that weighs.
    pub weight: GrantSeverity,
    /// The setting that it comes from; none where it is the plugin's own wish.
    pub setting: Option<String>,
    /// What it is, and the line that would grant it.
    pub what: String,
}

/// What a plugin wants and is not granted.
#[must_use]
pub fn unreached(about: &Description, settings: &Map<String, Value>, grants: &Grants) -> Vec<MissingGrant> {
    let told = SettingsHints { properties: &about.settings_schema["properties"], settings };
    let mut misses = Vec::new();
    for want in &about.requests {
        match &want.permission {
            Permission::Connect(wanted) => misses.extend(told.connections(wanted, grants)),
            Permission::Read(path) => misses.extend(told.path(path, "read", |path| reads(grants, path))),
            Permission::Write(path) => misses.extend(told.path(path, "write", |path| writes(grants, path))),
            Permission::Statfs(path) => misses.extend(told.path(path, "statfs", |path| near(&grants.statfs, path))),
            Permission::Unix(request) => misses.extend(told.over_unix(request, grants)),
            // They are a matter of choice, and what lacks them says so in the log.
            _ => {}
        }
    }
    misses.dedup();
    misses
}

/// What the settings tell, with their defaults.
struct SettingsHints<'a> {
    properties: &'a Value,
    settings: &'a Map<String, Value>,
}

impl SettingsHints<'_> {
    /// The value of a setting, and whether the operator has written it.
    fn value(&self, key: &str) -> Option<(&Value, bool)> {
        match self.settings.get(key) {
            Some(value) => Some((value, true)),
            None => Some((self.properties.get(key)?.get("default")?, false)),
        }
    }

    fn connections(&self, wanted: &str, grants: &Grants) -> Vec<MissingGrant> {
        let Some(words) = wanted.strip_prefix('<').and_then(|words| words.strip_suffix('>')) else {
            // An address of the plugin's own, unless a setting leads elsewhere.
            return match self.settings.get("url") {
                Some(url) => self.addresses("url", url, grants),
                None => miss_of_address(None, wanted, grants).into_iter().collect(),
            };
        };
        // `<host:port of url>`, `<each of addresses>`, `<address>`.
        let key = words.rsplit(' ').next().unwrap_or(words);
        self.value(key).map_or_else(Vec::new, |(value, _)| self.addresses(key, value, grants))
    }

    fn addresses(&self, key: &str, value: &Value, grants: &Grants) -> Vec<MissingGrant> {
        let texts: Vec<_> = match value {
            Value::String(text) => text.split(',').collect(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let addresses = texts.into_iter().filter_map(host_and_port);
        addresses.filter_map(|address| miss_of_address(Some(key), &address, grants)).collect()
    }

    /// A path that is wanted: where a setting's default leads to it, it is what the setting says.
    fn path(&self, wanted: &str, grant: &str, granted: impl Fn(&str) -> bool) -> Option<MissingGrant> {
        let (path, setting) = self.place(wanted)?;
        if path.is_empty() || granted(&path) {
            return None;
        }
        let what = format!("nothing grants {path}, which it requests; write grant.{grant} = [{path:?}]");
        Some(MissingGrant { weight: weight(&setting), setting, what })
    }

    /// A request over a Unix socket: `METHOD SOCKET PATH`, whose socket is a path like any other.
    fn over_unix(&self, wanted: &str, grants: &Grants) -> Option<MissingGrant> {
        let (method, rest) = wanted.split_once(' ')?;
        let (socket, below) = rest.rsplit_once(' ')?;
        let (socket, setting) = self.place(socket)?;
        let request: UnixGrant = format!("{method} {socket} {below}").parse().ok()?;
        if grants.unix.iter().any(|granted| granted.allows(&request)) {
            return None;
        }
        let what = format!(
            "nothing grants {method} of {below} over {socket}, which it requests; write grant.unix = [{}]",
            request.entry()
        );
        Some(MissingGrant { weight: weight(&setting), setting, what })
    }

    /// Where a path that is wanted lies, and which setting of the operator's says so.
    fn place(&self, wanted: &str) -> Option<(String, Option<String>)> {
        let Some(words) = wanted.strip_prefix('<').and_then(|words| words.strip_suffix('>')) else {
            return Some(self.moved(wanted));
        };
        let key = words.rsplit(' ').next().unwrap_or(words);
        let (value, given) = self.value(key)?;
        Some((value.as_str()?.to_owned(), given.then(|| key.to_owned())))
    }

    /// Where a path lies if a setting that it begins with by default says otherwise, and which setting that is.
    fn moved(&self, wanted: &str) -> (String, Option<String>) {
        for (key, value) in self.settings {
            let default = self.properties[key]["default"].as_str().filter(|default| default.starts_with('/'));
            let rest = default.and_then(|default| wanted.strip_prefix(default));
            if let (Some(rest), Some(value)) = (rest, value.as_str())
                && (rest.is_empty() || rest.starts_with('/'))
            {
                return (format!("{}{rest}", value.trim_end_matches('/')), Some(key.clone()));
            }
        }
        (wanted.to_owned(), None)
    }
}

/// What an operator leaves out of the grants of a plugin as it comes may well be meant.
fn weight(setting: &Option<String>) -> GrantSeverity {
    if setting.is_some() { GrantSeverity::Mistake } else { GrantSeverity::Warning }
}

fn miss_of_address(setting: Option<&str>, address: &str, grants: &Grants) -> Option<MissingGrant> {
    let (host, port) = address.rsplit_once(':')?;
    let (host, port) = (host.trim_matches(['[', ']']), port.parse().ok()?);
    let granted = match host.parse::<IpAddr>() {
        Ok(ip) => grants.allows_connect(None, SocketAddr::new(ip, port)),
        Err(_) => grants.allows_name(host, port),
    };
    let what = || format!("nothing grants connecting to {address}; write grant.connect = [{address:?}]");
    (!granted).then(|| MissingGrant {
        weight: GrantSeverity::Mistake,
        setting: setting.map(str::to_owned),
        what: what(),
    })
}

/// The host and the port of a URL, or of an address as it stands; none if it names no port, or a socket of this host.
fn host_and_port(text: &str) -> Option<String> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    if scheme.ends_with("unix") || rest.starts_with(['/', '@']) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let port = match scheme {
        "http" => "80",
        "https" => "443",
        _ => "",
    };
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    match (has_port, port) {
        (true, _) => Some(host),
        (false, "") => None,
        (false, port) => Some(format!("{host}:{port}")),
    }
}

fn reads(grants: &Grants, path: &str) -> bool {
    near(&grants.read, path) || writes(grants, path)
}

fn writes(grants: &Grants, path: &str) -> bool {
    let own = grants.data_dir.is_some() && Path::new(path).starts_with("/data");
    own || near(&grants.write, path)
}

/// Whether a path lies in what is granted, or holds some of it.
fn near(granted: &[std::path::PathBuf], path: &str) -> bool {
    granted.iter().any(|granted| Path::new(path).starts_with(granted) || granted.starts_with(path))
}

#[cfg(test)]
mod tests {
    use saker_sandbox::PermissionRequest;
    use serde_json::json;

    use super::*;

    fn misses(wanted: Permission, settings: &Value, grants: &Grants) -> Vec<(GrantSeverity, Option<String>, String)> {
        let about = Description {
            name: "x".into(),
            version: "1".into(),
            summary: String::new(),
            requests: vec![PermissionRequest { permission: wanted, reason: String::new() }],
            settings_schema: json!({"properties": {
                "proc": {"type": "string", "default": "/proc"},
                "url": {"type": "string", "default": "http://127.0.0.1:8428/write"},
                "addresses": {"type": "array"},
                "directory": {"type": "string"},
            }}),
            default_interval_ms: None,
        };
        let misses = unreached(&about, settings.as_object().unwrap(), grants);
        misses.into_iter().map(|miss| (miss.weight, miss.setting, miss.what)).collect()
    }

    fn connecting(to: &[&str]) -> Grants {
        Grants { connect: to.iter().map(|to| to.parse().unwrap()).collect(), ..Grants::default() }
    }

    #[test]
    fn a_backend_needs_the_grant_to_where_its_settings_lead() {
        let wanted = || Permission::Connect("<host:port of url>".into());
        for (url, granted) in [
            ("http://127.0.0.1:8428/write", "127.0.0.1:8428"),
            ("https://u:p@db.example/x?y", "db.example:443"),
            ("http://[::1]:80", "[::1]:*"),
            ("http://DB.example:80", "*.example:80"),
            ("unix:///run/x.sock", "127.0.0.1:1"),
        ] {
            assert_eq!(misses(wanted(), &json!({"url": url}), &connecting(&[granted])), [], "{url}");
        }
        let found = misses(wanted(), &json!({"url": "http://10.0.0.1:80/x"}), &connecting(&["10.0.0.1:81"]));
        let what = "nothing grants connecting to 10.0.0.1:80; write grant.connect = [\"10.0.0.1:80\"]";
        assert_eq!(found, [(GrantSeverity::Mistake, Some("url".into()), what.into())]);
        assert_eq!(misses(wanted(), &json!({}), &Grants::default()).len(), 1, "the default leads somewhere as well");
    }

    #[test]
    fn every_address_of_a_list_needs_its_own() {
        let wanted = Permission::Connect("<each of addresses>".into());
        let found = misses(wanted, &json!({"addresses": ["10.0.0.1:1", "10.0.0.2:1"]}), &connecting(&["10.0.0.1:1"]));
        assert_eq!(found.len(), 1);
        assert!(found[0].2.contains("10.0.0.2:1"));
        let wanted = Permission::Connect("<every broker>".into());
        assert_eq!(misses(wanted, &json!({}), &Grants::default()), [], "what no setting says is not known");
    }

    #[test]
    fn a_root_that_moves_takes_its_grant_along() {
        let wanted = || Permission::Read("/proc/net".into());
        let reading = |path: &str| Grants { read: vec![path.into()], ..Grants::default() };
        let host = json!({"proc": "/host/proc/"});
        let found = misses(wanted(), &host, &reading("/proc"));
        let what = "nothing grants /host/proc/net, which it requests; write grant.read = [\"/host/proc/net\"]";
        assert_eq!(found, [(GrantSeverity::Mistake, Some("proc".into()), what.into())]);
        assert_eq!(misses(wanted(), &host, &reading("/host/proc")), []);
        assert_eq!(
            misses(wanted(), &host, &reading("/host/proc/net/dev")),
            [],
            "a part of it may be all that it reads"
        );
        assert_eq!(misses(wanted(), &json!({}), &reading("/sys"))[0].0, GrantSeverity::Warning);
    }

    #[test]
    fn requests_over_a_unix_socket_need_a_grant_of_its_path_method_and_paths() {
        let wanted = || Permission::Unix("GET /run/docker.sock /containers/*/stats".into());
        let granted = |text: &str| Grants { unix: vec![text.parse().unwrap()], ..Grants::default() };
        let line = "write grant.unix = [{ path = \"/run/docker.sock\", methods = [\"GET\"], paths = [\"/containers/*/stats\"] }]";
        let found = misses(wanted(), &json!({}), &Grants::default());
        assert!(found[0].0 == GrantSeverity::Warning && found[0].2.ends_with(line), "{found:?}");
        assert_eq!(misses(wanted(), &json!({}), &granted("GET /run/docker.sock /containers/")), []);
        for other in ["POST /run/docker.sock /", "GET /run/other.sock /", "GET /run/docker.sock /containers/json"] {
            assert_eq!(misses(wanted(), &json!({}), &granted(other)).len(), 1, "{other}");
        }
        let of_setting = Permission::Unix("GET <directory> /info".into());
        let found = misses(of_setting, &json!({"directory": "/run/x.sock"}), &Grants::default());
        assert!(found[0].0 == GrantSeverity::Mistake && found[0].2.contains("path = \"/run/x.sock\""), "{found:?}");
    }

    #[test]
    fn a_folder_to_write_to_is_the_one_in_the_settings() {
        let wanted = || Permission::Write("<directory>".into());
        let settings = json!({"directory": "/srv/out"});
        assert_eq!(misses(wanted(), &settings, &Grants::default())[0].0, GrantSeverity::Mistake);
        assert_eq!(misses(wanted(), &settings, &Grants { write: vec!["/srv".into()], ..Grants::default() }), []);
        let own = Grants { data_dir: Some("/data".into()), ..Grants::default() };
        assert_eq!(misses(wanted(), &json!({"directory": "/data"}), &own), []);
    }
}
