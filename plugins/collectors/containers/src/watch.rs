//! The groups that are watched, from run to run.

use std::collections::BTreeMap;

use saker_sdk::{Columns, Run};

use crate::choice::Choice;
use crate::devices::Devices;
use crate::files::{Budget, Fault, look, read};
use crate::group::{Context, Group};
use crate::identity::{Answer, Sources};
use crate::layout::Layout;
use crate::names;
use crate::network::Network;
use crate::notes::Notes;
use crate::series::Series;
use crate::tasks::Tasks;
use crate::tree::{self, Changes, Tree};
use crate::{ContainersSettings, budget, sources};

/// How often groups that had none below them are looked at again, in milliseconds.
const LEAVES_EVERY_MS: i64 = 30_000;

/// All of them.
pub(crate) struct Watch {
    layout: Layout,
    trees: Vec<Tree>,
    /// Every group that there is, by its path.
    groups: BTreeMap<String, Entry>,
    watched: usize,
    budget: Budget,
    sources: Sources,
    network: Network,
    tasks: Tasks,
    devices: Devices,
    /// Series of groups that have gone, to be forgotten in the next run.
    leaving: Vec<Series>,
    last_ms: Option<i64>,
    leaves_at_ms: i64,
}

/// A group that there is.
struct Entry {
    /// The hierarchies that it is in, a bit each.
    trees: u32,
    /// None if it is not watched.
    group: Option<Box<Group>>,
    /// Whether what it is called decides, and is not known yet.
    waits: bool,
}

impl Watch {
    pub(crate) fn new(settings: &ContainersSettings, layout: Layout) -> Self {
        let network = Network::new(&settings.proc, settings.exclude_interfaces.clone(), settings.sockets);
        Self {
            trees: layout.roots.iter().map(Tree::new).collect(),
            layout,
            groups: BTreeMap::new(),
            watched: 0,
            budget: budget(settings),
            sources: sources(settings),
            network,
            tasks: Tasks::new(&settings.proc, settings.tasks),
            devices: Devices::default(),
            leaving: Vec::new(),
            last_ms: None,
            leaves_at_ms: 0,
        }
    }

    /// One run.
    pub(crate) fn run(
        &mut self,
        run: Run,
        choice: &Choice,
        settings: &ContainersSettings,
        notes: &mut Notes,
        columns: &mut Columns,
    ) -> Result<(), Fault> {
        std::mem::take(&mut self.leaving).into_iter().for_each(|series| series.forget(columns));
        let now_ms = run.timestamp_ms;
        let every_ms = i64::from(settings.every_s) * 1000;
        let is_due = self.last_ms.is_none_or(|last| last.div_euclid(every_ms) != now_ms.div_euclid(every_ms));
        let step_s = settings.every_s.max(run.interval_ms / 1000);
        if is_due {
            self.devices = read(&format!("{}/diskstats", settings.proc))
                .map_or_else(|_| Devices::default(), |text| Devices::parse(&text));
        }
        self.sources.begin();
        self.tasks.begin();
        if !is_due {
            self.glance((now_ms, step_s), notes, columns);
        }
        self.refresh(is_due, (now_ms, step_s), choice, settings, notes, columns)?;
        self.name(now_ms, choice, settings, notes, columns);
        self.tell(is_due, (now_ms, step_s), notes, columns);
        self.last_ms = Some(now_ms);
        Ok(())
    }

    /// Forgets everything.
    pub(crate) fn abandon(self, columns: &mut Columns) {
        let series = self.groups.into_values().filter_map(|entry| Some(entry.group?.series));
        series.chain(self.leaving).for_each(|series| series.forget(columns));
    }

    fn glance(&mut self, (now_ms, step_s): (i64, u32), notes: &mut Notes, columns: &mut Columns) {
        let Self { layout, trees, groups, budget, network, tasks, devices, .. } = self;
        let mut context = Context { layout, budget, notes, network, tasks, devices, columns, now_ms, step_s };
        for (path, entry) in groups.iter_mut() {
            if let Some(group) = entry.told()
                && !group.is_young()
                && !group.glance(path, &mut context)
            {
                trees.iter_mut().for_each(|tree| tree.doubt(path));
            }
        }
    }

    fn refresh(
        &mut self,
        is_due: bool,
        (now_ms, step_s): (i64, u32),
        choice: &Choice,
        settings: &ContainersSettings,
        notes: &mut Notes,
        columns: &mut Columns,
    ) -> Result<(), Fault> {
        let leaves = now_ms - self.leaves_at_ms >= LEAVES_EVERY_MS || now_ms < self.leaves_at_ms;
        if leaves {
            self.leaves_at_ms = now_ms;
        }
        // A container is in all hierarchies: the first tells when to look at the others before values are told.
        let mut looks_at_all = is_due || leaves;
        for place in 0..self.trees.len() {
            if place > 0 && !looks_at_all {
                break;
            }
            let changes = match self.trees[place].refresh(leaves) {
                Ok(changes) => changes,
                Err(fault) if place == 0 => return Err(fault),
                Err(fault) => {
                    notes.fault("a hierarchy of control groups", &self.layout.roots[place], &fault);
                    continue;
                }
            };
            if self.trees[place].is_full {
                notes.left_out("a group", &self.layout.roots[place], "there are more than may be remembered");
            }
            looks_at_all |= changes != Changes::default();
            for path in changes.removed {
                self.removed(place, &path, (now_ms, step_s), notes, columns);
            }
            for path in changes.added {
                self.added(place, path, choice, settings, notes);
            }
        }
        Ok(())
    }

