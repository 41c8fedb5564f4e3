//! The parsers under libFuzzer, run by `cargo xtask fuzz`. The first byte of the input chooses among them, unless
//! BACKUP_FUZZ names one.

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
