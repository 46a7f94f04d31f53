//! A plugin that measures.

pub use crate::bindings::collector::exports::saker::plugin::collector::{CollectError, Run};
use crate::bindings::types::{Description, OpenError, Sample};
use crate::settings::Settings;

/// A plugin that measures. Export it with [`export_collector!`](crate::export_collector).
pub trait Collector: Sized + 'static {
    /// The settings, declared with [`settings!`](crate::settings!).
    type Settings: Settings;

    /// What this plugin is. Runs without any permission; leave the settings' schema empty, the macro fills it in.
    fn describe() -> Description;

    /// Makes an instance.
    ///
    /// # Errors
    /// Says which setting is unusable, which permission is missing, or what else went wrong.
    fn open(settings: Self::Settings) -> Result<Self, OpenError>;

    /// Measures once. Never called twice at the same time.
    ///
    /// # Errors
    /// Says why there are no values this time; the next run asks again.
    fn collect(&mut self, run: Run) -> Result<Vec<Sample>, CollectError>;

    /// The last call of an instance that ends in order.
    fn close(self) {}
}

/// Makes a [`Collector`] the plugin that this crate builds. Outside Wasm it expands to nothing.
#[macro_export]
macro_rules! export_collector {
    ($collector:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::collector::exports::saker::plugin::collector as world;

            $crate::instance!(Plugin, $collector);

            impl world::Guest for Plugin {
                fn describe() -> world::Description {
                    $crate::settings::with_schema::<<$collector as $crate::Collector>::Settings>(
                        <$collector as $crate::Collector>::describe(),
                    )
                }

                fn open(settings: ::std::string::String) -> ::std::result::Result<(), world::OpenError> {
                    let settings = $crate::settings::parse(&settings)?;
                    Plugin::put(<$collector as $crate::Collector>::open(settings)?);
                    ::std::result::Result::Ok(())
                }

                fn collect(run: world::Run) -> ::std::result::Result<world::Measurement, world::CollectError> {
                    Plugin::with(|collector| $crate::Collector::collect(collector, run))
                        .map(world::Measurement::Records)
                }

                fn close() {
                    Plugin::take().map($crate::Collector::close);
                }
            }

    $crate::bindings::collector::export_collector_world!(Plugin with_types_in $crate::bindings::collector);
        };
    };
}

/// The place of the one instance that a component holds.
#[doc(hidden)]
#[macro_export]
macro_rules! instance {
    ($name:ident, $plugin:ty) => {
        struct $name;

        ::std::thread_local! {
            static INSTANCE: ::std::cell::RefCell<::std::option::Option<$plugin>> =
                const { ::std::cell::RefCell::new(None) };
        }

        impl $name {
            fn put(plugin: $plugin) {
                INSTANCE.with(|place| *place.borrow_mut() = Some(plugin));
            }

            fn take() -> ::std::option::Option<$plugin> {
                INSTANCE.with(|place| place.borrow_mut().take())
            }

            fn with<R>(call: impl ::std::ops::FnOnce(&mut $plugin) -> R) -> R {
                INSTANCE.with(|place| call(place.borrow_mut().as_mut().expect("the agent opens before it calls")))
            }
        }
    };
}
