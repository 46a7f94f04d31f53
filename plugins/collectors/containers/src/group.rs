//! A group that is watched: its files, its series, and what is known of it.

use saker_sdk::{Columns, Sample};

use crate::devices::Devices;
use crate::files::{Budget, Fault, Kept, read};
use crate::identity::{Answer, Identity};
use crate::layout::{FileOf, Layout};
use crate::metrics::{COUNT, Id};
use crate::names;
use crate::network::{Link, Network};
use crate::notes::Notes;
use crate::parse::{self, Parse};
use crate::series::{CONTAINER, Out, Series};
use crate::tasks::Tasks;
use crate::tree;

/// Runs for which all of a new group's values are told: it may not live for an interval.
const YOUNG_RUNS: u8 = 10;
/// How often it is looked for what a group is called, if that fails.
const ATTEMPTS: u8 = 3;
/// How often what a group may use, and what it is, is told, in milliseconds: half of what a query looks back.
const LIMITS_EVERY_MS: i64 = 120_000;

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    /// Its path, as a tag may hold it.
    tag: String,
    files: Vec<Kept>,
    pub(crate) series: Series,
    link: Link,
    pub(crate) identity: Option<Identity>,
    attempts_left: u8,
    young: u8,
    limits_at_ms: Option<i64>,
    created_s: f64,
    /// Processor time when it was last looked at.
    last: Option<(i64, f64)>,
    told_at_ms: i64,
}

/// What reading takes beside the group itself.
pub(crate) struct Context<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) budget: &'a mut Budget,
    pub(crate) notes: &'a mut Notes,
    pub(crate) network: &'a mut Network,
    pub(crate) tasks: &'a mut Tasks,
    pub(crate) devices: &'a Devices,
    pub(crate) columns: &'a mut Columns,
    pub(crate) now_ms: i64,
    pub(crate) step_s: u32,
}

impl Group {
    /// A group that was found now. `created_s` is when its folder was made.
    pub(crate) fn new(path: &str, files: usize, created_s: f64, is_new: bool) -> Self {
        let container = names::container(path);
        Self {
            tag: saker_sdk::text::tag_value(path),
            files: std::iter::repeat_with(Kept::default).take(files).collect(),
            series: Series::default(),
            link: Link::Unknown,
            attempts_left: if container.is_some() { ATTEMPTS } else { 0 },
            identity: container.map(|container| Identity::of(&container)),
            young: if is_new { YOUNG_RUNS } else { 0 },
            limits_at_ms: None,
            created_s,
            last: None,
            told_at_ms: 0,
        }
    }

