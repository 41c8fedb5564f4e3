//! Indexes that nobody of us wrote, in archives whose checksums are right.

use super::made::made;
use super::*;

fn small() -> Tree {
    (0..5).map(|n| (path(&format!("/{n}")), file(n.to_string(), n))).collect()
}

fn insert(lines: &mut Vec<String>, at: usize, line: &str) {
    lines.insert(at, line.to_owned());
}

type Edit = Box<dyn Fn(&mut Vec<String>)>;

/// An edit of one line.
fn replace(at: usize, from: &'static str, to: &'static str) -> Edit {
    Box::new(move |lines| {
        assert!(lines[at].contains(from), "{}", lines[at]);
        lines[at] = lines[at].replace(from, to);
    })
}

#[tokio::test]
async fn lines_that_make_no_sense_are_damage() {
    const MAX: &str = "18446744073709551615";
    // The head, five entries, a piece. Without compression, pieces have the length that they must have.
    let edits: Vec<(&str, &str, Edit)> = vec![
        ("no head", "where it cannot", Box::new(|lines| drop(lines.remove(0)))),
        ("two heads", "where it cannot", Box::new(|lines| lines.insert(1, lines[0].clone()))),
        ("no piece", "not complete", Box::new(|lines| drop(lines.pop()))),
        ("two pieces", "where it cannot", Box::new(|lines| lines.push(lines[6].clone()))),
        ("an entry behind the piece", "behind the pieces", Box::new(|lines| lines.swap(5, 6))),
        ("not in order", "not in order", Box::new(|lines| lines.swap(2, 3))),
        ("twice", "not in order", Box::new(|lines| lines.insert(2, lines[1].clone()))),
        ("behind the end", "behind the end", replace(5, "\"at\":", "\"at\":99")),
        (
            "far behind it",
            "another length",
            Box::new(|lines| {
                lines[5] = format!(r#"{{"path":"/4","kind":"file","size":1,"at":{MAX},"bytes":1}}"#);
            }),
        ),
        (
            "huge",
            "behind the end",
            Box::new(|lines| {
                lines[5] = format!(r#"{{"path":"/4","kind":"file","size":{MAX},"at":0,"bytes":{MAX}}}"#);
            }),
        ),
        ("no JSON", "makes no sense", Box::new(|lines| insert(lines, 3, "{\"path\":"))),
        ("empty line", "makes no sense", Box::new(|lines| insert(lines, 3, ""))),
        ("deep", "makes no sense", Box::new(|lines| insert(lines, 3, &"[".repeat(60_000)))),
        ("long", "too long", Box::new(|lines| insert(lines, 3, &"x".repeat(17 << 20)))),
        ("climbs", "path is malformed", replace(5, "\"/4\"", "\"/../4\"")),
        ("piece too long", "its index says|than they can be", replace(6, "\"stored\":", "\"stored\":9")),
        ("piece far too long", "longer than it can be", replace(6, "\"stored\":", "\"stored\":99999")),
        (
            "piece too short",
            "within a frame|than they can be",
            Box::new(|lines| lines[6] = format!(r#"{{"piece":"{}","stored":0}}"#, "0".repeat(64))),
        ),
        ("no checksum", "checksum is none", replace(6, "\"piece\":\"", "\"piece\":\"0")),
    ];
    for layers in ["", "zstd age"] {
        for (what, because, edit) in &edits {
            let made = made(&small(), layers, edit).await;
            let (pulled, lost) = take(&made.open(), &Selection::default()).await.unwrap();
            let failed = pulled.values().find_map(|(_, bytes)| bytes.as_ref().err().cloned());
            let said = lost.first().map(Error::full_message).or(failed).unwrap_or_default();
            assert!(because.split('|').any(|part| said.contains(part)), "{layers} {what}: {said}");
            for (path, (_, bytes)) in &pulled {
                assert!(bytes.as_ref().is_ok_and(|b| *b == small()[path].content) || lost.is_empty(), "{what}: {path}");
            }
        }
    }
}

#[tokio::test]
async fn another_checksum_or_place_gives_no_wrong_byte() {
    let wrong = |lines: &mut Vec<String>| lines[6] = format!(r#"{{"piece":"{}","stored":1}}"#, "0".repeat(64));
    let (pulled, _) = take(&made(&small(), "zstd", wrong).await.open(), &Selection::default()).await.unwrap();
    assert!(pulled.len() == 5 && pulled.values().all(|(_, bytes)| bytes.is_err()));
}

#[tokio::test]
async fn an_object_elsewhere_is_not_read() {
    for name in ["../other", "other/shop.tar", "", "a\nb"] {
        let mut made = made(&small(), "", |_| {}).await;
        made.content().archive.object = name.into();
        let (pulled, lost) = take(&made.open(), &Selection::default()).await.unwrap();
        assert!(pulled.is_empty() && lost.len() == 1, "{name}");
    }
}

#[tokio::test]
async fn a_layer_of_a_later_version_is_named() {
    let mut made = made(&small(), "zstd", |_| {}).await;
    made.content().archive.layers[0].name = "brotli".into();
    let error = take(&made.open(), &Selection::default()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.full_message().contains("brotli"), "{error:?}");
}
