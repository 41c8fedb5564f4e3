use crate::format::ids::SessionId;
use crate::protocol::{Condemned, PackId, RunId, Tombstone};

#[test]
fn are_hex_in_records_in_one_spelling() {
    let session = SessionId([0xab; 16]);
    let names = Condemned { packs: vec![PackId { session, number: 7 }], runs: vec![RunId { session, number: 0 }] };
    let text = serde_json::to_string(&names).unwrap();
    let id = "ab".repeat(16);
    assert_eq!(text, format!(r#"{{"packs":["{id}-7"],"runs":["{id}-0"]}}"#));
    assert_eq!(serde_json::from_str::<Condemned>(&text).unwrap(), names);
    for bad in [format!("{id}-07"), format!("{id}7"), format!("{}-7", "AB".repeat(16)), "-7".to_owned()] {
        let text = format!(r#"{{"packs":["{bad}"],"runs":[]}}"#);
        assert!(serde_json::from_str::<Condemned>(&text).is_err(), "{bad}");
    }
}

#[test]
fn of_adopters_are_hex_in_tombstones() {
    let session = SessionId([0xab; 16]);
    let id = "ab".repeat(16);
    for (by, text) in [(Some(session), format!(r#"{{"by":"{id}"}}"#)), (None, r#"{"by":null}"#.to_owned())] {
        assert_eq!(serde_json::to_string(&Tombstone { by }).unwrap(), text);
        assert_eq!(serde_json::from_str::<Tombstone>(&text).unwrap(), Tombstone { by });
    }
    assert!(serde_json::from_str::<Tombstone>(&format!(r#"{{"by":"{}"}}"#, "AB".repeat(16))).is_err());
}
