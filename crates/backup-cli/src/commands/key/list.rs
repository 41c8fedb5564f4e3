use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::place::{chosen, open};
use crate::screen::{local_time, table, tame, utc_time};
use backup_repository::{Keys, OwnerInfo, WriterInfo};
use clap::Args;
use serde_json::{Value, json};
use std::time::SystemTime;

/// List owners and writers
#[derive(Debug, Args)]
pub(crate) struct List {}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let keys = open(&context.settings, &chosen(context)?).await?.keys().await?;
        let screen = context.screen();
        if screen.is_json() {
            screen.json(&to_json(&keys))?;
            return Ok(Exit::Done);
        }
        let rows = keys.owners.iter().map(owner).chain(keys.writers.iter().map(writer));
        let mut out = screen.out();
        out.line(table(screen, &["id", "what", "opened with", "since", "may write", "state"], rows))?;
        out.done()?;
        Ok(Exit::Done)
    }
}

fn owner(owner: &OwnerInfo) -> Vec<String> {
    let state = match (&owner.kind, owner.current) {
        (None, _) => "no card: remove and add it again",
        (Some(_), true) => "this is you",
        (Some(_), false) => "",
    };
    vec![
        owner.id.clone(),
        "owner".into(),
        owner.kind.as_deref().map(|kind| tame(kind).into_owned()).unwrap_or_default(),
        owner.added.map(local_time).unwrap_or_default(),
        "everything".into(),
        state.into(),
    ]
}

fn writer(writer: &WriterInfo) -> Vec<String> {
    let state = match (writer.revoked, writer.until) {
        (Some(time), _) => format!("revoked {}", local_time(time)),
        (None, Some(until)) if until < SystemTime::now() => format!("ended {}", local_time(until)),
        (None, Some(until)) => format!("until {}", local_time(until)),
        (None, None) => String::new(),
    };
    vec![
        writer.id.to_string(),
        "writer".into(),
        "credential".into(),
        local_time(writer.since),
        tame(&format!("{} in {}", writer.names.join(" "), writer.domain)).into_owned(),
        state,
    ]
}

fn to_json(keys: &Keys) -> Value {
    let owners: Vec<_> = keys
        .owners
        .iter()
        .map(|owner| {
            let added = owner.added.map(utc_time);
            json!({ "id": owner.id, "kind": owner.kind, "added": added, "current": owner.current })
        })
        .collect();
    let writers: Vec<_> = keys
        .writers
        .iter()
        .map(|writer| {
            json!({
                "id": writer.id.to_string(),
                "names": writer.names,
                "domain": writer.domain,
                "since": utc_time(writer.since),
                "until": writer.until.map(utc_time),
                "revoked": writer.revoked.map(utc_time),
            })
        })
        .collect();
    json!({ "owners": owners, "writers": writers, "domains": keys.domains, "rotations": keys.rotations })
}
