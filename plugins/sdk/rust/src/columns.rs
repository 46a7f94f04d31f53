//! Values in columns: for a collector that brings hundreds of values of the same series at every run. A series' name
//! and tags cross to the agent once; a value of it costs 20 bytes and no text ever after.

#[cfg(not(target_arch = "wasm32"))]
use std::collections::BTreeMap;

use crate::bindings::collector::exports::saker::plugin::collector::{Batch, Definition};
use crate::bindings::types::{self, Description, OpenError, Sample, SeriesId};
use crate::collector::{CollectError, Run};
use crate::settings::Settings;

/// A plugin that measures in columns. Export it with [`export_column_collector!`](crate::export_column_collector).
pub trait ColumnCollector: Sized + 'static {
    /// The settings, declared with [`settings!`](crate::settings!).
    type Settings: Settings;

    /// What this plugin is. Runs without any permission; leave the settings' schema empty, the macro fills it in.
    fn describe() -> Description;

    /// Makes an instance.
    ///
    /// # Errors
    /// Says which setting is unusable, which permission is missing, or what else went wrong.
    fn open(settings: Self::Settings) -> Result<Self, OpenError>;

    /// Measures once. Never called twice at the same time. `columns` are the same ones in every call, without the values
    /// of the call before.
    ///
    /// # Errors
    /// Says why there are no values this time; the next run asks again. What was defined stays defined.
    fn collect(&mut self, run: Run, columns: &mut Columns) -> Result<(), CollectError>;

    /// The last call of an instance that ends in order.
    fn close(self) {}
}

/// The series that a collector has defined, and the values of a run.
#[derive(Debug, Default)]
pub struct Columns {
    run_ms: i64,
    points: Points,
    define: Vec<Definition>,
    forget: Vec<SeriesId>,
    /// Handles that stand for nothing, to be given again from the next run on.
    free: Vec<SeriesId>,
    /// Whether each handle that was ever given stands for a series.
    defined: Vec<bool>,
    /// What tests look at: in the sandbox the agent keeps it.
    #[cfg(not(target_arch = "wasm32"))]
    names: BTreeMap<SeriesId, Sample>,
}

#[derive(Debug, Default)]
struct Points {
    series: Vec<SeriesId>,
    /// Empty as long as all are of the run's own time.
    timestamps_ms: Vec<i64>,
    values: Vec<f64>,
}

impl Columns {
    /// Gives the series of this value a handle. What the value is, and of when, does not matter.
    pub fn define(&mut self, series: Sample) -> SeriesId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.defined.push(false);
            // A collector has ended at its limit of series long before.
            SeriesId::try_from(self.defined.len() - 1).unwrap_or(SeriesId::MAX)
        });
        self.defined[id as usize] = true;
        #[cfg(not(target_arch = "wasm32"))]
        self.names.insert(id, series.clone());
        let Sample { endpoint, metric, tags, metric_type, step_s, .. } = series;
        self.define.push(Definition { id, endpoint, metric, tags, metric_type, step_s });
        id
    }

    /// Takes a handle back: of a container that has gone, for one. Values that were pushed with it in this run go as
    /// well.
    pub fn forget(&mut self, id: SeriesId) {
        let Some(is_defined @ true) = self.defined.get_mut(id as usize) else { return };
        *is_defined = false;
        let Points { series, timestamps_ms, values } = &mut self.points;
        // The agent forgets before it looks at values.
        for place in (0..series.len()).rev().filter(|&place| series[place] == id).collect::<Vec<_>>() {
            series.remove(place);
            values.remove(place);
            if !timestamps_ms.is_empty() {
                timestamps_ms.remove(place);
            }
        }
        self.define.retain(|definition| definition.id != id);
        self.forget.push(id);
        #[cfg(not(target_arch = "wasm32"))]
        self.names.remove(&id);
    }

    /// Adds a value of the run's own time.
    pub fn push(&mut self, id: SeriesId, value: f64) {
        if !self.points.timestamps_ms.is_empty() {
            self.points.timestamps_ms.push(self.run_ms);
        }
        self.points.series.push(id);
        self.points.values.push(value);
    }

    /// Adds a value of another time, in milliseconds since 1970-01-01 UTC.
    pub fn push_at(&mut self, id: SeriesId, value: f64, timestamp_ms: i64) {
        let Points { series, timestamps_ms, values } = &mut self.points;
        timestamps_ms.resize(series.len(), self.run_ms);
        timestamps_ms.push(timestamp_ms);
        series.push(id);
        values.push(value);
    }

    /// Begins a run. Values of one that has failed are gone.
    #[doc(hidden)]
    pub fn begin(&mut self, run: Run) {
        self.run_ms = run.timestamp_ms;
        self.points.series.clear();
        self.points.timestamps_ms.clear();
        self.points.values.clear();
    }

    /// What is to be handed over.
    #[doc(hidden)]
    pub fn take(&mut self) -> Batch {
        let Points { series, timestamps_ms, values } = std::mem::take(&mut self.points);
        let forget = std::mem::take(&mut self.forget);
        self.free.extend(&forget);
        let points = types::Columns { series, timestamps_ms, values };
        Batch { forget, define: std::mem::take(&mut self.define), points }
    }

    /// The values of the run, as a collector without columns would bring them. For tests.
    #[cfg(not(target_arch = "wasm32"))]
    #[must_use]
    pub fn values(&self) -> Vec<Sample> {
        let Points { series, timestamps_ms, values } = &self.points;
        let rows = series.iter().zip(values).enumerate();
        rows.map(|(place, (id, &value))| {
            let timestamp_ms = timestamps_ms.get(place).copied();
            Sample { value, timestamp_ms, ..self.names[id].clone() }
        })
        .collect()
    }
}

