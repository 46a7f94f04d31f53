//! The comparison itself: what should run, what does, and the least that makes them agree.

use std::collections::BTreeMap;

use saker_forward::Topology;
use saker_sandbox::{Blame, Kind};

use super::seat::{Key, Move, Seat, Wanted};
use super::{Destined, Linked, Running, Supervisor, Target};
use crate::collecting;
use crate::config::{PluginConfig, plugin_section};
use crate::destination::{Destination, Slot};
use crate::processors::Link;
use crate::schedule::Schedule;
use std::sync::Arc;

impl Supervisor {
    /// Makes what runs agree with the folder and the configuration.
    pub(super) fn reconcile(&mut self) {
        self.reconcile_nodes();
        self.reconcile_processors();
        // What comes in before the processors are there would pass them by.
        if !self.awaits_processors() {
            self.reconcile_collectors();
        }
        self.publish();
    }

    /// Whether a processor's file is on its way for the first time.
    pub(super) fn awaits_processors(&self) -> bool {
        let mut names = self.config.processors.iter();
        names.any(|name| {
            let config = self.config.instances.get(name);
            let file = config.map_or_else(|| format!("{name}.wasm"), |config| config.file_of(name));
            self.is_on_its_way(&file)
        })
    }

    /// Every collector file runs under its own name, and under each name that the configuration gives it.
    fn wanted_collectors(&self) -> BTreeMap<String, (String, PluginConfig)> {
        let mut wanted = BTreeMap::new();
        for (file, loaded) in &self.files {
            if loaded.plugin.as_ref().is_none_or(|plugin| plugin.kind() != Kind::Collector) {
                continue;
            }
            let stem = file.trim_end_matches(".wasm");
            if !self.config.instances.contains_key(stem) {
                wanted.insert(stem.to_owned(), (file.clone(), PluginConfig::default_of(stem)));
            }
            for (name, plugin) in &self.config.instances {
                if plugin.enabled && plugin.file_of(name) == *file {
                    wanted.insert(name.clone(), (file.clone(), plugin.clone()));
                }
            }
        }
        wanted
    }

    fn reconcile_collectors(&mut self) {
        let wanted = self.wanted_collectors();
        let gone: Vec<_> = self.collectors.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        for name in gone {
            self.end_collector(&name);
        }
        for (name, (file, config)) in wanted {
            if !self.collectors.contains_key(&name) {
                let seat = Seat::new(&name, &plugin_section(&name), self.states.cell(&name), &self.statuses);
                self.collectors.insert(name.clone(), Running { seat, handle: None });
            }
            self.reconcile_collector(&name, &file, &config);
        }
    }

    fn reconcile_collector(&mut self, name: &str, file: &str, config: &PluginConfig) {
        let Ok(plugin) = self.plugin(file, Kind::Collector).cloned() else { return };
        let own = plugin.description().default_interval_ms.map(|ms| std::time::Duration::from_millis(ms.into()));
        let interval = config.interval.or(own).unwrap_or(self.config.interval);
        let grants = config.grants_for(name, plugin.hash());
        let wanted = Wanted {
            file,
            settings: &config.settings,
            grants: &grants,
            limits: &config.limits,
            schedule: Some(Schedule::new(name, interval)),
        };
        let Some(running) = self.collectors.get_mut(name) else { return };
        let (version, key) = match running.seat.version(&plugin, &wanted) {
            Ok(version) => version,
            Err(misfits) => return running.seat.refuse(&misfits, "settings", Blame::Operator),
        };
        let decided = running.seat.decide(&key);
        if decided != Move::Nothing && config.is_foreign(name, plugin.hash()) {
            let (section, grants) = (plugin_section(name), config.grants.to_words().join(", "));
            tracing::warn!(
                plugin = name,
                file,
                "not the file that ships with this agent, so its name grants it nothing; to grant it {grants}, write [{section}] into the configuration"
            );
        }
        match decided {
            Move::Nothing => {}
            Move::Try => self.try_out(Target::Collector(name.to_owned()), version, key),
            Move::Start | Move::Replace => match &running.handle {
                Some(handle) => handle.swap_later(version),
                None => {
                    let status = running.seat.status.clone();
                    running.handle = Some(collecting::Handle::start(self.shared.clone(), version, status));
                }
            },
        }
    }

