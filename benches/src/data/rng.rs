//! A small generator of reproducible random numbers.

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed, on every machine and in every version.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator for one named part of a data set, so that parts can be made in any order.
    pub(crate) fn new(seed: u64, part: u64) -> Self {
        let mut rng = Self(seed ^ part.wrapping_mul(0xd1b5_4a32_d192_ed03));
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0. The bias is below 2⁻³² for the sizes used here.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }

    /// A number in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number with a log-normal distribution of the given median; `spread` is the deviation of its logarithm.
    pub(crate) fn log_normal(&mut self, median: f64, spread: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        median * (spread * radius * (std::f64::consts::TAU * self.unit()).cos()).exp()
    }

    /// One of the elements; the first ones far more often, as words are in a language (Zipf's law).
    pub(crate) fn frequent<'a>(&mut self, words: &'a [String]) -> &'a str {
        let rank = (words.len() as f64).powf(self.unit()) as usize;
        words.get(rank.saturating_sub(1)).map_or("", String::as_str)
    }

    /// One of the elements, all alike.
    pub(crate) fn any<'a>(&mut self, words: &'a [String]) -> &'a str {
        words.get(self.below(words.len())).map_or("", String::as_str)
    }

    /// Fills the buffer with bytes that do not compress.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            chunk.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        }
    }
}
