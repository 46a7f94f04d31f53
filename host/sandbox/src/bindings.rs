//! The generated side of the contract in `wit/`: one module per world, sharing the host's interfaces.
#![allow(missing_docs, unreachable_pub, reason = "generated code")]

pub(crate) mod collector {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1.0",
        world: "collector-plugin",
        imports: {
            "saker:plugin/compression.gzip": trappable,
            "saker:plugin/compression.zstd": trappable,
        },
        exports: { default: async },
    });
}

pub(crate) mod processor {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1.0",
        world: "processor-plugin",
        exports: { default: async },
        with: {
            "saker:plugin/types": crate::bindings::collector::saker::plugin::types,
            "saker:plugin/log": crate::bindings::collector::saker::plugin::log,
            "saker:plugin/state": crate::bindings::collector::saker::plugin::state,
            "saker:plugin/statfs": crate::bindings::collector::saker::plugin::statfs,
            "saker:plugin/compression": crate::bindings::collector::saker::plugin::compression,
            "saker:plugin/custom-metrics": crate::bindings::collector::saker::plugin::custom_metrics,
        },
    });
}

pub(crate) mod backend {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1.0",
        world: "backend-plugin",
        exports: { default: async },
        with: {
            "saker:plugin/types": crate::bindings::collector::saker::plugin::types,
            "saker:plugin/log": crate::bindings::collector::saker::plugin::log,
            "saker:plugin/state": crate::bindings::collector::saker::plugin::state,
            "saker:plugin/statfs": crate::bindings::collector::saker::plugin::statfs,
            "saker:plugin/compression": crate::bindings::collector::saker::plugin::compression,
            "saker:plugin/custom-metrics": crate::bindings::collector::saker::plugin::custom_metrics,
        },
    });
}

pub(crate) use collector::saker::plugin as host;
pub(crate) use collector::saker::plugin::types;
