//! Every parser of bytes that come from a storage or a local file, as a plain function that takes any bytes: it must end,
//! without a panic, and take no memory to speak of. tests/fuzz runs them on mutations of real objects, fuzz/ at length.
//!
//! What is signed or sealed is fuzzed twice: as it comes, and as the plain text behind the signature, which a writer with
//! all keys can choose.

mod harvest;
mod keys;

pub use harvest::harvest;
pub(crate) use keys::{Keys, keys};

use crate::{format, index, meta, pack, push};

/// A parser by name.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it reads.
    pub name: &'static str,
    /// Reads it.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("record", format::fuzz::record),
    target("config", format::fuzz::config),
    target("certificate", format::fuzz::certificate),
    target("terms", format::fuzz::terms),
    target("revocation", format::fuzz::revocation),
    target("card", format::fuzz::card),
    target("addition", format::fuzz::addition),
    target("addition-plain", format::fuzz::addition_plain),
    target("owner-file", format::fuzz::owner_file),
    target("owner-plain", format::fuzz::owner_plain),
    target("identity", format::fuzz::identity),
    target("credential", format::fuzz::credential),
    target("credential-plain", format::fuzz::credential_plain),
    target("session", format::fuzz::session),
    target("condemned", format::fuzz::condemned),
    target("snapshot", format::fuzz::snapshot),
    target("snapshot-head", format::fuzz::snapshot_head),
    target("snapshot-body", format::fuzz::snapshot_body),
    target("key", format::fuzz::key),
    target("path", format::fuzz::path),
    target("pack", pack::fuzz::pack),
    target("pack-footer", pack::fuzz::footer),
    target("pack-footer-frame", pack::fuzz::footer_frame),
    target("segment", pack::fuzz::segment),
    target("run-tail", index::fuzz::tail),
    target("run-footer", index::fuzz::footer),
    target("run-pages", index::fuzz::pages),
    target("run-block", index::fuzz::block),
    target("cache-file", index::fuzz::cache_file),
    target("cache-frame", index::fuzz::cache_frame),
    target("block", meta::fuzz_block),
    target("listing", push::fuzz::listing),
    target("listing-block", push::fuzz::listing_block),
    target("witness", push::fuzz::witness),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// The parser of this name. A fuzzer's thin wrapper calls it.
pub fn run(name: &str, data: &[u8]) {
    TARGETS.iter().filter(|target| target.name == name).for_each(|target| (target.run)(data));
}
