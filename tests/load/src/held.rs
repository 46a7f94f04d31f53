//! What receivers hold of what was acknowledged, point by point. Receivers are VictoriaMetrics.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{Acks, Client, FIELDS};

/// How many of the acknowledged points the receivers hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// Points that were acknowledged.
    pub acknowledged: u64,
    /// Those that no receiver holds.
    pub missing: u64,
    /// Those that so many receivers hold: one, two, and so on.
    pub copies: Vec<u64>,
    /// How often a receiver holds a point once more than it should.
    pub repeated: u64,
    /// Points that were never acknowledged and are held all the same.
    pub unacknowledged: u64,
    /// A point that is missing: host, field, milliseconds.
    pub example: Option<(String, String, i64)>,
}

/// A line of VictoriaMetrics' export.
#[derive(Deserialize)]
struct Exported {
    metric: HashMap<String, String>,
    timestamps: Vec<i64>,
}

/// How many receivers hold each point of one host, by field and time.
type Held = HashMap<(usize, i64), usize>;

/// Looks at every point that was acknowledged.
///
/// # Errors
/// If a receiver does not answer, or with something else than its points.
pub fn held(receivers: &[String], acks: &Acks) -> Result<Holding, Box<dyn std::error::Error>> {
    let workload = acks.workload;
    let mut clients = receivers.iter().map(|address| Client::connect(address)).collect::<Result<Vec<_>, _>>()?;
    let mut holding = Holding { copies: vec![0; receivers.len()], ..Holding::default() };
    for host in 0..workload.hosts {
        let name = format!("host_{host}");
        let mut held = Held::new();
        for client in &mut clients {
            holding.repeated += look(client, &name, &mut held)?;
        }
        for round in acks.rounds(host % workload.connections) {
            let time_ms = workload.time_ms(round);
            for (field, field_name) in FIELDS.iter().enumerate() {
                holding.acknowledged += 1;
                match held.remove(&(field, time_ms)) {
                    Some(copies) => holding.copies[copies - 1] += 1,
                    None => {
                        holding.missing += 1;
                        holding.example.get_or_insert_with(|| (name.clone(), (*field_name).to_owned(), time_ms));
                    }
                }
            }
        }
        holding.unacknowledged += held.len() as u64;
    }
    Ok(holding)
}

/// Adds what one receiver holds of a host; answers how many points it has more than once.
fn look(client: &mut Client, host: &str, held: &mut Held) -> Result<u64, Box<dyn std::error::Error>> {
    let answer = client.get(&format!("/api/v1/export?match[]=%7Bhostname=%22{host}%22%7D&reduce_mem_usage=1"))?;
    if answer.status != 200 {
        return Err(format!("status {}: {}", answer.status, String::from_utf8_lossy(&answer.body)).into());
    }
    let mut times: HashMap<(usize, i64), u64> = HashMap::new();
    for line in serde_json::Deserializer::from_slice(&answer.body).into_iter::<Exported>() {
        let Exported { metric, timestamps } = line?;
        let metric = metric.get("__name__").map_or("", String::as_str);
        let field = metric.strip_prefix("cpu_").map(|field| field.strip_suffix("_value").unwrap_or(field));
        let field = field.and_then(|field| FIELDS.iter().position(|known| *known == field));
        let field = field.ok_or_else(|| format!("an unknown metric {metric:?} of {host}"))?;
        timestamps.into_iter().for_each(|time| *times.entry((field, time)).or_default() += 1);
    }
    let mut repeated = 0;
    for (point, count) in times {
        *held.entry(point).or_default() += 1;
        repeated += count - 1;
    }
    Ok(repeated)
}
