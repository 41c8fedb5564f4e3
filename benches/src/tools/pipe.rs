//! tar, zstd and age, joined by pipes: no deduplication and nothing incremental, but little is in the way.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Place, Step, Tool};
use crate::measure::Program;

pub(crate) struct Pipe;

fn key(place: &Place<'_>) -> PathBuf {
    place.home.join("age.key")
}

fn archive(place: &Place<'_>) -> PathBuf {
    place.repository.join("archive.tar.zst.age")
}

impl Tool for Pipe {
    fn name(&self) -> &'static str {
        "tar+zstd+age"
    }

    fn version(&self) -> Program {
        Program::new("sh").args(["-ec", "tar --version | head -1; zstd --version; age --version"])
    }

    fn settings(&self) -> &'static str {
        "tar | zstd -3 -T0 | age; one file is found by reading everything; no second push, no prune"
    }

    fn deduplicates(&self) -> bool {
        false
    }

    fn step(&self, step: Step, place: &Place<'_>) -> Result<Vec<Vec<Program>>> {
        let unpack = |path: &str| {
            vec![
                place.program("age").args(["--decrypt", "--identity"]).arg(key(place)).arg(archive(place)),
                place.program("zstd").args(["--decompress", "--stdout", "--quiet"]),
                place.program("tar").args(["--extract", "--file=-", path]).folder(&place.out),
            ]
        };
        Ok(match step {
            Step::Init => vec![
                vec![place.program("mkdir").arg(&place.repository)],
                vec![place.program("age-keygen").arg("--output").arg(key(place))],
            ],
            Step::FirstPush => vec![vec![
                place.program("tar").args(["--create", "--file=-", "--directory"]).arg(&place.data.root).arg("."),
                place.program("zstd").args(["-3", "-T0", "--stdout", "--quiet"]),
                // The public half of an identity file is what age encrypts to.
                place
                    .program("age")
                    .args(["--encrypt", "--identity"])
                    .arg(key(place))
                    .arg("--output")
                    .arg(archive(place)),
            ]],
            Step::Pull => vec![unpack(".")],
            Step::PullOne => {
                let path = place.data.one.strip_prefix(&place.data.root)?;
                vec![unpack(&format!("./{}", path.to_str().context("a path that is not text")?))]
            }
            Step::SecondPush | Step::PushKept | Step::Prune => Vec::new(),
        })
    }
}
