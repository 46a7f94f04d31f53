//! A plugin that hands points to a storage system.

pub use crate::bindings::backend::exports::saker::plugin::backend::{Definition, Reject, Retry, WriteError, Written};
use crate::bindings::types::{Description, OpenError, Permission, SeriesId};
use crate::point::Point;
use crate::settings::Settings;

/// A plugin that writes points. Export it with [`export_backend!`](crate::export_backend).
///
/// Build whatever text stands for a series in [`define`](Backend::define), where it costs once per series, and only
/// append it in [`write`](Backend::write).
pub trait Backend: Sized + 'static {
    /// The settings, declared with [`settings!`](crate::settings!).
    type Settings: Settings;

    /// What this plugin is. Runs without any permission; leave the settings' schema empty, the macro fills it in.
    fn describe() -> Description;

    /// Makes an instance. The destination need not be there yet.
    ///
    /// # Errors
    /// Says which setting is unusable, which permission is missing, or what else went wrong.
    fn open(settings: Self::Settings) -> Result<Self, OpenError>;

    /// Gives series their handles. A handle that is defined again stands for the new series.
    fn define(&mut self, definitions: Vec<Definition>);

    /// Writes points and returns once the destination has them; returns how many it took. No points: does nothing.
    ///
    /// # Errors
    /// Says whether to try the same points again, to give them up, or to replace the instance.
    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError>;

    /// Takes handles back.
    fn forget(&mut self, ids: Vec<SeriesId>);

    /// The last call of an instance that ends in order.
    fn close(self) {}
}

impl WriteError {
    /// The destination is away or busy: try again, at the earliest after this many milliseconds if it said so.
    #[must_use]
    pub fn retry(message: impl Into<String>, after_ms: Option<u32>) -> Self {
        Self::Retry(Retry { after_ms, message: message.into() })
    }

    /// The destination will never take any of these points.
    #[must_use]
    pub fn reject(message: impl Into<String>) -> Self {
        Self::Reject(Reject { points: Vec::new(), message: message.into() })
    }

    /// The destination is not among the granted addresses (`host:port`).
    #[must_use]
    pub fn denied(address: impl Into<String>) -> Self {
        Self::Denied(Permission::Connect(address.into()))
    }
}

/// Makes a [`Backend`] the plugin that this crate builds. Outside Wasm it expands to nothing.
#[macro_export]
macro_rules! export_backend {
    ($backend:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::backend::exports::saker::plugin::backend as world;

            $crate::instance!(Plugin, $backend);

            impl world::Guest for Plugin {
                fn describe() -> world::Description {
                    $crate::settings::with_schema::<<$backend as $crate::Backend>::Settings>(
                        <$backend as $crate::Backend>::describe(),
                    )
                }

                fn open(settings: ::std::string::String) -> ::std::result::Result<(), world::OpenError> {
                    let settings = $crate::settings::parse(&settings)?;
                    Plugin::put(<$backend as $crate::Backend>::open(settings)?);
                    ::std::result::Result::Ok(())
                }

                fn define(definitions: ::std::vec::Vec<world::Definition>) {
                    Plugin::with(|backend| $crate::Backend::define(backend, definitions));
                }

                fn write(points: world::Columns) -> ::std::result::Result<world::Written, world::WriteError> {
                    Plugin::with(|backend| $crate::Backend::write(backend, $crate::rows(&points)))
                        .map(|taken| world::Written { points: u32::try_from(taken).unwrap_or(u32::MAX) })
                }

                fn forget(ids: ::std::vec::Vec<world::SeriesId>) {
                    Plugin::with(|backend| $crate::Backend::forget(backend, ids));
                }

                fn close() {
                    Plugin::take().map($crate::Backend::close);
                }
            }

    $crate::bindings::backend::export_backend_world!(Plugin with_types_in $crate::bindings::backend);
        };
    };
}
