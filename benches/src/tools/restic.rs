//! restic.

use std::path::Path;

use anyhow::Result;

use super::{Place, Step, Tool, ids};
use crate::measure::Program;

pub(crate) struct Restic;

fn restic(command: &str, place: &Place<'_>) -> Program {
    place
        .program("restic")
        .arg(command)
        .env("RESTIC_REPOSITORY", &place.repository)
        .env("RESTIC_PASSWORD_FILE", place.password_file())
        .env("RESTIC_CACHE_DIR", place.home.join("cache"))
}

impl Tool for Restic {
    fn name(&self) -> &'static str {
        "restic"
    }

    fn version(&self) -> Program {
        Program::new("restic").arg("version")
    }

    fn settings(&self) -> &'static str {
        "--compression auto: its default zstd level, which stands for 3"
    }

    fn step(&self, step: Step, place: &Place<'_>) -> Result<Vec<Vec<Program>>> {
        let push = |folder: &Path| restic("backup", place).args(["--quiet", "--compression", "auto"]).arg(folder);
        let pull = || restic("restore", place).args(["--quiet", "latest", "--target"]).arg(&place.out);
        let program = match step {
            Step::Init => restic("init", place).arg("--quiet"),
            Step::FirstPush | Step::SecondPush => push(&place.data.root),
            Step::Pull => pull(),
            Step::PullOne => pull().arg("--include").arg(&place.data.one),
            Step::PushKept => push(&place.data.kept),
            Step::Prune => {
                let mut snapshots = ids(&restic("snapshots", place).arg("--json").output()?, "id")?;
                snapshots.pop();
                // Without tolerated waste, as the other tools free all that they can.
                restic("forget", place).args(["--quiet", "--prune", "--max-unused", "0"]).args(snapshots)
            }
        };
        Ok(vec![vec![program]])
    }
}
