//! `million`: 1,000,000 small files at full size in a tree like that of many users' homes: a few folders at the top,
//! most files four to six levels down, folders of very different sizes.

use anyhow::Result;

use super::rng::Rng;
use super::text::{Topic, Vocabulary};
use super::writer::Tree;

const FILES: f64 = 1_000_000.0;
const FILES_A_USER: u64 = 20_000;

/// Writes the set at `factor` of its full size.
pub(crate) fn write(tree: &mut Tree, seed: u64, factor: f64) -> Result<()> {
    let vocabulary = Vocabulary::new(seed);
    let files = (FILES * factor).round().max(2.0) as u64;
    let (mut written, mut folders, mut topic) = (0, 0, Topic::new(&vocabulary, seed, 0));
    let mut text = String::new();
    while written < files {
        let rng = &mut Rng::new(seed, folders + (1 << 41));
        if folders % 40 == 0 {
            topic = Topic::new(&vocabulary, seed, folders);
        }
        folders += 1;
        let half = if written * 2 < files { "a" } else { "b" };
        let mut folder = format!("{half}/user{:03}", written / FILES_A_USER);
        for level in 0..1 + rng.below(4) {
            // Fewer names near the top, so that folders there have many folders in them.
            folder.push_str(&format!(
                "/{}{}",
                ["set", "part", "group", "item"].get(level).unwrap_or(&""),
                rng.below(6 << level)
            ));
        }
        let here = (rng.log_normal(12.0, 1.2).ceil() as u64).clamp(1, 3_000).min(files - written);
        for file in 0..here {
            let bytes = rng.log_normal(350.0, 1.2).min(30_000.0) as usize;
            topic.file(&vocabulary, rng, bytes, &mut text);
            tree.file(&format!("{folder}/f{folders:06}-{file}.dat"), text.as_bytes())?;
        }
        written += here;
    }
    Ok(())
}
