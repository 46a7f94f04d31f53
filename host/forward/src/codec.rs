//! TEMPORARY
use saker_model::{MetricType, Point, Series, SeriesId};
use std::sync::Arc;
#[derive(Default)]
pub(crate) struct Encoder {
    map: std::collections::HashMap<u32, u32>,
    n: u32,
}
#[derive(Default)]
pub(crate) struct Decoder {
    ids: Vec<SeriesId>,
}
#[derive(Debug, thiserror::Error)]
#[error("corrupt")]
pub(crate) struct CodecError;
impl Encoder {
    pub(crate) fn forget(&mut self, ids: &[SeriesId]) {
        for i in ids {
            self.map.remove(&i.0);
        }
    }
    pub(crate) fn encode(
        &mut self,
        new: bool,
        points: &[Point],
        mut of: impl FnMut(SeriesId) -> Option<Arc<Series>>,
        out: &mut Vec<u8>,
    ) {
        if new {
            self.map.clear();
            self.n = 0;
        }
        for p in points {
            let idx = if let Some(i) = self.map.get(&p.series.0) {
                *i
            } else {
                let i = self.n;
                self.n += 1;
                self.map.insert(p.series.0, i);
                let s = of(p.series);
                let s = s
                    .map(|s| {
                        let mut v =
                            format!("{}\x1f{}\x1f{}\x1f{}", s.endpoint, s.metric, s.metric_type.as_str(), s.step_s);
                        for (k, t) in s.tags.iter() {
                            v.push_str(&format!("\x1f{k}\x1f{t}"));
                        }
                        v
                    })
                    .unwrap_or_default();
                out.push(1);
                out.extend((s.len() as u32).to_le_bytes());
                out.extend(s.as_bytes());
                i
            };
            out.push(0);
            out.extend(idx.to_le_bytes());
            out.extend(p.timestamp_ms.to_le_bytes());
            out.extend(p.value.to_bits().to_le_bytes());
        }
    }
}
impl Decoder {
    pub(crate) fn decode(
        &mut self,
        new: bool,
        mut r: &[u8],
        mut intern: impl FnMut(Series) -> SeriesId,
        out: &mut Vec<Point>,
    ) -> Result<(), CodecError> {
        if new {
            self.ids.clear();
        }
        while !r.is_empty() {
            let t = r[0];
            r = &r[1..];
            if t == 1 {
                let n = u32::from_le_bytes(r[..4].try_into().unwrap()) as usize;
                let s = std::str::from_utf8(&r[4..4 + n]).unwrap();
                let f: Vec<&str> = s.split('\x1f').collect();
                let tags = f[4..].chunks(2).map(|c| (c[0].into(), c[1].into())).collect();
                self.ids.push(intern(Series {
                    endpoint: f[0].into(),
                    metric: f[1].into(),
                    metric_type: MetricType::parse(f[2]).unwrap(),
                    step_s: f[3].parse().unwrap(),
                    tags,
                }));
                r = &r[4 + n..];
            } else {
                let idx = u32::from_le_bytes(r[..4].try_into().unwrap());
                out.push(Point {
                    series: *self.ids.get(idx as usize).ok_or(CodecError)?,
                    timestamp_ms: i64::from_le_bytes(r[4..12].try_into().unwrap()),
                    value: f64::from_bits(u64::from_le_bytes(r[12..20].try_into().unwrap())),
                });
                r = &r[20..];
            }
        }
        Ok(())
    }
}
