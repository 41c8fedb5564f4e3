//! rustic.

use std::path::Path;

use anyhow::Result;

use super::{Place, Step, Tool};
use crate::measure::Program;

pub(crate) struct Rustic;

fn rustic(command: &str, place: &Place<'_>) -> Program {
    place
        .program("rustic")
        .arg(command)
        .env("RUSTIC_REPOSITORY", &place.repository)
        .env("RUSTIC_PASSWORD_FILE", place.password_file())
        .env("RUSTIC_CACHE_DIR", place.home.join("cache"))
        .env("RUSTIC_NO_PROGRESS", "true")
        .env("RUSTIC_LOG_LEVEL", "warn")
}

impl Tool for Rustic {
    fn name(&self) -> &'static str {
        "rustic"
    }

    fn version(&self) -> Program {
        Program::new("rustic").arg("--version")
    }

    fn settings(&self) -> &'static str {
        "--set-compression 3; prune deletes at once"
    }

    fn step(&self, step: Step, place: &Place<'_>) -> Result<Vec<Vec<Program>>> {
        let push = |folder: &Path, label: &str| rustic("backup", place).arg(folder).args(["--label", label]);
        let pull = |path: &Path| rustic("restore", place).arg(format!("latest:{}", path.display()));
        let program = match step {
            Step::Init => rustic("init", place).args(["--set-compression", "3"]),
            Step::FirstPush | Step::SecondPush => push(&place.data.root, "whole"),
            Step::Pull => pull(&place.data.root).arg(&place.out),
            Step::PullOne => pull(&place.data.one).arg(place.out.join("one")),
            Step::PushKept => push(&place.data.kept, "kept"),
            Step::Prune => rustic("forget", place)
                .args(["--filter-label", "whole", "--keep-none", "--prune", "--instant-delete"])
                .args(["--max-unused", "0B", "--keep-delete", "0s"]),
        };
        Ok(vec![vec![program]])
    }
}
