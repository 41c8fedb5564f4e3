//! How objects are named, over all modules that have some.

use crate::format::ids::{PackName, RunName};
use crate::format::snapshot::snapshot_of;
use crate::session::{record_of, session_of, session_of_void};
use crate::{keys, notes};
use backup_core::Key;

#[test]
fn an_object_has_one_name() {
    let names = |key: &Key| {
        let is_stored = PackName::from_key(key).is_some() || RunName::from_key(key).is_some();
        let is_session = session_of(key).is_some() || snapshot_of(key).is_some() || session_of_void(key).is_some();
        let is_signed = keys::kind_of(key).is_some() || notes::kind_of(key).is_some() || record_of(key).is_some();
        is_stored || is_session || is_signed
    };
    let (id, capitals) = ("ab".repeat(16), "AB".repeat(16));
    for name in [
        "condemned/{}",
        "condemned/{}.waits",
        "condemned/{}.gone",
        "index/{}-7",
        "index/{}.void",
        "notes/{}/7",
        "notes/{}/forgotten",
        "packs/ab/{}-7",
        "sessions/{}/7",
        "sessions/{}/end",
        "snapshots/{}",
        "receipts/7",
        "keys/identity/7",
    ] {
        let own = name.replace("{}", &id);
        assert!(names(&Key::new(&own).unwrap()), "{own}");
        let others = [name.replace("{}", &capitals), own.replace('7', "07"), own.replace('7', "+7")];
        for other in others.iter().filter(|other| **other != own) {
            assert!(!names(&Key::new(other).unwrap()), "{other}");
        }
    }
}
