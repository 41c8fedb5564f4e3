//! `media`: 20 files that do not compress, 1.5 GB at full size.

use anyhow::Result;

use super::rng::Rng;
use super::writer::Tree;

const FILES: u64 = 20;
const BYTES: f64 = 1.5e9;
const BLOCK: usize = 1 << 20;

/// Writes the set at `factor` of its full size.
pub(crate) fn write(tree: &mut Tree, seed: u64, factor: f64) -> Result<()> {
    for file in 0..FILES {
        let mut rng = Rng::new(seed, file + (1 << 43));
        let blocks = std::iter::repeat_with(move || {
            let mut block = vec![0; BLOCK];
            rng.fill(&mut block);
            block
        });
        let half = if file * 2 < FILES { "a" } else { "b" };
        tree.stream(&format!("{half}/clip{file:02}.mp4"), (BYTES * factor) as u64 / FILES, blocks)?;
    }
    Ok(())
}
