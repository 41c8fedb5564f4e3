//! What may have become of stored bytes: the same sequence in every run.

/// Numbers that lengths, counts and offsets are compared with.
const NUMBERS: [u64; 16] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0xffff,
    1 << 20,
    (16 << 20) - 1,
    16 << 20,
    64 << 20,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    i64::MAX as u64,
    u64::MAX,
];

pub struct Mutator<'a> {
    state: u64,
    seeds: &'a [Vec<u8>],
}

impl<'a> Mutator<'a> {
    pub fn new(name: &str, seeds: &'a [Vec<u8>]) -> Self {
        let hash = blake3::hash(name.as_bytes());
        Mutator { state: u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap()) | 1, seeds }
    }

    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.random() >> 16) as usize % limit.max(1)
    }

    fn seed(&mut self) -> &'a [u8] {
        let which = self.below(self.seeds.len());
        self.seeds.get(which).map_or(&[], Vec::as_slice)
    }

    /// The next input.
    pub fn next(&mut self) -> Vec<u8> {
        if self.below(16) == 0 {
            let length = self.below(300);
            return (0..length).map(|_| self.random() as u8).collect();
        }
        let mut bytes = self.seed().to_vec();
        for _ in 0..1 + self.below(4) {
            self.mutate(&mut bytes);
        }
        bytes
    }

    /// A place, and how many bytes from there on, some of them or few.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = if self.below(2) == 0 { 8 } else { length };
        let end = start + self.below((length - start).min(most) + 1);
        start..end
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let range = self.range(bytes.len());
        match self.below(9) {
            0 => {
                let bit = 1 << self.below(8);
                bytes.iter_mut().skip(range.start).take(1).for_each(|byte| *byte ^= bit);
            }
            1 => {
                let value = self.random() as u8;
                bytes.iter_mut().skip(range.start).take(1).for_each(|byte| *byte = value);
            }
            2 => bytes.truncate(range.start),
            3 => drop(bytes.drain(range)),
            4 => {
                let part = bytes[range].to_vec();
                let at = self.below(bytes.len() + 1);
                bytes.splice(at..at, part);
            }
            5 => {
                let other = self.seed();
                let part = self.range(other.len());
                bytes.splice(range, other[part].iter().copied());
            }
            6 => bytes[range].fill(0),
            7 => {
                let number = NUMBERS[self.below(NUMBERS.len())];
                let number = self.encode(number);
                // In the place of what is there, or before it.
                let end = if self.below(2) == 0 { range.start } else { (range.start + number.len()).min(bytes.len()) };
                bytes.splice(range.start..end, number);
            }
            _ => {
                // Digits, where there are some: the numbers of JSON.
                let digits: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
                if let Some(at) = digits.get(self.below(digits.len())) {
                    let number = NUMBERS[self.below(NUMBERS.len())].to_string();
                    bytes.splice(*at..at + 1, number.into_bytes());
                }
            }
        }
    }

    /// As a number stands in one of the formats.
    fn encode(&mut self, mut number: u64) -> Vec<u8> {
        match self.below(5) {
            0 => number.to_le_bytes()[..3].to_vec(),
            1 => number.to_le_bytes()[..4].to_vec(),
            2 => number.to_le_bytes().to_vec(),
            3 => number.to_be_bytes()[4..].to_vec(),
            _ => {
                let mut varint = Vec::new();
                while number >= 0x80 {
                    varint.push(number as u8 | 0x80);
                    number >>= 7;
                }
                varint.push(number as u8);
                varint
            }
        }
    }
}
