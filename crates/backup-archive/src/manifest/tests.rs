use super::*;
use backup_core::TreePath;

fn sample() -> Manifest {
    let mut summary = Summary::new(
        BackupId("shop_20261120".into()),
        "shop",
        "web-1",
        SystemTime::UNIX_EPOCH + Duration::new(1_795_217_400, 5),
    );
    summary.duration = Duration::from_millis(1234);
    summary.tags = vec!["nightly".into()];
    summary.status = Status::Partial;
    summary.components = vec!["files".into()];
    summary.totals = Totals { entries: 3, files: 2, size_bytes: 10 };
    let mut source = SourceDescription::new("files");
    source.roots = vec![TreePath::from_slashed(b"/srv/\xff").unwrap()];
    let mut outcome = Outcome::default();
    outcome.fail(TreePath::from_slashed(b"/srv/x").unwrap(), "cannot open it");
    outcome.counts.insert("rows".into(), 7);
    outcome.consistent_at = Some(SystemTime::UNIX_EPOCH);
    let component = Component::new(ComponentSpec::new("files", source), Status::Partial, outcome, summary.totals);
    let stored = |object: &str| Stored {
        object: object.into(),
        layers: vec![Layer { name: "zstd".into(), parameters: BTreeMap::from([("level".into(), "3".into())]) }],
        plain: Sum { bytes: 10, blake3: "00".into() },
        stored: Sum { bytes: 9, blake3: "11".into() },
    };
    let content = Content { form: Form::Tar, archive: stored("a"), index: stored("i") };
    let part = Part::new(&component, Some(content)).unwrap();
    assert_eq!(part.component().unwrap(), component);
    let manifest = Manifest::new(&summary, "2026-11-21T01:30:00+02:00".into(), vec![part]).unwrap();
    assert_eq!(manifest.summary().unwrap(), summary);
    manifest
}

#[test]
fn a_manifest_comes_back_and_holds_together() {
    let manifest = sample();
    let bytes = manifest.to_bytes().unwrap();
    assert_eq!(Manifest::from_bytes(&bytes).unwrap(), manifest);
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        assert!(Manifest::from_bytes(&changed).is_err(), "byte {place}");
        assert!(Manifest::from_bytes(&bytes[..place]).is_err(), "cut at {place}");
    }
}

#[test]
fn the_checksum_is_of_what_stands_above_it() {
    let text = String::from_utf8(sample().to_bytes().unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let above: String = lines[..lines.len() - 2].iter().flat_map(|line| [*line, "\n"]).collect();
    assert!(lines[lines.len() - 2].contains(blake3::hash(above.as_bytes()).to_hex().as_str()));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["format"], FORMAT);
}

#[test]
fn later_versions_are_told_from_damage() {
    let mut manifest = sample();
    manifest.format = "backup-archive/2".into();
    let error = Manifest::from_bytes(&manifest.to_bytes().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
