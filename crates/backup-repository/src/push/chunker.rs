use crate::format::config::ChunkSizes;
use fastcdc::v2020::{Normalization, cut_gear, get_gear_with_seed, select_masks};
use std::borrow::Cow;

/// Cuts content where the content says so: FastCDC with a seeded gear table.
pub(crate) struct Chunker {
    sizes: ChunkSizes,
    mask_s: u64,
    mask_l: u64,
    gear: Cow<'static, [u64]>,
    gear_ls: Cow<'static, [u64]>,
}

impl Chunker {
    pub(crate) fn new(sizes: ChunkSizes, seed: u64) -> Self {
        let (mask_s, mask_l) = select_masks(sizes.avg, Normalization::Level1);
        let (gear, gear_ls) = get_gear_with_seed(seed);
        Chunker { sizes, mask_s, mask_l, gear, gear_ls }
    }

    /// No chunk is longer, in bytes.
    pub(crate) fn max(&self) -> usize {
        self.sizes.max
    }

    /// Length of the first chunk of what begins with `content`; none while more has to be seen: there is no cut in it, it
    /// is shorter than [`Chunker::max`] and not at the end. Not 0 unless `content` is empty.
    pub(crate) fn cut(&self, content: &[u8], at_end: bool) -> Option<usize> {
        // A cut depends on nothing behind it.
        let length = self.first(content);
        (length < content.len() || at_end || length >= self.sizes.max).then_some(length)
    }

    fn first(&self, content: &[u8]) -> usize {
        let ChunkSizes { min, avg, max } = self.sizes;
        if content.len() <= min {
            return content.len();
        }
        let (_, length) = cut_gear(
            content,
            min,
            avg,
            max,
            self.mask_s,
            self.mask_l,
            self.mask_s << 1,
            self.mask_l << 1,
            &self.gear,
            &self.gear_ls,
        );
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts(chunker: &Chunker, mut content: &[u8]) -> Vec<Vec<u8>> {
        let mut chunks = Vec::new();
        while !content.is_empty() {
            let (chunk, rest) = content.split_at(chunker.cut(content, true).unwrap());
            chunks.push(chunk.to_vec());
            content = rest;
        }
        chunks
    }

    #[test]
    fn however_much_is_seen_at_once_the_cuts_are_the_same() {
        let sizes = ChunkSizes { min: 1 << 10, avg: 4 << 10, max: 16 << 10 };
        let mut content = vec![0; 256 << 10];
        blake3::Hasher::new().finalize_xof().fill(&mut content);
        // A part without any cut, too.
        content[100_000..150_000].fill(0);
        let chunker = Chunker::new(sizes, 1);
        let whole = cuts(&chunker, &content);
        assert!(whole.iter().any(|chunk| chunk.len() == sizes.max));
        for step in [1, 7, 999, 1 << 10, 4 << 10, 5001, 16 << 10, 99_999] {
            let (mut start, mut seen, mut chunks) = (0, 0, Vec::new());
            while start < content.len() {
                match chunker.cut(&content[start..seen], seen == content.len()) {
                    Some(length) if length > 0 => {
                        chunks.push(content[start..start + length].to_vec());
                        start += length;
                    }
                    _ => seen = (seen + step).min(content.len()),
                }
            }
            assert!(chunks == whole, "{step}");
        }
    }

    #[test]
    fn an_insertion_changes_few_chunks_and_the_seed_changes_all() {
        let sizes = ChunkSizes { min: 1 << 10, avg: 4 << 10, max: 16 << 10 };
        let mut content = vec![0; 1 << 20];
        blake3::Hasher::new().finalize_xof().fill(&mut content);
        let chunker = Chunker::new(sizes, 1);
        let before = cuts(&chunker, &content);
        assert_eq!(before.concat(), content);
        assert!(before.iter().rev().skip(1).all(|c| (1 << 10..=16 << 10).contains(&c.len())));
        assert!((150..400).contains(&before.len()), "{}", before.len());
        content.splice(500_000..500_000, *b"inserted");
        let after = cuts(&chunker, &content);
        assert!(after.iter().filter(|c| !before.contains(c)).count() <= 3);
        let other = cuts(&Chunker::new(sizes, 2), &content);
        assert!(other.iter().filter(|c| after.contains(c)).count() <= 1);
    }
}
