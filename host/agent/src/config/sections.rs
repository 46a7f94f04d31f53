//! The tables of the configuration, one function each.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use saker_cache::CacheLimits;
use saker_config::{ConfigTable, Locations, Warnings};
use saker_forward::{DeliveryConfig, Durability, FRESH_AGE, Route};
use saker_http::ListenConfig;
use saker_log::LogConfig;
use saker_model::text::clean;
use saker_model::{RejectReason, is_text};
use saker_pipeline::PipelineConfig;
use saker_plugins::{OwnPlace, PluginsConfig};
use saker_query::QueryConfig;
use saker_store::StoreConfig;

use super::{Config, Listeners, TlsConfig};

/// A series lives longer than points of it are in memory.
const SERIES_IDLE_MIN: Duration = Duration::from_secs(2 * FRESH_AGE.as_secs());
const _: () = assert!(SERIES_IDLE_MIN.as_secs() >= saker_ingest::SERIES_IDLE_MIN_S);
/// So much of a name that is wrong is shown.
const SHOWN_BYTES: usize = 40;
pub(super) fn read(mut root: ConfigTable<'_>) -> Config {
    let default = Config::default();
    let data_dir = root.path("data_dir").unwrap_or(default.data_dir);
    let mut listen_table = root.table("listen");
    // The plugins' part comes first, since tables that they share with others are finished by those.
    let plugins = PluginsConfig::read(&mut root, &data_dir);
    let config = Config {
        endpoint: endpoint(&mut root),
        data_dir: data_dir.clone(),
        shutdown_timeout: root.get("shutdown_timeout", default.shutdown_timeout),
        log: LogConfig::read(root.table("log")),
        listeners: Listeners::read(&mut listen_table),
        listen: ListenConfig::read(listen_table),
        tls: tls(root.table("tls")),
        pipeline: PipelineConfig::read(root.table("pipeline"), SERIES_IDLE_MIN),
        cache: CacheLimits::read(root.table("cache")),
        query: QueryConfig::read(root.table("query")),
        store: StoreConfig::read(root.table("store")),
        sending: {
            let all =
                root.named("destination", &[]).into_iter().map(|(name, table)| (name, DeliveryConfig::read(table)));
            all.filter(|(name, _)| plugins.backends.contains_key(name)).collect()
        },
        plugins,
        route: Vec::new(),
        places: Locations::of(&root),
        warnings: Warnings::default(),
    };
    let names: BTreeSet<_> = root.table("destination").names().into_iter().collect();
    let routes = root.list("route").into_iter().map(|table| Route::read(table, &names)).collect();
    let config = Config { route: routes, ..config };
    check_together(&root, &config, &names);
    config.plugins.check_reach(&root, own_places(&config));
    root.finish();
    config
}

/// Places that no plugin is granted.
fn own_places(config: &Config) -> Vec<OwnPlace> {
    let mut own = vec![OwnPlace { path: config.data_dir.clone(), what: "data_dir", secret: true }];
    let mut add = |path: Option<&PathBuf>, what, secret| {
        own.extend(path.map(|path| OwnPlace { path: path.clone(), what, secret }));
    };
    add(config.listen.token_file.as_ref(), "the token of the API", true);
    add(config.tls.ca_file.as_ref(), "the certificates that are trusted", false);
    own
}

/// Whose values these are: what every value is rejected without, when it is validated.
fn endpoint(root: &mut ConfigTable<'_>) -> Option<String> {
    let name = root.optional::<String>("endpoint").filter(|name| !name.is_empty())?;
    if is_text(&name) {
        return Some(name);
    }
    let shown = clean(&name, SHOWN_BYTES);
    root.wrong("endpoint", format!("{}; found {} bytes, {shown:?}", RejectReason::BadEndpoint, name.len()));
    None
}

/// What only shows when tables are looked at together.
fn check_together(root: &ConfigTable<'_>, config: &Config, names: &BTreeSet<String>) {
    let routed: BTreeSet<_> = config.route.iter().flat_map(|route| &route.destinations).collect();
    if config.route.len() == root.count("route") {
        for name in names.iter().filter(|name| !routed.contains(name)) {
            root.wrong_in(
                "destination",
                name,
                "no [[route]] names this destination, so it would get nothing; add it to a route's destinations",
            );
        }
    }
    for (name, sending) in &config.sending {
        let queue = &sending.queue;
        if queue.durability == Durability::Memory && queue.age >= config.pipeline.series_ttl {
            root.wrong_in(
                "destination",
                name,
                "its queue.max_age must be less than [pipeline] series_ttl, or points could outlive their series' names",
            );
        }
    }
}

fn tls(mut table: ConfigTable<'_>) -> TlsConfig {
    let ca_file = table.path("ca_file");
    table.finish();
    TlsConfig { ca_file }
}
