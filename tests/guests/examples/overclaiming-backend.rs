//! A backend that says it has written more points than there were. The SDK's trait makes no number of its own, so this
//! is written against the bindings.

#[cfg(target_arch = "wasm32")]
mod raw {
    use saker_sdk::Setting;
    use saker_sdk::bindings::backend::exports::saker::plugin::backend::{
        Columns, Definition, Description, Guest, OpenError, WriteError, Written,
    };

    struct OverclaimingBackend;

    impl Guest for OverclaimingBackend {
        fn describe() -> Description {
            let description =
                Description::new("overclaiming-backend", "1.0.0", "Says it has written more than there was");
            Description { settings_schema: <()>::schema().to_string(), ..description }
        }

        fn open(_settings: String) -> Result<(), OpenError> {
            Ok(())
        }

        fn define(_definitions: Vec<Definition>) {}

        fn write(_points: Columns) -> Result<Written, WriteError> {
            Ok(Written { points: u32::MAX })
        }

        fn forget(_ids: Vec<u32>) {}

        fn close() {}
    }

    saker_sdk::bindings::backend::export_backend_world!(OverclaimingBackend with_types_in saker_sdk::bindings::backend);
}
