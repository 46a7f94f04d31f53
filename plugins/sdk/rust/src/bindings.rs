//! The generated side of the contract in `wit/`: one module per world, all sharing the same records.
//!
//! `pub_export_macro` keeps each world's exports in the macro that a plugin calls, so that a plugin which links this
//! crate exports only the world that it chose.
#![allow(missing_docs, clippy::allow_attributes_without_reason, reason = "generated code")]

pub mod collector {
    wit_bindgen::generate!({
        path: "wit",
        world: "collector-plugin",
        pub_export_macro: true,
        export_macro_name: "export_collector_world",
        default_bindings_module: "saker_sdk::bindings::collector",
        generate_unused_types: true,
        additional_derives: [PartialEq],
    });
}

pub mod processor {
    wit_bindgen::generate!({
        path: "wit",
        world: "processor-plugin",
        pub_export_macro: true,
        export_macro_name: "export_processor_world",
        default_bindings_module: "saker_sdk::bindings::processor",
        with: {
            "saker:plugin/types@0.1.0": crate::bindings::types,
            "saker:plugin/log@0.1.0": crate::bindings::collector::saker::plugin::log,
            "saker:plugin/state@0.1.0": crate::bindings::collector::saker::plugin::state,
            "saker:plugin/statfs@0.1.0": crate::bindings::collector::saker::plugin::statfs,
            "saker:plugin/compression@0.1.0": crate::bindings::collector::saker::plugin::compression,
            "saker:plugin/custom-metrics@0.1.0": crate::bindings::collector::saker::plugin::custom_metrics,
        },
    });
}

pub mod backend {
    wit_bindgen::generate!({
        path: "wit",
        world: "backend-plugin",
        pub_export_macro: true,
        export_macro_name: "export_backend_world",
        default_bindings_module: "saker_sdk::bindings::backend",
        with: {
            "saker:plugin/types@0.1.0": crate::bindings::types,
            "saker:plugin/log@0.1.0": crate::bindings::collector::saker::plugin::log,
            "saker:plugin/state@0.1.0": crate::bindings::collector::saker::plugin::state,
            "saker:plugin/statfs@0.1.0": crate::bindings::collector::saker::plugin::statfs,
            "saker:plugin/compression@0.1.0": crate::bindings::collector::saker::plugin::compression,
            "saker:plugin/custom-metrics@0.1.0": crate::bindings::collector::saker::plugin::custom_metrics,
        },
    });
}

pub use collector::saker::plugin::types;
