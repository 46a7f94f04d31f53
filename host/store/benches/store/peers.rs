//! Debian's VictoriaMetrics and Prometheus, filled with the same samples.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use saker_model::Series;
use tempfile::TempDir;

use crate::Result;
use crate::process::{Client, Process, encoded, nobody, weigh};
use crate::samples::Samples;

/// Values of one line that is imported.
const LINE_VALUES: usize = 10_000;
/// Bytes that are sent at once.
const SEND_BYTES: usize = 8 << 20;

/// A server that holds samples.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) client: Client,
    pub(crate) dir: TempDir,
    /// What taking the samples in has cost.
    pub(crate) taken: Duration,
}

/// The name of a metric as PromQL can say it.
pub(crate) fn promql_name(metric: &str) -> String {
    metric.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

impl Peer {
    pub(crate) fn victoria(samples: &Samples) -> Result<Self> {
        let (dir, address) = (TempDir::new()?, nobody()?);
        let mut arguments = vec![format!("-httpListenAddr={address}")];
        arguments.extend(
            [
                "-storageDataPath=data",
                "-retentionPeriod=100y",
                "-loggerLevel=ERROR",
                // By default it closes what is busy for two minutes.
                "-http.connTimeout=24h",
                "-http.idleConnTimeout=24h",
                "-search.maxPointsPerTimeseries=1000000",
            ]
            .map(str::to_owned),
        );
        let process = Process::start("victoria-metrics", &arguments, dir.path())?;
        let mut client = Client::when_ready(&address, "/health")?;
        let before = process.cpu()?;
        let mut lines = String::new();
        for (series, points) in samples.series.iter().zip(samples.columns()) {
            for part in points.chunks(LINE_VALUES) {
                let values: Vec<String> = part.iter().map(|point| point.1.to_string()).collect();
                let times: Vec<String> = part.iter().map(|point| point.0.to_string()).collect();
                let labels = labels(series, "\":\"");
                writeln!(
                    lines,
                    "{{\"metric\":{{\"__name__\":\"{}\"{labels}}},\"values\":[{}],\"timestamps\":[{}]}}",
                    promql_name(&series.metric),
                    values.join(","),
                    times.join(",")
                )?;
                if lines.len() >= SEND_BYTES {
                    client.post("/api/v1/import", &lines)?;
                    lines.clear();
                }
            }
        }
        client.post("/api/v1/import", &lines)?;
        let taken = process.cpu()? - before;
        client.get("/internal/force_flush")?;
        client.get("/internal/force_merge")?;
        while merges(&client.get("/metrics")?) {
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Self { name: "VictoriaMetrics", process, client, dir, taken })
    }

    pub(crate) fn prometheus(samples: &Samples) -> Result<Self> {
        let (dir, address) = (TempDir::new()?, nobody()?);
        std::fs::create_dir(dir.path().join("data"))?;
        std::fs::write(dir.path().join("prometheus.yml"), "")?;
        let mut text = std::io::BufWriter::new(std::fs::File::create(dir.path().join("samples"))?);
        for (series, points) in samples.series.iter().zip(samples.columns()) {
            let labels = labels(series, "=\"").replace(",\"", ",");
            let labels = labels.trim_start_matches(',');
            let name = promql_name(&series.metric);
            for (time_ms, value) in points {
                writeln!(text, "{name}{{{labels}}} {value} {}.{:03}", time_ms / 1000, time_ms % 1000)?;
            }
        }
        writeln!(text, "# EOF")?;
        text.flush()?;
        let arguments =
            ["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=31d", "--quiet", "samples", "data"];
        Process::start("promtool", &arguments.map(str::to_owned), dir.path())?.wait()?;
        std::fs::remove_file(dir.path().join("samples"))?;
        let arguments = [
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--storage.tsdb.retention.time=100y",
            &format!("--web.listen-address={address}"),
        ];
        let process = Process::start("prometheus", &arguments.map(str::to_owned), dir.path())?;
        let client = Client::when_ready(&address, "/-/ready")?;
        Ok(Self { name: "Prometheus", process, client, dir, taken: Duration::ZERO })
    }

    /// All points of what a selector selects, in seconds before a time.
    pub(crate) fn raw(&mut self, selector: &str, seconds: i64, end_ms: i64) -> Result<String> {
        let query = encoded(&format!("{selector}[{seconds}s]"));
        self.client.get(&format!("/api/v1/query?query={query}&time={}.{:03}", end_ms / 1000, end_ms % 1000))
    }

    /// Ends it in order; the bytes of all that it has on disk, and of its index alone.
    pub(crate) fn stop_and_weigh(self) -> Result<u64> {
        let Self { process, client, dir, .. } = self;
        drop(client);
        process.end()?;
        let data = dir.path().join("data");
        match data.join("indexdb").exists() {
            true => Ok(weigh(&data.join("data"))? + weigh(&data.join("indexdb"))?),
            false => blocks(&data),
        }
    }
}

/// The blocks of a Prometheus: what else is there is what its head has prepared for.
fn blocks(data: &std::path::Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(data)? {
        let path = entry?.path();
        if path.join("meta.json").exists() {
            bytes += weigh(&path)?;
        }
    }
    Ok(bytes)
}

fn labels(series: &Series, between: &str) -> String {
    let mut text = format!(",\"endpoint{between}{}\"", series.endpoint);
    for (name, value) in series.tags.iter() {
        let _ = write!(text, ",\"{}{between}{value}\"", promql_name(name));
    }
    text
}

/// Whether a VictoriaMetrics is merging.
fn merges(metrics: &str) -> bool {
    let active = |line: &str| line.starts_with("vm_active_force_merges") || line.starts_with("vm_active_merges");
    metrics.lines().any(|line| active(line) && !line.ends_with(" 0"))
}
