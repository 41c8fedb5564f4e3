//! `small`: 200,000 text files, 648 MB at full size, in projects of 100 files.

use anyhow::Result;

use super::rng::Rng;
use super::text::{Topic, Vocabulary};
use super::writer::Tree;

const FILES: f64 = 200_000.0;
const FILES_A_PROJECT: u64 = 100;

/// Writes the set at `factor` of its full size.
pub(crate) fn write(tree: &mut Tree, seed: u64, factor: f64) -> Result<()> {
    let vocabulary = Vocabulary::new(seed);
    let files = (FILES * factor).round().max(2.0) as u64;
    let mut topic = Topic::new(&vocabulary, seed, 0);
    let mut text = String::new();
    for file in 0..files {
        let project = file / FILES_A_PROJECT;
        if file % FILES_A_PROJECT == 0 {
            topic = Topic::new(&vocabulary, seed, project);
        }
        let rng = &mut Rng::new(seed, file);
        let bytes = rng.log_normal(1_800.0, 1.1).clamp(40.0, 100_000.0) as usize;
        topic.file(&vocabulary, rng, bytes, &mut text);
        // The first half of the projects is what stays when the rest is forgotten.
        let half = if file * 2 < files { "a" } else { "b" };
        let folder = format!(
            "{half}/project{project:05}/{}",
            ["src", "lib", "test", "doc"].get((file % 4) as usize).unwrap_or(&"")
        );
        tree.file(&format!("{folder}/unit{file:07}.txt"), text.as_bytes())?;
    }
    Ok(())
}
