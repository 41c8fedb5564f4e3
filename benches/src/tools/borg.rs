//! BorgBackup 1.

use std::path::Path;

use anyhow::Result;

use super::{Place, Step, Tool, relative};
use crate::measure::Program;

pub(crate) struct Borg;

fn borg(command: &str, place: &Place<'_>) -> Program {
    place
        .program("borg")
        .arg(command)
        .env("BORG_REPO", &place.repository)
        .env("BORG_PASSPHRASE", super::PASSWORD)
        .env("BORG_BASE_DIR", &place.home)
}

impl Tool for Borg {
    fn name(&self) -> &'static str {
        "borg"
    }

    fn version(&self) -> Program {
        Program::new("borg").arg("--version")
    }

    fn settings(&self) -> &'static str {
        "repokey, --compression zstd,3; prune is delete and compact"
    }

    fn step(&self, step: Step, place: &Place<'_>) -> Result<Vec<Vec<Program>>> {
        let push = |archive: &str, folder: &Path| {
            borg("create", place).args(["--compression", "zstd,3", &format!("::{archive}")]).arg(folder)
        };
        let pull = || borg("extract", place).arg("::second").folder(&place.out);
        Ok(match step {
            Step::Init => vec![vec![borg("init", place).args(["--encryption", "repokey"])]],
            Step::FirstPush => vec![vec![push("first", &place.data.root)]],
            Step::SecondPush => vec![vec![push("second", &place.data.root)]],
            Step::Pull => vec![vec![pull()]],
            Step::PullOne => vec![vec![pull().arg(relative(&place.data.one))]],
            Step::PushKept => vec![vec![push("kept", &place.data.kept)]],
            Step::Prune => {
                vec![vec![borg("delete", place).args(["::first", "second"])], vec![borg("compact", place)]]
            }
        })
    }
}
