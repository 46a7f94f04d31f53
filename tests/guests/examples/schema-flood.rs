//! Hands over a schema of 4 MiB. The SDK makes the schema itself, so this is written against the bindings.

#[cfg(target_arch = "wasm32")]
mod raw {
    use saker_sdk::bindings::collector::exports::saker::plugin::collector::{
        CollectError, Description, Guest, Measurement, OpenError, Run,
    };

    struct Bomb;

    impl Guest for Bomb {
        fn describe() -> Description {
            let description = Description::new("schema-flood", "1.0.0", "Has a schema of 4 MiB");
            Description { settings_schema: format!("{{\"description\":\"{}\"}}", "x".repeat(4 << 20)), ..description }
        }

        fn open(_settings: String) -> Result<(), OpenError> {
            Ok(())
        }

        fn collect(_run: Run) -> Result<Measurement, CollectError> {
            Ok(Measurement::Records(Vec::new()))
        }

        fn close() {}
    }

    saker_sdk::bindings::collector::export_collector_world!(Bomb with_types_in saker_sdk::bindings::collector);
}
