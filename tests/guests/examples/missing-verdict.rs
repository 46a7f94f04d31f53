//! A processor that gives one verdict less than it was asked for. The SDK's trait cannot say that, so this is written
//! against the bindings.

#[cfg(target_arch = "wasm32")]
mod raw {
    use saker_sdk::bindings::processor::exports::saker::plugin::processor::{Description, Guest, OpenError, Series};
    use saker_sdk::{Setting, Verdict};

    struct MissingVerdict;

    impl Guest for MissingVerdict {
        fn describe() -> Description {
            let description = Description::new("missing-verdict", "1.0.0", "Gives one verdict less than it should");
            Description { settings_schema: <()>::schema().to_string(), ..description }
        }

        fn open(_settings: String) -> Result<(), OpenError> {
            Ok(())
        }

        fn map_series(series: Vec<Series>) -> Vec<Verdict> {
            series.into_iter().skip(1).map(|_| Verdict::Keep).collect()
        }

        fn close() {}
    }

    saker_sdk::bindings::processor::export_processor_world!(MissingVerdict with_types_in saker_sdk::bindings::processor);
}
