//! Our own command line.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Place, Step, Tool, ids};
use crate::measure::Program;

pub(crate) struct Ours {
    binary: PathBuf,
}

impl Ours {
    pub(crate) fn new(binary: &Path) -> Self {
        Self { binary: binary.to_owned() }
    }

    fn command(&self, command: &str, place: &Place<'_>) -> Program {
        let program = place.program(&self.binary).arg(command).arg("--repo").arg(&place.repository);
        program.arg("--identity").arg(place.home.join("identity")).arg("--cache-dir").arg(place.home.join("cache"))
    }
}

impl Tool for Ours {
    fn name(&self) -> &'static str {
        "backup"
    }

    fn version(&self) -> Program {
        Program::new(&self.binary).arg("version")
    }

    fn settings(&self) -> &'static str {
        "defaults (zstd 3); prune with a grace of 0 s"
    }

    fn step(&self, step: Step, place: &Place<'_>) -> Result<Vec<Vec<Program>>> {
        let command = |command: &str| self.command(command, place);
        let push = |folder: &Path| command("push").args(["--quiet", "--name", "bench"]).arg(folder);
        let pull = || command("pull").arg("--quiet").arg("latest");
        Ok(match step {
            Step::Init => vec![vec![command("init").arg("--quiet")]],
            Step::FirstPush | Step::SecondPush => vec![vec![push(&place.data.root)]],
            Step::Pull => vec![vec![pull().arg("--into").arg(&place.out)]],
            Step::PullOne => vec![vec![pull().arg(&place.data.one).arg("--into").arg(&place.out)]],
            Step::PushKept => vec![vec![push(&place.data.kept)]],
            Step::Prune => {
                // Oldest first; the last one is the half that stays.
                let mut snapshots = ids(&command("list").arg("--json").output()?, "id")?;
                snapshots.pop();
                let forget = command("forget").arg("--quiet").args(snapshots);
                vec![vec![forget], vec![command("prune").args(["--quiet", "--grace", "0s", "--wait"])]]
            }
        })
    }
}