    fn end_collector(&mut self, name: &str) {
        if let Some(running) = self.collectors.remove(name) {
            tracing::info!(plugin = name, "stopped");
            if let Some(handle) = running.handle {
                tokio::spawn(handle.stop());
            }
        }
        self.statuses.remove(name);
    }

    fn reconcile_processors(&mut self) {
        let names = self.config.processors.clone();
        let mut changed = false;
        let gone: Vec<_> = self.processors.keys().filter(|name| !names.contains(name)).cloned().collect();
        for name in gone {
            self.processors.remove(&name);
            self.statuses.remove(&name);
            changed = true;
        }
        for name in &names {
            if !self.processors.contains_key(name) {
                let seat = Seat::new(name, &plugin_section(name), self.states.cell(name), &self.statuses);
                self.processors.insert(name.clone(), Linked { seat, link: None });
                changed = true;
            }
            changed |= self.reconcile_processor(name);
        }
        self.shared.pipeline.set_pass_on_failure(self.config.pass_on_failure);
        let order: Vec<_> = names.iter().filter_map(|name| self.link_of(name)).collect();
        if changed || self.shared.chain.differs(&order) {
            self.shared.chain.set(order);
            self.shared.pipeline.judge_again();
        }
    }

    /// The link of a processor; one without a plugin, through which nothing is judged, until there is one.
    fn link_of(&self, name: &str) -> Option<Arc<Link>> {
        let linked = self.processors.get(name)?;
        Some(linked.link.clone().unwrap_or_else(|| Arc::new(Link::missing(&self.sandbox, &linked.seat.status))))
    }

    fn reconcile_processor(&mut self, name: &str) -> bool {
        let config = self.config.instance(name);
        let file = config.file_of(name);
        if self.is_on_its_way(&file) {
            return false;
        }
        let plugin = self.plugin(&file, Kind::Processor).cloned();
        let Some(linked) = self.processors.get_mut(name) else { return false };
        let plugin = match plugin {
            Ok(plugin) => plugin,
            Err(why) => {
                if linked.link.take().is_some() || !linked.seat.status.is_refused(&why) {
                    linked.seat.leaves();
                    linked.seat.refuse(&why, "missing", Blame::Operator);
                    return true;
                }
                return false;
            }
        };
        let grants = config.grants_for(name, plugin.hash());
        let wanted =
            Wanted { file: &file, settings: &config.settings, grants: &grants, limits: &config.limits, schedule: None };
        let (version, key) = match linked.seat.version(&plugin, &wanted) {
            Ok(version) => version,
            Err(misfits) => {
                linked.seat.refuse(&misfits, "settings", Blame::Operator);
                return false;
            }
        };
        match linked.seat.decide(&key) {
            Move::Nothing => false,
            Move::Try => {
                self.try_out(Target::Processor(name.to_owned()), version, key);
                false
            }
            Move::Start | Move::Replace => {
                linked.seat.status.runs(&version.file, &version.plugin, &version.spec, None);
                let status = linked.seat.status.clone();
                let link = Arc::new(Link::new(self.sandbox.clone(), version.plugin, version.spec, status));
                if let Some(before) = linked.link.replace(link) {
                    tokio::spawn(async move { before.close().await });
                }
                true
            }
        }
    }

