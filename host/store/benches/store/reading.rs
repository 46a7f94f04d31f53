//! Reading beside VictoriaMetrics and Prometheus: the same questions over the same samples, each over HTTP on this machine.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use saker_model::MetricType;
use saker_store::{
    ArchiveAggregate, Budget, FOREVER_MS, Granularity, Op, Policies, Policy, PolicyRule, ReadColumns, StoreConfig,
    StoreMatcher, StoredChunk, StoredLabel, TimeRange,
};

use crate::Result;
use crate::keeper::{Keeper, cpu};
use crate::peers::{Peer, promql_name};
use crate::process::{Client, encoded};
use crate::samples::{Run, START_MS, Samples, series};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Questions of one kind: the 95th percentile is then the tenth from the top.
const ROUNDS: usize = 200;
/// Of those that take longer.
const ROUNDS_LARGE: usize = 20;

/// What a kind of question takes.
struct Times {
    wall: Vec<f64>,
    cpu_ms: f64,
}

impl Times {
    fn of(rounds: usize, cpu: impl Fn() -> Result<Duration>, mut ask: impl FnMut(usize) -> Result<()>) -> Result<Self> {
        let before = cpu()?;
        let mut wall = Vec::new();
        for round in 0..rounds {
            let began = Instant::now();
            ask(round)?;
            wall.push(began.elapsed().as_secs_f64() * 1e3);
        }
        wall.sort_by(f64::total_cmp);
        Ok(Self { cpu_ms: (cpu()? - before).as_secs_f64() * 1e3 / rounds as f64, wall })
    }

    fn at(&self, percent: usize) -> f64 {
        self.wall[(self.wall.len() * percent / 100).min(self.wall.len() - 1)]
    }

    fn show(&self, what: &str) {
        println!("{what:>44} {:>8.2} {:>8.2} {:>8.2}", self.at(50), self.at(95), self.cpu_ms);
    }
}

fn heading(what: &str) {
    println!("{what}\n{:>44} {:>8} {:>8} {:>8}", "ms", "p50", "p95", "CPU");
}

/// The store's HTTP API on a port of its own.
fn serve(keeper: &Keeper) -> Result<(tokio::runtime::Runtime, Client)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?.to_string();
    let router = saker_store::router(keeper.store.clone());
    runtime.spawn(async move { axum::serve(listener, router).await });
    let client = Client::when_ready(&address, &format!("{}?metric=none", saker_store::RANGE))?;
    Ok((runtime, client))
}

fn is(label: StoredLabel, value: &str) -> StoreMatcher {
    StoreMatcher { label, op: Op::Equal, value: value.into() }
}

/// A day at ten seconds.
pub(crate) fn reading() -> Result<()> {
    const SERIES: u32 = 200;
    let samples = Samples::model(SERIES, 10, 8640);
    let keeper = Keeper::new()?;
    keeper.keep(&samples)?;
    let day = TimeRange { start_ms: START_MS, end_ms: START_MS + DAY_MS - 1 };
    heading(&format!("Reading a day of points at 10 s, of {SERIES} series"));
    let read = |matchers: &[StoreMatcher]| -> Result<usize> {
        let (mut points, budget) = (0, Budget::unlimited());
        let found = keeper.store.select(matchers, day, usize::MAX)?;
        let visit = &mut |chunk: StoredChunk<'_>| points += chunk.timestamps.len();
        keeper.store.read(&found, day, &ReadColumns::raw(), &budget, visit)?;
        Ok(points)
    };
    let own = || Ok(cpu());
    let names = |round: usize| (format!("subsystem.metric{}", round * 3 % 5), format!("sd{}", round * 7 % 40));
    Times::of(ROUNDS, own, |round| {
        let (metric, device) = names(round);
        let points = read(&[is(StoredLabel::Metric, &metric), is(StoredLabel::Tag("device".into()), &device)])?;
        assert_eq!(points, 8640);
        Ok(())
    })?
    .show("saker, 1 series, no JSON");
    Times::of(ROUNDS_LARGE, own, |round| {
        assert_eq!(read(&[is(StoredLabel::Metric, &names(round).0)])?, 40 * 8640);
        Ok(())
    })?
    .show("saker, 40 series, no JSON");
    let (runtime, mut client) = serve(&keeper)?;
    let range = format!("{}?start={}&end={}", saker_store::RANGE, day.start_ms, day.end_ms);
    Times::of(ROUNDS, own, |round| {
        let (metric, device) = names(round);
        let answer = client.get(&format!("{range}&metric={metric}&tags=device={device}"))?;
        assert!(answer.len() > 8640 * 10);
        Ok(())
    })?
    .show("saker, 1 series, JSON over HTTP");
    Times::of(ROUNDS_LARGE, own, |round| {
        let answer = client.get(&format!("{range}&metric={}", names(round).0))?;
        assert!(answer.len() > 40 * 8640 * 10);
        Ok(())
    })?
    .show("saker, 40 series, JSON over HTTP");
    drop(client);
    runtime.shutdown_background();
    // One after the other: a server closes a connection on which nothing is asked for a while.
    for fill in [Peer::victoria, Peer::prometheus] {
        let mut peer = fill(&samples)?;
        let name = peer.name;
        let ask = |selector: &str, peer: &mut Peer, series: usize| -> Result<()> {
            let answer = peer.raw(selector, DAY_MS / 1000, day.end_ms)?;
            assert!(answer.len() > series * 8600 * 10, "{selector}: {} bytes", answer.len());
            Ok(())
        };
        let one = |round: usize| {
            let (metric, device) = names(round);
            format!("{}{{device=\"{device}\"}}", promql_name(&metric))
        };
        timed(&mut peer, ROUNDS, |peer, round| ask(&one(round), peer, 1))?.show(&format!("{name}, 1 series"));
        timed(&mut peer, ROUNDS_LARGE, |peer, round| ask(&promql_name(&names(round).0), peer, 40))?
            .show(&format!("{name}, 40 series"));
    }
    Ok(())
}

