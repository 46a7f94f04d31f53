//! A collector whose schema is none and whose errors name no setting. The SDK makes neither, so this is written against
//! the bindings.

#[cfg(target_arch = "wasm32")]
mod raw {
    use saker_sdk::Description;
    use saker_sdk::bindings::collector::exports::saker::plugin::collector::{
        CollectError, Guest, Measurement, OpenError, Run, Sample,
    };

    struct InvalidSchema;

    const SCHEMA: &str = r#"{"type": "object", "required": ["place"], "properties": {
        "place": {"type": "text"}, "depth": {"type": "integer", "minimum": 1, "default": 0}}}"#;

    impl Guest for InvalidSchema {
        fn describe() -> Description {
            let description = Description::new("invalid-schema", "1.0.0", "");
            Description { settings_schema: SCHEMA.into(), ..description }
        }

        fn open(settings: String) -> Result<(), OpenError> {
            assert!(!settings.contains("\"depth\":\"kit\""), "what is this?");
            if settings.contains("place") { Ok(()) } else { Err(OpenError::Settings("no".into())) }
        }

        fn collect(_run: Run) -> Result<Measurement, CollectError> {
            Ok(Measurement::Records(vec![Sample::gauge("invalid-schema.value", 1.0)]))
        }

        fn close() {}
    }

    saker_sdk::bindings::collector::export_collector_world!(InvalidSchema with_types_in saker_sdk::bindings::collector);
}
