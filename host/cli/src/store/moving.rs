//! Points on their way: to the screen, to and from a file, and from one agent to another, page by page.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::{Context, bail};
use hyper::body::Bytes;
use saker_store::{EXPORT_MAGIC, Exported, NEXT, read_exported};
use serde_json::Value;

use super::access::Access;
use super::{as_json, query};
use crate::args::{
    ClientArgs, StoreCopyArgs, StoreDumpArgs, StoreExportArgs, StoreImportArgs, StoreRange, StoreSelection,
};
use crate::printing::print;
use crate::say;

/// What is sent to an agent at once; it takes four times as much.
const SEND_BYTES: usize = 4 << 20;

/// The pages of what is selected, in the order of series.
struct Pages<'a> {
    access: &'a Access,
    path: String,
    /// The series that the last page ended with, as a query says it; nothing if there is no other page.
    after: Option<String>,
}

impl<'a> Pages<'a> {
    fn new(access: &'a Access, selection: &StoreSelection, range: &StoreRange, after: Option<&str>) -> Self {
        let mut path = format!("/saker/v1/store/export?{}", query(selection));
        for (name, time) in [("start", range.start), ("end", range.end)] {
            if let Some(time) = time {
                path.push_str(&format!("&{name}={time}"));
            }
        }
        Self { access, path, after: Some(after.unwrap_or_default().to_owned()) }
    }

    async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        let Some(after) = self.after.take() else { return Ok(None) };
        let after = if after.is_empty() { after } else { format!("&after={after}") };
        let (headers, page) = self.access.get_bytes(&format!("{}{after}", self.path)).await?;
        self.after = headers.get(NEXT).and_then(|next| next.to_str().ok()).map(str::to_owned);
        Ok(Some(page))
    }
}

pub(super) async fn dump(args: &StoreDumpArgs) -> anyhow::Result<()> {
    let access = Access::new(&args.store)?;
    let mut pages = Pages::new(&access, &args.selection, &args.range, None);
    say!("endpoint,metric,tags,timestamp_ms,value")?;
    while let Some(page) = pages.next().await? {
        let mut printed = Ok(());
        let damaged = read_exported(&page, |exported| {
            if printed.is_ok() {
                printed = print(format_args!("{}", lines(&exported)));
            }
        });
        printed?;
        if damaged > 0 {
            bail!("the answer is damaged");
        }
    }
    Ok(())
}

fn lines(exported: &Exported) -> String {
    let tags: Vec<String> = exported.series.tags().map(|(name, value)| format!("{name}={value}")).collect();
    let head = [exported.series.endpoint(), exported.series.metric(), &tags.join(";")].map(field).join(",");
    let point = |(time_ms, value): &(i64, f64)| {
        // A stale marker: the series ended.
        let value = if value.is_nan() { String::new() } else { value.to_string() };
        format!("{head},{time_ms},{value}\n")
    };
    exported.points.iter().map(point).collect()
}

/// A field of CSV, which a terminal can be shown.
fn field(text: &str) -> String {
    let text = saker_model::text::clean(text, usize::MAX);
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

pub(super) async fn export(args: &StoreExportArgs) -> anyhow::Result<()> {
    let access = Access::new(&args.store)?;
    let mut options = OpenOptions::new();
    let name = args.file.display();
    let file = options.write(true).create_new(true).mode(0o600).open(&args.file);
    let mut file = file.with_context(|| format!("cannot write {name}"))?;
    let mut bytes = EXPORT_MAGIC.len() as u64;
    file.write_all(EXPORT_MAGIC)?;
    let mut pages = Pages::new(&access, &args.selection, &args.range, None);
    while let Some(page) = pages.next().await? {
        file.write_all(&page).with_context(|| format!("cannot write {name}"))?;
        bytes += page.len() as u64;
    }
    file.sync_all().with_context(|| format!("cannot write {name}"))?;
    say!("{bytes} bytes in {name}")?;
    Ok(())
}

pub(super) async fn import(args: &StoreImportArgs) -> anyhow::Result<()> {
    let name = args.file.display();
    let mut file = std::fs::File::open(&args.file).with_context(|| format!("cannot read {name}"))?;
    let mut magic = [0; EXPORT_MAGIC.len()];
    if file.read_exact(&mut magic).is_err() || &magic != EXPORT_MAGIC {
        bail!("{name} is no file that saker store export has written, or of a version that is not known");
    }
    let (access, mut sum, mut held) = (Access::of_agent(&args.client), Value::Null, Vec::new());
    loop {
        let wanted = SEND_BYTES - held.len();
        let read = (&mut file).take(wanted as u64).read_to_end(&mut held)?;
        let ended = read < wanted;
        // What may be a block without its end waits for it.
        let send = if ended { held.len() } else { saker_store::whole_blocks(&held) };
        let body: Vec<u8> = held.drain(..send).collect();
        add(&mut sum, &access.post_bytes("/saker/v1/store/import", body.into()).await?);
        if ended {
            return told(&args.client, &sum);
        }
    }
}

pub(super) async fn copy(args: &StoreCopyArgs) -> anyhow::Result<()> {
    let from = ClientArgs { address: args.from.clone(), token_file: args.from_token_file.clone(), json: false };
    let (from, to) = (Access::of_agent(&from), Access::of_agent(&args.client));
    let mut pages = Pages::new(&from, &args.selection, &args.range, args.after.as_deref());
    let (mut sum, mut page) = (Value::Null, pages.next().await?);
    let mut done = args.after.clone();
    while let Some(body) = page {
        let reached = pages.after.clone();
        let bytes = body.len();
        // One page is taken in while the next is asked for.
        let (taken, next) = tokio::join!(to.post_bytes("/saker/v1/store/import", body), pages.next());
        let stopped = || match &done {
            Some(done) => format!("copying has stopped; go on with --after '{done}'"),
            None => "copying has stopped before its first page was taken".into(),
        };
        add(&mut sum, &taken.with_context(stopped)?);
        done = reached;
        if !args.client.json {
            say!("{} points, {bytes} bytes more", sum["taken"])?;
        }
        page = next.with_context(|| match &done {
            Some(done) => format!("copying has stopped; go on with --after '{done}'"),
            None => "copying has stopped".into(),
        })?;
    }
    told(&args.client, &sum)
}

/// Adds the numbers of an answer.
fn add(sum: &mut Value, answer: &Value) {
    for (key, number) in answer.as_object().into_iter().flatten() {
        let so_far = sum[key].as_u64().unwrap_or(0);
        sum[key] = (so_far + number.as_u64().unwrap_or(0)).into();
    }
}

fn told(args: &ClientArgs, sum: &Value) -> anyhow::Result<()> {
    if as_json(args, sum)? {
        return Ok(());
    }
    say!("{} points taken, {} too old, {} rejected", sum["taken"], sum["too_old"], sum["rejected"])?;
    match (sum["damaged_blocks"].as_u64(), sum["damaged_bytes"].as_u64()) {
        (Some(0), Some(0)) | (None, _) => Ok(()),
        _ => bail!("{} blocks were damaged and passed over", sum["damaged_blocks"]),
    }
}
