//! `saker query`: asks the running agent, or the files of one that does not run.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use saker_cli::args::QueryArgs;
use saker_journal::DataLock;
use saker_pipeline::now_ms;
use saker_store::{Store, StoreConfig, StoreReader, open_folder};

/// Asks, and prints the answer.
pub(crate) fn query(args: &QueryArgs) -> anyhow::Result<()> {
    match &args.data_dir {
        None => saker_cli::query(args),
        Some(dir) => query_files(args, dir),
    }
}

/// Nothing is rolled up, merged or removed: that is the agent's, by its own configuration.
fn query_files(args: &QueryArgs, dir: &Path) -> anyhow::Result<()> {
    let folder = dir.join("store");
    // Opening would make one.
    if !folder.is_dir() {
        bail!("{} holds no store; name the data_dir of an agent", dir.display());
    }
    let _lock = DataLock::take(dir).context("while an agent runs, ask it, without --data-dir")?;
    let disk = open_folder(&folder).with_context(|| format!("cannot open {}", folder.display()))?;
    let (store, _) = Store::open(&*disk, StoreConfig::default(), now_ms())?;
    saker_cli::query_reader(args, &StoreReader::new(Arc::new(store)))
}