/// Makes a [`ColumnCollector`] the plugin that this crate builds. Outside Wasm it expands to nothing.
#[macro_export]
macro_rules! export_column_collector {
    ($collector:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::collector::exports::saker::plugin::collector as world;

            $crate::instance!(Plugin, ($collector, $crate::Columns));

            impl world::Guest for Plugin {
                fn describe() -> world::Description {
                    $crate::settings::with_schema::<<$collector as $crate::ColumnCollector>::Settings>(
                        <$collector as $crate::ColumnCollector>::describe(),
                    )
                }

                fn open(settings: ::std::string::String) -> ::std::result::Result<(), world::OpenError> {
                    let settings = $crate::settings::parse(&settings)?;
                    let collector = <$collector as $crate::ColumnCollector>::open(settings)?;
                    Plugin::put((collector, $crate::Columns::default()));
                    ::std::result::Result::Ok(())
                }

                fn collect(run: world::Run) -> ::std::result::Result<world::Measurement, world::CollectError> {
                    Plugin::with(|(collector, columns)| {
                        columns.begin(run);
                        $crate::ColumnCollector::collect(collector, run, columns)?;
                        ::std::result::Result::Ok(world::Measurement::Columns(columns.take()))
                    })
                }

                fn close() {
                    Plugin::take().map(|(collector, _)| $crate::ColumnCollector::close(collector));
                }
            }

    $crate::bindings::collector::export_collector_world!(Plugin with_types_in $crate::bindings::collector);
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Run = Run { timestamp_ms: 5000, interval_ms: 1000 };

    #[test]
    fn a_series_crosses_once_and_its_values_ever_after() {
        let mut columns = Columns::default();
        columns.begin(TICK);
        let id = columns.define(Sample::gauge("a", 0.0).tag("k", "v"));
        columns.push(id, 1.5);
        assert_eq!(columns.values(), [Sample::gauge("a", 1.5).tag("k", "v")]);
        let batch = columns.take();
        assert_eq!((batch.define.len(), batch.points.values), (1, vec![1.5]));
        columns.begin(TICK);
        columns.push(id, 2.5);
        let batch = columns.take();
        assert_eq!((batch.define.len(), batch.points.series), (0, vec![id]));
    }

    #[test]
    fn timestamps_cross_only_where_one_is_not_the_runs() {
        let mut columns = Columns::default();
        columns.begin(TICK);
        let id = columns.define(Sample::gauge("a", 0.0));
        columns.push(id, 1.0);
        columns.push_at(id, 2.0, 7);
        columns.push(id, 3.0);
        assert_eq!(columns.take().points.timestamps_ms, [5000, 7, 5000]);
    }

    #[test]
    fn what_a_failed_run_has_defined_is_handed_over_by_the_next() {
        let mut columns = Columns::default();
        columns.begin(TICK);
        let id = columns.define(Sample::gauge("a", 0.0));
        columns.push(id, 1.0);
        columns.begin(TICK);
        let batch = columns.take();
        assert_eq!((batch.define.len(), batch.points.values.len()), (1, 0));
    }

    #[test]
    fn a_handle_is_given_again_only_after_the_agent_knows_that_it_is_free() {
        let mut columns = Columns::default();
        columns.begin(TICK);
        let gone = columns.define(Sample::gauge("a", 0.0));
        columns.push(gone, 1.0);
        columns.forget(gone);
        // It is free once, and what was never given is not free at all.
        columns.forget(gone);
        columns.forget(SeriesId::MAX);
        let other = columns.define(Sample::gauge("b", 0.0));
        assert_ne!(gone, other);
        let batch = columns.take();
        assert_eq!((batch.forget, batch.define.len(), batch.points.series.len()), (vec![gone], 1, 0));
        assert_eq!(columns.define(Sample::gauge("c", 0.0)), gone);
        assert_ne!(columns.define(Sample::gauge("d", 0.0)), gone);
    }
}
