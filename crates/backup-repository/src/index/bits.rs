const WORD: usize = 64;
const STRIDE: usize = 8;

/// Which of many numbered things are in use, and how many of them are before one.
#[derive(Clone, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    /// Bits set before each group of words, after [`Bits::count`].
    before: Vec<u32>,
}

impl Bits {
    pub(crate) fn new(len: u32) -> Self {
        Bits { words: vec![0; (len as usize).div_ceil(WORD)], before: Vec::new() }
    }

    pub(crate) fn set(&mut self, at: u32) {
        if let Some(word) = self.words.get_mut(at as usize / WORD) {
            *word |= 1 << (at as usize % WORD);
        }
    }

    pub(crate) fn is_set(&self, at: u32) -> bool {
        self.words.get(at as usize / WORD).is_some_and(|word| word >> (at as usize % WORD) & 1 == 1)
    }

    /// Counts the bits that are set, once all are, for [`Bits::rank`].
    pub(crate) fn count(&mut self) -> u32 {
        let mut sum = 0;
        self.before.clear();
        for group in self.words.chunks(STRIDE) {
            self.before.push(sum);
            sum += group.iter().map(|word| word.count_ones()).sum::<u32>();
        }
        sum
    }

    /// How many bits are set before this one.
    pub(crate) fn rank(&self, at: u32) -> u32 {
        let word = at as usize / WORD;
        let group = word / STRIDE;
        let whole = self.words.get(group * STRIDE..word).map_or(0, |words| words.iter().map(|w| w.count_ones()).sum());
        let part = self.words.get(word).map_or(0, |w| (w & ((1 << (at as usize % WORD)) - 1)).count_ones());
        self.before.get(group).copied().unwrap_or(0) + whole + part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_what_is_before() {
        let mut bits = Bits::new(3000);
        let set: Vec<u32> = (0..3000).filter(|n| n % 7 == 3 || n / 100 == 9).collect();
        set.iter().for_each(|n| bits.set(*n));
        assert_eq!(bits.count() as usize, set.len());
        for n in 0..3000 {
            assert_eq!(bits.is_set(n), set.contains(&n));
            assert_eq!(bits.rank(n) as usize, set.iter().filter(|s| **s < n).count(), "{n}");
        }
        bits.set(1 << 30);
        assert!(!bits.is_set(1 << 30));
    }
}