    /// Whether it may still become known what it is called.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.attempts_left > 0
    }

    /// Takes note of what came of looking for what it is called.
    pub(crate) fn settle(&mut self, answer: Answer, columns: &mut Columns) {
        match answer {
            Answer::Later => return,
            Answer::Failed => self.attempts_left -= 1,
            Answer::Known => self.attempts_left = 0,
        }
        if let Some(id) = self.series.info.take() {
            columns.forget(id);
        }
        self.limits_at_ms = None;
    }

    /// Whether its values are told whatever the time.
    pub(crate) fn is_young(&self) -> bool {
        self.told_at_ms == 0 || self.young > 0
    }

    /// Looks at its processor time. False if it has gone.
    pub(crate) fn glance(&mut self, path: &str, context: &mut Context<'_>) -> bool {
        let Some((file, of)) = self.files.first_mut().zip(context.layout.files.first()) else { return true };
        let text = match file.read(context.budget, || place(context.layout, of, path)) {
            Ok(text) => text,
            Err(fault) => return self.last.is_none() || !matches!(fault, Fault::Gone | Fault::Absent),
        };
        let mut values = [f64::NAN; COUNT];
        let mut out = out(&self.tag, &mut self.series, &mut values, context);
        out.is_quiet = true;
        if of.parse.read(&text, &mut out).is_ok() {
            self.last = out.value(Id::CpuTotal).map(|used| (context.now_ms, used));
        }
        true
    }

    /// Tells all of its values. False if it has gone.
    pub(crate) fn tell(&mut self, path: &str, context: &mut Context<'_>) -> bool {
        let mut values = [f64::NAN; COUNT];
        let (mut is_there, mut process, mut is_full) = (true, None, false);
        for (file, of) in self.files.iter_mut().zip(&context.layout.files) {
            let name = || place(context.layout, of, path);
            let found =
                if of.parse.is_list() { file.read_list(context.budget, name) } else { file.read(context.budget, name) };
            match found {
                Ok(text) => {
                    let mut out = out(&self.tag, &mut self.series, &mut values, context);
                    let odd = of.parse.read(&text, &mut out).err().map(ToOwned::to_owned);
                    process = out.process.or(process);
                    is_full |= out.is_full;
                    if let Some(odd) = odd {
                        context.notes.left_out(of.name, path, &format!("expected a count, found {odd:?}"));
                    }
                }
                Err(fault) => {
                    is_there &= fault != Fault::Gone;
                    context.notes.fault(of.name, &place(context.layout, of, path), &fault);
                }
            }
        }
        self.conclude(path, &mut values, process, is_full, context);
        self.last =
            Some(values[Id::CpuTotal as usize]).filter(|used| !used.is_nan()).map(|used| (context.now_ms, used));
        self.young = self.young.saturating_sub(1);
        self.told_at_ms = context.now_ms;
        is_there
    }

    fn conclude(
        &mut self,
        path: &str,
        values: &mut [f64; COUNT],
        process: Option<u32>,
        mut is_full: bool,
        context: &mut Context<'_>,
    ) {
        let is_due = self.limits_at_ms.is_none_or(|at| context.now_ms - at >= LIMITS_EVERY_MS);
        if is_due {
            self.limits_at_ms = Some(context.now_ms);
            self.tell_limits(path, values, context);
            self.tell_identity(context);
        }
        let Context { layout, notes, network, tasks, devices, columns, step_s, .. } = context;
        let mut out = Out {
            columns,
            series: &mut self.series,
            container: &self.tag,
            devices,
            step_s: *step_s,
            values,
            process: None,
            is_quiet: false,
            is_full: false,
        };
        parse::conclude(&mut out);
        if is_due && self.created_s > 0.0 {
            out.push(Id::Created as usize, self.created_s);
        }
        if let Some(started_s) = self.identity.as_ref().and_then(|identity| identity.started_s).filter(|_| is_due) {
            out.push(Id::Started as usize, started_s);
        }
        if let Err(fault) = network.tell(&mut self.link, process, &mut out) {
            notes.fault(
                "network of containers",
                &format!("{}/{}/net/dev", network.proc(), process.unwrap_or(1)),
                &fault,
            );
        }
        tasks.tell(layout, path, &mut out, notes);
        is_full |= out.is_full;
        if is_full {
            notes.left_out("series of a device or interface", path, "it has more than may be told of a group");
        }
    }

    fn tell_limits(&mut self, path: &str, values: &mut [f64; COUNT], context: &mut Context<'_>) {
        for of in &context.layout.limits {
            match read(&place(context.layout, of, path)) {
                Ok(text) => {
                    let mut out = out(&self.tag, &mut self.series, values, context);
                    let odd = of.parse.read(&text, &mut out).err().map(ToOwned::to_owned);
                    if let Some(odd) = odd {
                        context.notes.left_out(of.name, path, &format!("expected a limit, found {odd:?}"));
                    }
                }
                Err(fault) => context.notes.fault(of.name, &place(context.layout, of, path), &fault),
            }
        }
    }

    /// What it is, as tags of a series whose value says nothing: on every other series they would be in the way of who
    /// reads them, and change when a name becomes known.
    fn tell_identity(&mut self, context: &mut Context<'_>) {
        let Some(identity) = &self.identity else { return };
        let id = *self.series.info.get_or_insert_with(|| {
            let mut info = Sample::gauge("container_info", 1.0).tag(CONTAINER, &self.tag);
            let texts = [
                ("id", identity.id.as_str()),
                ("name", &identity.name),
                ("namespace", identity.namespace),
                ("image", &identity.image),
            ];
            let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
            info.tags.extend(texts.map(|(key, text)| (key.to_owned(), saker_sdk::text::tag_value(text))));
            let labels = identity.labels.iter().map(|(key, value)| (format!("label.{key}"), value.clone()));
            info.tags.extend(labels);
            info.step_s = Some((LIMITS_EVERY_MS / 1000) as u32);
            context.columns.define(info)
        });
        context.columns.push(id, 1.0);
    }

    /// It has gone: tells what was last seen of it, if that was not told. Answers its series, which are forgotten only in
    /// the next run, because what is forgotten takes its values with it.
    pub(crate) fn leave(mut self, context: &mut Context<'_>) -> Series {
        self.files.iter_mut().for_each(|file| file.close(context.budget));
        context.network.release(&mut self.link);
        let mut values = [f64::NAN; COUNT];
        let mut out = out(&self.tag, &mut self.series, &mut values, context);
        if let Some((at_ms, used)) = self.last.filter(|(at_ms, _)| *at_ms > self.told_at_ms) {
            out.push_at(Id::CpuTotal, used, at_ms);
        }
        self.series
    }
}

fn out<'a>(
    tag: &'a str,
    series: &'a mut Series,
    values: &'a mut [f64; COUNT],
    context: &'a mut Context<'_>,
) -> Out<'a> {
    Out {
        columns: context.columns,
        series,
        container: tag,
        devices: context.devices,
        step_s: context.step_s,
        values,
        process: None,
        is_quiet: false,
        is_full: false,
    }
}

fn place(layout: &Layout, of: &FileOf, path: &str) -> String {
    format!("{}/{}", tree::full(&layout.roots[of.tree], path), of.name)
}

/// The file that lists a group's processes, if there is one.
pub(crate) fn processes(layout: &Layout) -> Option<&FileOf> {
    layout.files.iter().find(|of| of.parse == Parse::Processes)
}
