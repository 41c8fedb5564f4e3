use super::*;
use backup_core::Hole;
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

fn entry(path: &[u8], kind: EntryKind) -> Entry {
    let mut entry = Entry::new(TreePath::from_slashed(path).unwrap(), kind);
    entry.metadata.mode = Some(0o640);
    entry.metadata.mtime = Some(Timestamp { seconds: 1_000_000_000, nanoseconds: 0 });
    entry
}

fn file(path: &[u8], size: u64) -> Entry {
    let mut file = entry(path, EntryKind::File);
    file.size_bytes = Some(size);
    file
}

fn add(archive: &mut Vec<u8>, entry: &Entry, content: &[u8]) {
    archive.extend(head(entry, None).unwrap().unwrap());
    archive.extend_from_slice(content);
    archive.extend_from_slice(padding(content.len() as u64));
}

/// What the stock program makes of an archive.
fn extract(mut archive: Vec<u8>) -> tempfile::TempDir {
    use std::io::Write;
    archive.extend_from_slice(&END);
    let folder = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar")
        .args(["-x", "-p", "--xattrs", "--xattrs-include=user.*", "--warning=no-timestamp", "-C"])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tar.stdin.take().unwrap().write_all(&archive).unwrap();
    let output = tar.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    folder
}

#[test]
fn the_stock_program_reads_what_is_written() {
    let mut archive = Vec::new();
    let long = [b"/d/".as_slice(), &[b'x'; 255], b"/", &[0xff; 200]].concat();
    let mut folder = entry(b"/d", EntryKind::Directory);
    folder.metadata.mode = Some(0o750);
    add(&mut archive, &folder, b"");
    let mut odd = file(&long, 5);
    odd.metadata.mtime = Some(Timestamp { seconds: -2, nanoseconds: 250_000_000 });
    odd.metadata.user = Some(vec![b'u'; 40]);
    add(&mut archive, &odd, b"hello");
    add(&mut archive, &file(b"/empty", 0), b"");
    let link = entry(b"/link", EntryKind::Symlink { target: vec![b't'; 150] });
    add(&mut archive, &link, b"");
    add(&mut archive, &entry(b"/pipe", EntryKind::Fifo), b"");
    let first = TreePath::from_slashed(&long).unwrap();
    archive.extend(head(&file(b"/same", 5), Some(&first)).unwrap().unwrap());

    let place = extract(archive);
    use std::os::unix::ffi::OsStrExt;
    let path = |name: &[u8]| place.path().join(std::ffi::OsStr::from_bytes(name));
    assert_eq!(std::fs::read(path(&long[1..])).unwrap(), b"hello");
    let read = std::fs::metadata(path(&long[1..])).unwrap();
    assert_eq!((read.mtime(), read.mtime_nsec()), (-2, 250_000_000));
    assert_eq!(read.mode() & 0o7777, 0o640);
    assert_eq!(std::fs::metadata(path(b"same")).unwrap().ino(), read.ino());
    assert_eq!(std::fs::metadata(path(b"empty")).unwrap().len(), 0);
    assert_eq!(std::fs::read_link(path(b"link")).unwrap().as_os_str().len(), 150);
    assert_eq!(std::fs::metadata(path(b"d")).unwrap().mode() & 0o7777, 0o750);
    use std::os::unix::fs::FileTypeExt;
    assert!(std::fs::metadata(path(b"pipe")).unwrap().file_type().is_fifo());
}

#[test]
fn holes_come_back_as_holes() {
    for (holes, size) in [
        (vec![(8192u64, 1 << 20)], (1 << 20) + 8192 + 5),
        (vec![(0, 65536)], 65536),
        (vec![(0, 4096), (8192, 1 << 20)], 8192 + (1 << 20)),
    ] {
        let mut sparse = file(b"/d/sparse", size);
        sparse.holes = holes.iter().map(|(offset, length)| Hole { offset: *offset, length: *length }).collect();
        let data = size - holes.iter().map(|hole| hole.1).sum::<u64>();
        let mut archive = Vec::new();
        add(&mut archive, &sparse, &vec![7; data as usize]);
        let place = extract(archive);
        let content = std::fs::read(place.path().join("d/sparse")).unwrap();
        assert_eq!(content.len() as u64, size);
        for (at, byte) in (0u64..).zip(&content) {
            let in_hole = holes.iter().any(|(offset, length)| (*offset..offset + length).contains(&at));
            assert_eq!(*byte, if in_hole { 0 } else { 7 }, "{at}");
        }
    }
}

#[test]
fn what_ustar_cannot_hold_is_in_extended_records() {
    let mut large = file(b"/large", 9 << 30);
    (large.metadata.uid, large.metadata.gid) = (Some(u32::MAX), Some(3_000_000));
    large.metadata.xattrs = BTreeMap::from([
        (b"user.x\xff".to_vec(), vec![0, 1, 255]),
        (b"user.empty".to_vec(), vec![]),
        (b"user.a=b%".to_vec(), vec![b'c']),
    ]);
    let head = head(&large, None).unwrap().unwrap();
    let mut archive = tar::Archive::new(head.as_slice().chain(std::io::repeat(0)));
    let mut found = archive.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(found.size(), 9 << 30);
    let records: Vec<(Vec<u8>, Vec<u8>)> = found
        .pax_extensions()
        .unwrap()
        .unwrap()
        .map(|record| record.unwrap())
        .map(|record| (record.key_bytes().to_vec(), record.value_bytes().to_vec()))
        .collect();
    let value = |key: &[u8]| records.iter().find(|record| record.0 == key).map(|record| record.1.clone()).unwrap();
    assert_eq!(value(b"uid"), b"4294967295");
    assert_eq!(value(b"gid"), b"3000000");
    assert_eq!(value(b"SCHILY.xattr.user.x\xff"), [0, 1, 255]);
    assert_eq!(value(b"SCHILY.xattr.user.empty"), b"");
    assert_eq!(value(b"SCHILY.xattr.user.a%3Db%25"), b"c");
}

#[test]
fn names_that_no_file_has_lead_nowhere() {
    let path = TreePath::from_components([b"..".as_slice(), b"a/b", b".", b"c\0"]).unwrap();
    assert_eq!(name(&path, false), b"%2E%2E/a%2Fb/%2E/c%00");
}

#[test]
fn lengths_of_records_count_themselves() {
    for length in 0..2000 {
        let mut pax = Pax::default();
        pax.add(b"k", &vec![b'v'; length]);
        let told: usize = String::from_utf8_lossy(&pax.0).split(' ').next().unwrap().parse().unwrap();
        assert_eq!(told, pax.0.len());
    }
}

#[test]
fn times_before_1970_are_negative_decimals() {
    let text = |seconds, nanoseconds| decimal(Timestamp { seconds, nanoseconds });
    assert_eq!(text(-2, 250_000_000), "-1.750000000");
    assert_eq!(text(-1, 0), "-1.000000000");
    assert_eq!(text(5, 1), "5.000000001");
}
