//! What was released stays as it is: the text of the contract, and that components built for it run.

use std::fmt::Write as _;
use std::sync::Arc;

use saker_model::{MetricType, Point, Series, SeriesId};
use saker_sandbox::{Backend, Collector, InstanceSpec, Plugin, PluginKind, Processor, Run, Verdict};

use crate::{root, sandbox};

/// The BLAKE3 hash of every file of every version that was released. Until a version is, its lines and the components in
/// tests/fixtures/plugins change with it: `steady-1` and `verdict-by-name` of the guests, and the `stdout` backend.
const RELEASED: &[(&str, &str)] = &[
    ("0.1.0/host.wit", "d341ab0ffdde40259ef0bf5f4dc41ded06a887cdd5b95633a0d1bdbb540dbf69"),
    ("0.1.0/plugin.wit", "e17f92516ea7ffa7d6ee97672cb27be918d2f5996c396852eba268dd680c6de4"),
    ("0.1.0/types.wit", "3a14f754581a93601666fff05a1dd949f62665f0af6ae77d50eb4fc62aa1dfd0"),
];

#[test]
fn a_released_contract_never_changes() {
    let mut found = String::new();
    let mut folders: Vec<_> =
        std::fs::read_dir(root().join("wit")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let name = file.strip_prefix(root().join("wit")).unwrap().display().to_string();
            writeln!(found, "{name} {}", blake3::hash(&std::fs::read(&file).unwrap())).unwrap();
        }
    }
    let released: String = RELEASED.iter().map(|(name, hash)| format!("{name} {hash}\n")).collect();
    assert_eq!(found, released, "what wit/ holds on the left; a change is a new version in a folder of its own");
}

/// A component that was built when this version of the contract was new, and was not built again since.
async fn kept(version: &str, kind: &str) -> Plugin {
    let path = root().join(format!("tests/fixtures/plugins/{version}/{kind}.wasm"));
    let plugin = sandbox().load(&std::fs::read(path).unwrap()).await.unwrap();
    assert_eq!((plugin.contract(), plugin.kind().as_str()), (version, kind));
    plugin
}

fn spec(settings: &str) -> InstanceSpec {
    InstanceSpec { name: "kept".into(), settings: settings.into(), ..InstanceSpec::default() }
}

fn series() -> Series {
    Series {
        endpoint: "host-1".into(),
        metric: "cpu.idle".into(),
        tags: [("core".into(), "0".into())].into(),
        metric_type: MetricType::Gauge,
        step_s: 10,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_built_for_0_1_0_runs() {
    let plugin = kept("0.1.0", PluginKind::Collector.as_str()).await;
    let mut collector = Collector::open(sandbox(), &plugin, &spec("{}")).await.unwrap();
    let run = Run { timestamp_ms: 1_700_000_000_000, interval_ms: 10_000, step_s: 10 };
    let values = collector.collect(&Arc::from("host-1"), run).await.unwrap();
    assert_eq!((values.len(), values[0].timestamp_ms), (1, 1_700_000_000_000), "{values:?}");
    collector.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_built_for_0_1_0_runs() {
    let plugin = kept("0.1.0", PluginKind::Processor.as_str()).await;
    let settings = r#"{"rename": {"cpu.idle": "idle"}}"#;
    let mut processor = Processor::open(sandbox(), &plugin, &spec(settings)).await.unwrap();
    let verdicts = processor.map_series(&[series()]).await.unwrap();
    assert!(matches!(&verdicts[..], [Verdict::Change(value)] if value.metric == "idle"), "{verdicts:?}");
    processor.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_built_for_0_1_0_runs() {
    let plugin = kept("0.1.0", PluginKind::Backend.as_str()).await;
    let spec = spec(r#"{"format": "influx"}"#);
    let mut backend = Backend::open(sandbox(), &plugin, &spec).await.unwrap();
    let points = [Point { series: SeriesId(7), timestamp_ms: 1_700_000_000_000, value: 1.5 }];
    let written = backend.write(Vec::new(), &[(SeriesId(7), Arc::new(series()))], &points).await.unwrap();
    backend.close().await.unwrap();
    assert_eq!(written, 1);
    assert_eq!(spec.log_tail.lines(), ["cpu.idle,core=0,endpoint=host-1 value=1.5 1700000000000000000"]);
}