fn timed(peer: &mut Peer, rounds: usize, mut ask: impl FnMut(&mut Peer, usize) -> Result<()>) -> Result<Times> {
    let before = peer.process.cpu()?;
    let mut times = Times::of(rounds, || Ok(Duration::ZERO), |round| ask(peer, round))?;
    times.cpu_ms = (peer.process.cpu()? - before).as_secs_f64() * 1e3 / rounds as f64;
    Ok(times)
}

/// Two years of hours. The peers have one sample an hour of what the store has hours of.
pub(crate) fn hours() -> Result<()> {
    const SERIES: u32 = 40;
    const DAYS: i64 = 730;
    /// Twenty of them are an hour, and that is the least that gets a tier.
    const STEP_S: u32 = 180;
    let end_ms = START_MS + DAYS * DAY_MS;
    let keeper = Keeper::with(hourly()?)?;
    for number in 0..SERIES {
        keeper.store.register(number, &series("two.years", &format!("sd{number}"), STEP_S, MetricType::Gauge));
    }
    let group = keeper.store.group("host", STEP_S * 1000);
    let mut host = crate::samples::Host::new(SERIES);
    let mut row: Vec<(u32, f64)> = (0..SERIES).map(|number| (number, 0.0)).collect();
    let mut hourly = Samples {
        what: "hours".into(),
        step_s: 3600,
        series: (0..SERIES)
            .map(|number| series("two.years", &format!("sd{number}"), 3600, MetricType::Gauge))
            .collect(),
        sources: vec!["host".into()],
        runs: Vec::new(),
    };
    for time_ms in (START_MS..end_ms).step_by(STEP_S as usize * 1000) {
        host.next(&mut row);
        keeper.store.append_tick(group, time_ms, &row, time_ms)?;
        if time_ms % HOUR_MS == 0 {
            hourly.runs.push(Run { source: 0, time_ms, values: row.clone() });
        }
        // Retention takes a file a round.
        if time_ms % (3 * HOUR_MS) == 0 {
            keeper.store.sync()?;
            let around =
                saker_store::Surroundings { now_ms: time_ms, uptime_ms: time_ms - START_MS, ..Default::default() };
            keeper.store.maintain(around)?;
        }
    }
    let tier = keeper.store.status()?.tiers.into_iter().find(|tier| tier.granularity_ms == HOUR_MS);
    let tier = tier.ok_or("no hours")?;
    heading(&format!(
        "Reading two years of hours, of {SERIES} series; {} files, {:.2} B a bucket",
        tier.files,
        tier.bytes as f64 / tier.points as f64
    ));
    let range = TimeRange { start_ms: START_MS, end_ms: end_ms - 1 };
    let columns = ReadColumns { granularity_ms: HOUR_MS, aggregates: vec![ArchiveAggregate::Mean] };
    Times::of(
        ROUNDS_LARGE,
        || Ok(cpu()),
        |round| {
            let matchers = [
                is(StoredLabel::Metric, "two.years"),
                is(StoredLabel::Tag("device".into()), &format!("sd{}", round % 40)),
            ];
            let (mut points, budget) = (0, Budget::unlimited());
            let found = keeper.store.select(&matchers, range, usize::MAX)?;
            keeper.store.read(&found, range, &columns, &budget, &mut |chunk| points += chunk.timestamps.len())?;
            assert_eq!(points as i64, DAYS * 24);
            Ok(())
        },
    )?
    .show("saker, 1 series, no JSON");
    let (runtime, mut client) = serve(&keeper)?;
    let mut path = format!("{}?step=1h&start={}&end={}", saker_store::RANGE, range.start_ms, range.end_ms);
    write!(path, "&metric=two.years&tags={}", encoded("device=sd"))?;
    Times::of(
        ROUNDS_LARGE,
        || Ok(cpu()),
        |round| {
            client.get(&format!("{path}{}", round % 40))?;
            Ok(())
        },
    )?
    .show("saker, 1 series, JSON over HTTP");
    runtime.shutdown_background();
    for fill in [Peer::victoria, Peer::prometheus] {
        let mut peer = fill(&hourly)?;
        let name = peer.name;
        timed(&mut peer, ROUNDS_LARGE, |peer, round| {
            let selector = format!("two_years{{device=\"sd{}\"}}", round % 40);
            let answer = peer.raw(&selector, DAYS * 86_400, range.end_ms)?;
            assert!(answer.len() > 17_000 * 10);
            Ok(())
        })?
        .show(&format!("{name}, 1 series"));
    }
    Ok(())
}

/// Raw for a day, hours for ever.
fn hourly() -> Result<StoreConfig> {
    let policy = Policy {
        name: "hourly".into(),
        raw_ms: DAY_MS,
        definition: vec![Granularity { granularity_ms: HOUR_MS, timespan_ms: FOREVER_MS }],
        std: false,
        percentiles: false,
        back_window_ms: HOUR_MS,
        by_data: false,
    };
    let rule = PolicyRule { metric: saker_model::Glob::new("*"), tags: Vec::new(), policy: "hourly".into() };
    Ok(StoreConfig { policies: Policies::new(vec![policy], vec![rule])?, ..StoreConfig::default() })
}
