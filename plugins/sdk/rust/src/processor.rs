//! A plugin that renames, tags or drops series.

pub use crate::bindings::processor::exports::saker::plugin::processor::{ProcessError, Verdict};
use crate::bindings::types::{Description, OpenError, Series};
use crate::settings::Settings;

/// A plugin that judges new series. Export it with [`export_processor!`](crate::export_processor).
pub trait Processor: Sized + 'static {
    /// The settings, declared with [`settings!`](crate::settings!).
    type Settings: Settings;

    /// What this plugin is. Runs without any permission; leave the settings' schema empty, the macro fills it in.
    fn describe() -> Description;

    /// Makes an instance.
    ///
    /// # Errors
    /// Says which setting is unusable, which permission is missing, or what else went wrong.
    fn open(settings: Self::Settings) -> Result<Self, OpenError>;

    /// Judges one new series. The answer is remembered: the same series is not asked about again.
    ///
    /// # Errors
    /// Says why it could not be judged; the series is asked about again later.
    fn map_series(&mut self, series: Series) -> Result<Verdict, ProcessError>;

    /// The last call of an instance that ends in order.
    fn close(self) {}
}

/// Makes a [`Processor`] the plugin that this crate builds. Outside Wasm it expands to nothing.
#[macro_export]
macro_rules! export_processor {
    ($processor:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::processor::exports::saker::plugin::processor as world;

            $crate::instance!(Plugin, $processor);

            impl world::Guest for Plugin {
                fn describe() -> world::Description {
                    $crate::settings::with_schema::<<$processor as $crate::Processor>::Settings>(
                        <$processor as $crate::Processor>::describe(),
                    )
                }

                fn open(settings: ::std::string::String) -> ::std::result::Result<(), world::OpenError> {
                    let settings = $crate::settings::parse(&settings)?;
                    Plugin::put(<$processor as $crate::Processor>::open(settings)?);
                    ::std::result::Result::Ok(())
                }

                fn map_series(series: ::std::vec::Vec<world::Series>) -> ::std::vec::Vec<world::Verdict> {
                    Plugin::with(|processor| {
                        let judge =
                            |one| $crate::Processor::map_series(processor, one).unwrap_or_else(world::Verdict::Fail);
                        series.into_iter().map(judge).collect()
                    })
                }

                fn close() {
                    Plugin::take().map($crate::Processor::close);
                }
            }

    $crate::bindings::processor::export_processor_world!(Plugin with_types_in $crate::bindings::processor);
        };
    };
}
