//! Every door, byte for byte.

mod cadvisor;
mod falcon;
mod host;
mod peers;
mod prometheus;
mod server;

use super::*;
use crate::engine::Engine;
use crate::{MemoryReader, NoDescriptions, QueryConfig};
use axum::http::Request;
use parking_lot::Mutex;
use saker_model::MetricType;
use saker_pipeline::reader::{Attributes, Identity, ReadError, SeriesRef};
use tower_service::Service;

/// Whatever was erased.
#[derive(Default)]
pub(super) struct Erased(Mutex<Vec<String>>);

impl SeriesEraser for Erased {
    fn erase(&self, series: &[SeriesRef]) -> Result<(), ReadError> {
        let name = |series: &SeriesRef| {
            format!("{} {}", series.identity.endpoint, crate::falcon::counter_of(&series.identity))
        };
        self.0.lock().extend(series.iter().map(name));
        Ok(())
    }
}

pub(super) struct Doors {
    router: Router,
    engine: Arc<Engine>,
    erased: Arc<Erased>,
}

pub(super) fn identity(endpoint: &str, metric: &str, tags: &[(&str, &str)]) -> Identity {
    let tags = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Identity { endpoint: endpoint.into(), metric: metric.into(), tags }
}

/// A series with its type, its step and its samples.
type Sampled<'a> = (Identity, MetricType, u32, &'a [(i64, f64)]);

/// The doors over series and their samples.
pub(super) fn doors(samples: &[Sampled<'_>]) -> Doors {
    let mut reader = MemoryReader::default();
    for (identity, metric_type, step_s, samples) in samples {
        reader.set_attributes(identity, Attributes { metric_type: *metric_type, step_s: *step_s });
        samples.iter().for_each(|(time_ms, value)| reader.push(identity, *time_ms, *value));
    }
    over(Arc::new(reader), QueryConfig::default())
}

pub(super) fn over(reader: Arc<dyn SeriesReader>, config: QueryConfig) -> Doors {
    let engine = Engine::new(config, reader.clone());
    let erased = Arc::new(Erased::default());
    let router = router(Dependencies {
        engine: engine.clone(),
        recent: reader,
        eraser: Some(erased.clone()),
        descriptions: Arc::new(NoDescriptions),
        version: "0.1.0",
        address: "10.0.0.1:1988".into(),
    });
    Doors { router, engine, erased }
}

/// Status, type and body of an answer.
pub(super) type Answered = (u16, String, String);

impl Doors {
    pub(super) async fn call(&self, request: Request<Body>) -> Response {
        let Ok(response) = self.router.clone().call(request).await;
        response
    }

    pub(super) async fn ask(&self, request: Request<Body>) -> Answered {
        let response = self.call(request).await;
        let kind = response.headers().get(header::CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap()).to_owned();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    pub(super) async fn get(&self, path: &str) -> Answered {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(super) async fn form(&self, path: &str, form: &str) -> Answered {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    pub(super) async fn json(&self, method: &str, path: &str, body: &str) -> Answered {
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

#[tokio::test]
async fn the_table_of_paths_is_the_routers() {
    let doors = doors(&[]);
    for (methods, path, _) in PATHS {
        let path = path.replace("{name}", "job").replace("{*name}", "job").replace("{id}", "7");
        for method in ["GET", "POST", "DELETE", "PUT"] {
            let (status, _, body) = doors.json(method, &path, "[]").await;
            // Where there is no route, there is no word either.
            let is_there = status != 405 && (status != 404 || !body.is_empty());
            assert_eq!(is_there, methods.split(' ').any(|listed| listed == method), "{method} {path}: {status}");
        }
    }
}
