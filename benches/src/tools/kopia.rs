//! Kopia.

use std::path::Path;

use anyhow::Result;

use super::{Place, Step, Tool, ids};
use crate::measure::Program;

pub(crate) struct Kopia;

fn kopia(words: &[&str], place: &Place<'_>) -> Program {
    place
        .program("kopia")
        .args(words)
        .env("KOPIA_PASSWORD", super::PASSWORD)
        .env("KOPIA_CONFIG_PATH", place.home.join("kopia.config"))
        .env("KOPIA_CACHE_DIRECTORY", place.home.join("cache"))
        .env("KOPIA_LOG_DIR", place.home.join("logs"))
        .env("KOPIA_CHECK_FOR_UPDATES", "false")
        .env("KOPIA_USE_KEYRING", "false")
        .env("KOPIA_PERSIST_CREDENTIALS_ON_CONNECT", "true")
}

/// Snapshots of the whole set, or of the half that stays, oldest first.
fn snapshots(of: &Path, place: &Place<'_>) -> Result<Vec<String>> {
    ids(&kopia(&["snapshot", "list", "--json"], place).arg(of).output()?, "id")
}

impl Tool for Kopia {
    fn name(&self) -> &'static str {
        "kopia"
    }

    fn version(&self) -> Program {
        Program::new("kopia").arg("--version")
    }

    fn settings(&self) -> &'static str {
        "compression zstd: its default level stands for 3; prune is delete and full maintenance without its delays"
    }

    fn step(&self, step: Step, place: &Place<'_>) -> Result<Vec<Vec<Program>>> {
        let push = |folder: &Path| kopia(&["snapshot", "create", "--no-progress"], place).arg(folder);
        Ok(match step {
            Step::Init => vec![
                vec![kopia(&["repository", "create", "filesystem", "--path"], place).arg(&place.repository)],
                vec![kopia(&["policy", "set", "--global", "--compression=zstd"], place)],
            ],
            Step::FirstPush | Step::SecondPush => vec![vec![push(&place.data.root)]],
            Step::Pull | Step::PullOne => {
                let snapshot = snapshots(&place.data.root, place)?.pop().unwrap_or_default();
                let (from, to) = match (step, place.data.one.strip_prefix(&place.data.root)) {
                    (Step::PullOne, Ok(path)) => (format!("{snapshot}/{}", path.display()), place.out.join("one")),
                    _ => (snapshot, place.out.clone()),
                };
                vec![vec![kopia(&["snapshot", "restore", "--no-progress", &from], place).arg(to)]]
            }
            Step::PushKept => vec![vec![push(&place.data.kept)]],
            Step::Prune => {
                let delete = kopia(&["snapshot", "delete", "--delete"], place);
                vec![
                    vec![delete.args(snapshots(&place.data.root, place)?)],
                    vec![kopia(&["maintenance", "run", "--full", "--safety=none"], place)],
                ]
            }
        })
    }
}
