use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use saker_journal::SimDisk;
use saker_model::{MetricType, Point, SeriesId};
use tower_service::Service as _;

use super::*;
use crate::store::StoreConfig;
use crate::transfer::read_exported;

const SERIES: u32 = 3;
const POINTS: i64 = 12;

/// Names, and before when.
type Forgotten = Arc<Mutex<Vec<(String, Option<i64>)>>>;

/// A store with points of the last two minutes, its routes, and what was forgotten elsewhere.
struct Doors {
    store: Arc<Store>,
    router: Router,
    forgotten: Forgotten,
    start_ms: i64,
}

fn empty() -> Doors {
    let disk = SimDisk::new(1);
    let store = Arc::new(Store::open(&*disk.root(), StoreConfig::default(), now_ms()).unwrap().0);
    let forgotten = Arc::new(Mutex::new(Vec::new()));
    let forget: Forget = Arc::new({
        let forgotten = forgotten.clone();
        move |series, before| {
            forgotten.lock().extend(series.iter().map(|series| (series.metric.to_string(), before)));
        }
    });
    let router = looking(store.clone()).merge(operating(store.clone(), forget));
    Doors { store, router, forgotten, start_ms: now_ms() - 120_000 }
}

fn filled() -> Doors {
    let doors = empty();
    for number in 0..SERIES {
        let series = Series {
            endpoint: "h".into(),
            metric: format!("cpu.mode{number}").into(),
            tags: [("core".into(), "0".into())].into(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        };
        assert!(doors.store.register(number, &series));
        let point =
            |at: i64| Point { series: SeriesId(number), timestamp_ms: doors.start_ms + at * 10_000, value: at as f64 };
        doors.store.append_points(&(0..POINTS).map(point).collect::<Vec<_>>(), now_ms()).unwrap();
    }
    doors
}

impl Doors {
    async fn ask(&mut self, method: &str, path: &str, body: Vec<u8>) -> (StatusCode, Option<String>, Bytes) {
        let request = Request::builder().method(method).uri(format!("{STORE}{path}")).body(Body::from(body)).unwrap();
        let response = self.router.call(request).await.unwrap();
        let next = response.headers().get(NEXT).map(|next| next.to_str().unwrap().to_owned());
        let status = response.status();
        (status, next, response.into_body().collect().await.unwrap().to_bytes())
    }

    async fn json(&mut self, method: &str, path: &str) -> (StatusCode, Value) {
        let (status, _, body) = self.ask(method, path, Vec::new()).await;
        (status, serde_json::from_slice(&body).unwrap())
    }

    fn points(&self) -> usize {
        let all = TimeRange { start_ms: 0, end_ms: i64::MAX / 2 };
        let (mut points, series) = (0, self.store.select(&[], all, usize::MAX).unwrap());
        let visit = &mut |chunk: crate::StoredChunk<'_>| points += chunk.timestamps.len();
        self.store.read(&series, all, &crate::ReadColumns::raw(), &Budget::unlimited(), visit).unwrap();
        points
    }
}

#[tokio::test]
async fn a_delete_is_of_what_is_named_and_is_forgotten_elsewhere() {
    let mut doors = filled();
    let (status, answer) = doors.json("POST", "/delete").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "nothing is named: {answer}");
    let (_, answer) = doors.json("POST", "/delete?metric=cpu.*&dry_run=true").await;
    assert_eq!((&answer["series"], &answer["deleted"]), (&json!(3), &json!(false)));
    assert_eq!(doors.points(), 36);
    let before = doors.start_ms + 50_000;
    let (status, answer) = doors.json("POST", &format!("/delete?metric=cpu.mode1&before={before}")).await;
    assert_eq!((status, &answer["names"][0]["metric"]), (StatusCode::OK, &json!("cpu.mode1")));
    assert_eq!(doors.points(), 36 - 5);
    doors.json("POST", "/delete?metric=cpu.mode0&tags=core=0").await;
    assert_eq!(doors.points(), 24 - 5);
    let expected = [("cpu.mode1".to_owned(), Some(before)), ("cpu.mode0".to_owned(), None)];
    assert_eq!(*doors.forgotten.lock(), expected);
    let (_, answer) = doors.json("POST", "/delete?metric=none.such").await;
    assert_eq!(answer["series"], 0);
}

#[tokio::test]
async fn what_is_exported_page_by_page_is_imported_elsewhere() {
    let (mut from, mut to) = (filled(), empty());
    let (_, next, page) = from.ask("GET", "/export?metric=*", Vec::new()).await;
    assert_eq!(next, None);
    let (mut blocks, mut points) = (0, 0);
    let damaged = read_exported(&page, |exported| (blocks, points) = (blocks + 1, points + exported.points.len()));
    assert_eq!((damaged, blocks, points), (0, 3, 36));
    let (status, _, answer) = to.ask("POST", "/import", page.to_vec()).await;
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((status, &answer["taken"], &answer["damaged_blocks"]), (StatusCode::OK, &json!(36), &json!(0)));
    assert_eq!(to.points(), 36);
    // Behind a series come those after it, and its key may stand in a query.
    let key = encoded("cpu.mode0\u{1}h\u{1}core\u{2}0");
    let (_, _, page) = from.ask("GET", &format!("/export?metric=*&after={key}"), Vec::new()).await;
    let mut metrics = Vec::new();
    read_exported(&page, |exported| metrics.push(exported.series.metric().to_owned()));
    assert_eq!(metrics, ["cpu.mode1", "cpu.mode2"]);
}

#[tokio::test]
async fn an_import_of_anything_else_takes_nothing_and_says_so() {
    let mut doors = filled();
    let (status, _, answer) = doors.ask("POST", "/import", vec![7; 5000]).await;
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((status, &answer["taken"], &answer["damaged_bytes"]), (StatusCode::OK, &json!(0), &json!(5000)));
    let (status, ..) = doors.ask("POST", "/import", vec![0; IMPORT_BYTES + 1]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn status_policies_and_verify_say_what_there_is() {
    let mut doors = filled();
    doors.store.flush().unwrap();
    let (_, status) = doors.json("GET", "").await;
    assert_eq!((&status["tiers"][0]["points"], &status["samples"]), (&json!(36), &json!(36)), "{status}");
    let (_, policies) = doors.json("GET", "/policies").await;
    let names: Vec<&str> =
        policies["policies"].as_array().unwrap().iter().filter_map(|policy| policy["name"].as_str()).collect();
    assert!(names.contains(&"falcon") && names.contains(&"default"), "{names:?}");
    let (_, verified) = doors.json("POST", "/verify").await;
    let file = &verified["files"][0];
    assert!(file["frames"].as_u64() > Some(0) && file["damaged_frames"] == 0, "{verified}");
    let (status, compacted) = doors.json("POST", "/compact").await;
    assert_eq!(status, StatusCode::OK, "{compacted}");
}