    fn reconcile_nodes(&mut self) {
        let names: Vec<_> = self.config.backends.keys().cloned().collect();
        self.nodes.retain(|name, _| names.contains(name));
        for instance in self.statuses.instances() {
            if let Some(node) = instance.name.strip_prefix("node ")
                && !names.iter().any(|name| name == node)
            {
                self.statuses.remove(&instance.name);
            }
        }
        for name in &names {
            let Some(&sending) = self.sending.get(name) else { continue };
            if !self.nodes.contains_key(name) {
                let instance = format!("node {name}");
                let seat = Seat::new(&instance, &format!("node.{name}"), self.states.cell(&instance), &self.statuses);
                let slot = Arc::new(Slot::new(
                    self.sandbox.clone(),
                    seat.status.clone(),
                    "its backend is not loaded yet".into(),
                ));
                let forwarder = &self.shared.forwarder;
                let backend = Box::new(Destination(slot.clone()));
                // It looks at the disk for what an earlier process has left.
                let node = off_the_worker(|| forwarder.node(name, backend, sending));
                self.nodes.insert(name.clone(), Destined { seat, slot, node });
            }
            self.nodes[name].node.set_config(sending);
            self.reconcile_node(name);
        }
        let nodes: Vec<_> = self.nodes.values().map(|destined| destined.node.clone()).collect();
        let forwarder = &self.shared.forwarder;
        let now = forwarder.topology();
        let same_nodes =
            now.nodes().len() == nodes.len() && now.nodes().iter().zip(&nodes).all(|(a, b)| Arc::ptr_eq(a, b));
        if !forwarder.is_set() || !same_nodes || now.routes() != self.routes {
            forwarder.set_topology(Topology::new(nodes, self.routes.clone()));
        }
    }

    fn reconcile_node(&mut self, name: &str) {
        let config = self.config.backends[name].clone();
        let file = format!("{}.wasm", config.backend);
        if self.is_on_its_way(&file) {
            return;
        }
        let plugin = self.plugin(&file, Kind::Backend).cloned();
        let Some(destined) = self.nodes.get_mut(name) else { return };
        let plugin = match plugin {
            Ok(plugin) => plugin,
            Err(why) => {
                if !destined.seat.status.is_refused(&why) {
                    destined.seat.leaves();
                    destined.seat.refuse(&why, "missing", Blame::Operator);
                    destined.slot.clear(why);
                    destined.node.backend_changed();
                }
                return;
            }
        };
        let wanted = Wanted {
            file: &file,
            settings: &config.settings,
            grants: &config.grants,
            limits: &config.limits,
            schedule: None,
        };
        let (version, key) = match destined.seat.version(&plugin, &wanted) {
            Ok(version) => version,
            Err(misfits) => return destined.seat.refuse(&misfits, "settings", Blame::Operator),
        };
        match destined.seat.decide(&key) {
            Move::Nothing => {}
            Move::Try => self.try_out(Target::Node(name.to_owned()), version, key),
            Move::Start | Move::Replace => {
                destined.slot.set(&version.file, version.plugin, version.spec);
                destined.node.backend_changed();
            }
        }
    }

    /// A version was tried: it takes its place, or the reason is kept.
    pub(super) fn tried(&mut self, target: &Target, key: Key, result: Result<(), (String, &'static str, Blame)>) {
        let seat = match target {
            Target::Collector(name) => self.collectors.get_mut(name).map(|running| &mut running.seat),
            Target::Processor(name) => self.processors.get_mut(name).map(|linked| &mut linked.seat),
            Target::Node(name) => self.nodes.get_mut(name).map(|destined| &mut destined.seat),
        };
        // Meanwhile something else may be wanted here.
        let Some(seat) = seat.filter(|seat| seat.still_wants(&key)) else { return };
        match result {
            // The comparison that follows finds nothing running under this key, and puts it in place.
            Ok(()) => seat.leaves(),
            Err((message, kind, blame)) => seat.refuse(&message, kind, blame),
        }
    }
}

/// Does what may wait for a disk. The other tasks of this worker go on meanwhile, on another thread.
fn off_the_worker<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::current().runtime_flavor() {
        tokio::runtime::RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}
