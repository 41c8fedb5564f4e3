use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::place::{chosen, open};
use crate::screen::{bytes, count, table};
use crate::snapshots::list;
use backup_core::{Key, StorageDriver, Totals};
use clap::Args;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Show how much the repository holds
#[derive(Debug, Args)]
pub(crate) struct Stats {}

/// Objects of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    objects: u64,
    size_bytes: u64,
}

impl Stats {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let location = chosen(context)?;
        let snapshots = list(context, &open(&context.settings, &location).await?).await?;
        let kinds = survey(&*location.storage().await?).await?;
        let mut content = Totals::default();
        snapshots.iter().for_each(|snapshot| content += snapshot.totals);
        let names: BTreeSet<&str> = snapshots.iter().map(|snapshot| snapshot.name.as_str()).collect();
        let stored_bytes: u64 = kinds.values().map(|kind| kind.size_bytes).sum();

        let screen = context.screen();
        if screen.is_json() {
            let kinds: BTreeMap<_, _> = kinds
                .iter()
                .map(|(name, kind)| (name, json!({ "objects": kind.objects, "size_bytes": kind.size_bytes })))
                .collect();
            screen.json(&json!({
                "snapshots": snapshots.len(),
                "names": names.len(),
                "files": content.files,
                "size_bytes": content.size_bytes,
                "stored_bytes": stored_bytes,
                "objects": kinds,
            }))?;
            return Ok(Exit::Done);
        }
        let mut out = screen.out();
        let ratio = content.size_bytes as f64 / stored_bytes.max(1) as f64;
        for (what, text) in [
            ("snapshots", count(snapshots.len() as u64)),
            ("names", count(names.len() as u64)),
            ("files", format!("{} in all snapshots together", count(content.files))),
            ("content", bytes(content.size_bytes)),
            ("stored", format!("{}: {ratio:.1} to 1", bytes(stored_bytes))),
        ] {
            out.line(format_args!("{what:<9} {text}"))?;
        }
        out.line("")?;
        let rows = kinds.into_iter().map(|(name, kind)| vec![name, count(kind.objects), bytes(kind.size_bytes)]);
        out.line(table(screen, &["objects", ">number", ">size"], rows))?;
        out.done()?;
        Ok(Exit::Done)
    }
}

/// Counts all objects by the first part of their keys, a page at a time.
async fn survey(storage: &dyn StorageDriver) -> Result<BTreeMap<String, Kind>> {
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    let mut after: Option<Key> = None;
    loop {
        let page = storage.list("", after.as_ref()).await?;
        for (key, meta) in &page.objects {
            let name = key.as_str().split('/').next().unwrap_or_default();
            let kind = kinds.entry(name.to_owned()).or_default();
            kind.objects += 1;
            kind.size_bytes += meta.size_bytes;
        }
        match page.objects.last() {
            Some((last, _)) if page.more && after.as_ref() < Some(last) => after = Some(last.clone()),
            _ => return Ok(kinds),
        }
    }
}
