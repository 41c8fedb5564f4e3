//! `dump`: one file like a plain SQL dump, 1.5 GB at full size.

use anyhow::Result;

use super::rng::Rng;
use super::text::Vocabulary;
use super::writer::Tree;

const BYTES: f64 = 1.5e9;
/// The length of a dump tool's extended insert.
const STATEMENT_BYTES: usize = 1 << 20;

/// Writes the dump into the tree, and its first half beside it.
pub(crate) fn write(tree: &mut Tree, kept: &mut Tree, seed: u64, factor: f64) -> Result<()> {
    let bytes = (BYTES * factor) as u64;
    tree.stream("shop.sql", bytes, Statements::new(seed))?;
    kept.stream("shop.sql", bytes / 2, Statements::new(seed))
}

/// The statements of an endless dump.
struct Statements {
    rng: Rng,
    vocabulary: Vocabulary,
    row: u64,
    second: u64,
}

impl Statements {
    fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed, 1 << 42), vocabulary: Vocabulary::new(seed), row: 0, second: 0 }
    }
}

impl Iterator for Statements {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut text = String::with_capacity(STATEMENT_BYTES + 1024);
        // Every eighth statement is the other table's, as large tables come one after another.
        let orders = self.row / 200_000 % 4 != 3;
        text.push_str(if orders { "INSERT INTO `orders` VALUES " } else { "INSERT INTO `reviews` VALUES " });
        while text.len() < STATEMENT_BYTES {
            self.row += 1;
            self.second += self.rng.below(9) as u64;
            if orders {
                self.order(&mut text)
            } else {
                self.review(&mut text)
            }
            text.push(',');
        }
        text.pop();
        text.push_str(";\n");
        Some(text.into_bytes())
    }
}

impl Statements {
    fn time(&self) -> String {
        let (days, second) = (self.second / 86_400, self.second % 86_400);
        let (year, month, day) = (2019 + days / 336, 1 + days / 28 % 12, 1 + days % 28);
        format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
    }

    fn order(&mut self, text: &mut String) {
        let rng = &mut self.rng;
        let state =
            ["paid", "shipped", "shipped", "shipped", "returned", "open"].get(rng.below(6)).copied().unwrap_or("");
        let (customer, article) = (rng.below(2_000_000), self.vocabulary.word(rng).to_owned());
        let (count, cents) = (1 + rng.below(4), rng.log_normal(2_500.0, 0.9) as u64);
        let (token, phone) = (token(rng), rng.below(10_000_000_000));
        let time = self.time();
        text.push_str(&format!(
            "({},{customer},'{article}','{token}',{count},{}.{:02},'{state}','{time}','+{phone}')",
            self.row,
            cents / 100,
            cents % 100
        ));
    }

    fn review(&mut self, text: &mut String) {
        let time = self.time();
        let rng = &mut self.rng;
        text.push_str(&format!(
            "({},{},'{}',{},'{time}','",
            self.row,
            rng.below(2_000_000),
            token(rng),
            1 + rng.below(5)
        ));
        let words = 8 + rng.below(40);
        self.vocabulary.sentence(rng, words, text);
        text.push_str("')");
    }
}

/// What a key or a session of a web application looks like: 22 letters and digits.
fn token(rng: &mut Rng) -> String {
    let digit = |rng: &mut Rng| char::from_digit(rng.below(32) as u32, 32).unwrap_or_default();
    (0..22).map(|_| digit(rng)).collect()
}
