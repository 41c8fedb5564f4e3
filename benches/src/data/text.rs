//! Text that compresses as real text does: a common vocabulary, and neighbours that resemble each other more than
//! strangers, as the files of one project do.

use super::rng::Rng;

const SYLLABLES: &[&str] = &[
    "ba", "con", "de", "er", "fi", "gra", "hel", "in", "jo", "ker", "lo", "men", "nor", "ost", "pre", "qui", "ra",
    "ste", "ta", "ul", "ver", "wi", "xen", "yer", "zo", "ing", "tion", "al", "ment", "ly",
];

/// The words that all files of a data set share.
pub(crate) struct Vocabulary {
    words: Vec<String>,
}

impl Vocabulary {
    /// The vocabulary of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, u64::MAX);
        Self { words: (0..30_000).map(|_| word(&mut rng)).collect() }
    }

    /// One of the words, the first ones far more often.
    pub(crate) fn word(&self, rng: &mut Rng) -> &str {
        rng.frequent(&self.words)
    }

    /// A sentence of the given number of words.
    pub(crate) fn sentence(&self, rng: &mut Rng, words: usize, into: &mut String) {
        for index in 0..words {
            into.push_str(if index == 0 { "" } else { " " });
            into.push_str(self.word(rng));
        }
        into.push('.');
    }
}

fn word(rng: &mut Rng) -> String {
    (0..1 + rng.below(4)).map(|_| SYLLABLES.get(rng.below(SYLLABLES.len())).copied().unwrap_or_default()).collect()
}

/// What the files of one project share: a licence header, imports, names, phrases that are copied from file to file.
pub(crate) struct Topic {
    header: String,
    imports: Vec<String>,
    names: Vec<String>,
    phrases: Vec<String>,
}

impl Topic {
    /// The topic of the project with the given number.
    pub(crate) fn new(vocabulary: &Vocabulary, seed: u64, project: u64) -> Self {
        let rng = &mut Rng::new(seed, project.wrapping_add(1 << 40));
        let names: Vec<String> = (0..400).map(|_| format!("{}_{}", word(rng), word(rng))).collect();
        let imports = (0..60).map(|_| format!("import {}.{};", rng.any(&names), rng.any(&names))).collect();
        let phrases = (0..150).map(|_| statement(rng, &names, &names)).collect();
        let mut header = String::from("// ");
        for _ in 0..3 {
            vocabulary.sentence(rng, 10, &mut header);
            header.push_str("\n// ");
        }
        Self { header, imports, names, phrases }
    }

    /// Writes a file of about `bytes` bytes, never more.
    pub(crate) fn file(&self, vocabulary: &Vocabulary, rng: &mut Rng, bytes: usize, into: &mut String) {
        into.clear();
        let own: Vec<String> = (0..2 + bytes / 150).map(|_| format!("{}_{}", word(rng), word(rng))).collect();
        if rng.below(10) < 4 {
            into.push_str(&self.header);
            into.push('\n');
            for _ in 0..rng.below(8) {
                into.push_str(rng.frequent(&self.imports));
                into.push('\n');
            }
        }
        while into.len() < bytes {
            match rng.below(100) {
                0..5 => into.push_str(rng.frequent(&self.phrases)),
                5..31 => into.push_str(&statement(rng, &own, &self.names)),
                31..58 => {
                    into.push_str("    // ");
                    let words = 5 + rng.below(8);
                    vocabulary.sentence(rng, words, into);
                }
                // Hashes, identifiers and embedded data hardly compress.
                _ => into.push_str(&format!("    const K{:x} = \"{:016x}\";", rng.below(4096), rng.next())),
            }
            into.push('\n');
        }
        into.truncate(bytes);
    }
}

/// A line about names of the file's own and names of the project.
fn statement(rng: &mut Rng, own: &[String], shared: &[String]) -> String {
    let (to, from) = (rng.any(own).to_owned(), rng.frequent(shared).to_owned());
    match rng.below(4) {
        0 => format!("    let {to} = {from}.{}({});", rng.any(own), rng.below(1000)),
        1 => format!("    if {to} > {} {{ return {from}; }}", rng.below(100)),
        2 => format!("    {to}.{}({from}, {});", rng.any(shared), rng.any(own)),
        _ => format!("    {to} += {from};"),
    }
}