    fn added(&mut self, place: usize, path: String, choice: &Choice, settings: &ContainersSettings, notes: &mut Notes) {
        let bit = 1_u32.checked_shl(place as u32).unwrap_or_default();
        if let Some(entry) = self.groups.get_mut(&path) {
            entry.trees |= bit;
            return;
        }
        let group = self.admit(place, &path, choice, settings, notes);
        let waits = choice.wants_names() && group.is_some();
        self.groups.insert(path, Entry { trees: bit, group, waits });
    }

    fn admit(
        &mut self,
        place: usize,
        path: &str,
        choice: &Choice,
        settings: &ContainersSettings,
        notes: &mut Notes,
    ) -> Option<Box<Group>> {
        let is_container = names::container(path).is_some();
        if !choice.may_be(path, is_container) {
            return None;
        }
        if self.watched >= settings.max_groups as usize {
            notes.left_out("a group", path, "max_groups are watched already");
            return None;
        }
        // Whoever is in a container may make groups there, but not take the place of other containers.
        if let Some(around) = names::within(path) {
            let start = format!("{around}/");
            let inner = self.groups.range(start.clone()..).take_while(|(known, _)| known.starts_with(&start));
            let watched = inner.filter(|(_, entry)| entry.group.is_some()).count();
            if watched >= settings.max_nested as usize {
                notes.left_out("a group within a container", path, "max_nested of it are watched already");
                return None;
            }
        }
        self.watched += 1;
        let created_s = look(&tree::full(&self.layout.roots[place], path)).map_or(0.0, |look| look.changed_s);
        Some(Box::new(Group::new(path, self.layout.files.len(), created_s, self.last_ms.is_some())))
    }

    fn removed(
        &mut self,
        place: usize,
        path: &str,
        (now_ms, step_s): (i64, u32),
        notes: &mut Notes,
        columns: &mut Columns,
    ) {
        let Some(entry) = self.groups.get_mut(path) else { return };
        entry.trees &= !1_u32.checked_shl(place as u32).unwrap_or_default();
        if entry.trees != 0 {
            return;
        }
        let Some(group) = self.groups.remove(path).and_then(|entry| entry.group) else { return };
        self.watched -= 1;
        let Self { layout, budget, network, tasks, devices, leaving, .. } = self;
        let mut context = Context { layout, budget, notes, network, tasks, devices, columns, now_ms, step_s };
        leaving.push(group.leave(&mut context));
    }

    /// Looks for what groups are called that are new.
    fn name(
        &mut self,
        now_ms: i64,
        choice: &Choice,
        settings: &ContainersSettings,
        notes: &mut Notes,
        columns: &mut Columns,
    ) {
        for (path, entry) in &mut self.groups {
            let Some(group) = &mut entry.group else { continue };
            if group.is_unsettled()
                && let (Some(container), Some(identity)) = (names::container(path), &mut group.identity)
            {
                let answer = self.sources.find(&container, now_ms, identity, notes);
                // Conditions may look at labels that are not told.
                let is_chosen = answer != Answer::Known || choice.is(path, Some(identity));
                identity.confine(&settings.labels);
                group.settle(answer, columns);
                if !is_chosen {
                    entry.group = None;
                    self.watched -= 1;
                    continue;
                }
                entry.waits &= group.is_unsettled() || answer != Answer::Known;
            }
            if entry.waits && !entry.group.as_ref().is_some_and(|group| group.is_unsettled()) {
                entry.waits = false;
                let identity = entry.group.as_ref().and_then(|group| group.identity.as_ref());
                if !choice.is(path, identity) {
                    entry.group = None;
                    self.watched -= 1;
                }
            }
        }
    }

    fn tell(&mut self, is_due: bool, (now_ms, step_s): (i64, u32), notes: &mut Notes, columns: &mut Columns) {
        let Self { layout, trees, groups, budget, network, tasks, devices, .. } = self;
        let mut context = Context { layout, budget, notes, network, tasks, devices, columns, now_ms, step_s };
        for (path, entry) in groups.iter_mut() {
            if let Some(group) = entry.told()
                && (is_due || group.is_young())
                && !group.tell(path, &mut context)
            {
                trees.iter_mut().for_each(|tree| tree.doubt(path));
            }
        }
    }
}

impl Entry {
    /// The group, if its values are told.
    fn told(&mut self) -> Option<&mut Group> {
        self.group.as_deref_mut().filter(|_| !self.waits)
    }
}
