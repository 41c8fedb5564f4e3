//! One parser under libFuzzer: `BACKUP_FUZZ=run-pages cargo +nightly fuzz run parser`. Without the variable the first byte
//! of the input chooses among all of them. A corpus to begin with: `BACKUP_FUZZ_CORPUS=fuzz/corpus/parser cargo test -p
//! backup-repository --features fuzzing --test fuzz real`.

#![no_main]

use backup_repository::fuzzing::{TARGETS, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| match std::env::var("BACKUP_FUZZ") {
    Ok(name) => run(&name, data),
    Err(_) => {
        if let Some((first, rest)) = data.split_first() {
            (TARGETS[usize::from(*first) % TARGETS.len()].run)(rest);
        }
    }
});
