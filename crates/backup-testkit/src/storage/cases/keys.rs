use crate::storage::subject::Subject;
use crate::suite::ensure;
use backup_core::{MAX_KEY_BYTES, Result};

/// Names that are mistaken for something else: escapes, queries, patterns, hidden files, the same letters otherwise.
const ODD: &[&str] = &[
    "two words",
    " before",
    "behind ",
    "..x",
    "x..",
    "...",
    ".hidden",
    "dot.",
    "-dash",
    "~",
    "~home",
    "a%20b",
    "%",
    "%2F",
    "%252F",
    "%zz",
    "a+b",
    "a&b=c",
    "a?b",
    "a#b",
    "a;b,c",
    "a:b",
    "C:",
    "back\\slash",
    "\"quoted\"",
    "it's",
    "`x`",
    "$HOME",
    "${x}",
    "*",
    "[a]",
    "{a,b}",
    "<a>",
    "a|b",
    "!",
    "(a)",
    "^",
    "@",
    "UPPER",
    "upper",
    "é",
    "e\u{301}",
    "日本/語",
    "🦀",
    "a\u{202E}b",
    "a\u{A0}b",
    "con",
    "tmp",
    "index.html",
    "a=b/c=d",
];

/// Each is an object of its own, found under its name and listed as it was put.
pub(super) async fn odd_keys(subject: &Subject) -> Result<()> {
    for name in ODD {
        subject.put(name, format!("this is {name}")).await?;
    }
    for name in ODD {
        subject.expect(name, format!("this is {name}").as_bytes()).await?;
    }
    let mut wanted = ODD.to_vec();
    wanted.sort_unstable();
    let names = subject.names().await?;
    let lost: Vec<_> = wanted.iter().filter(|name| !names.iter().any(|listed| listed == *name)).collect();
    ensure!(lost.is_empty(), "these are not listed as they were put: {lost:?}");
    ensure!(names == wanted, "these are listed: {names:?}");
    let keys = ODD.iter().map(|name| subject.key(name)).collect::<Result<Vec<_>>>()?;
    subject.storage.delete(&keys).await?;
    let names = subject.names().await?;
    ensure!(names.is_empty(), "these could not be deleted: {names:?}");
    Ok(())
}

/// The longest name that file systems take, and the longest key, of components that they take.
pub(super) async fn long_keys(subject: &Subject) -> Result<()> {
    let room = MAX_KEY_BYTES.saturating_sub(subject.prefix.len());
    let component = "k".repeat(199);
    let mut longest = format!("{component}/").repeat(room / 200);
    longest.extend(std::iter::repeat_n('x', room % 200));
    let longest = longest.trim_end_matches('/').to_owned();
    // Different only behind its first 255 bytes.
    let neighbour = format!("{}y", longest.trim_end_matches(['x', 'k']));
    let names = ["n".repeat(255), longest, neighbour];
    for name in &names {
        subject.put(name, format!("{} bytes", name.len())).await?;
    }
    for name in &names {
        subject.expect(name, format!("{} bytes", name.len()).as_bytes()).await?;
    }
    let listed = subject.names().await?;
    ensure!(listed.len() == names.len(), "of {} objects with long keys {} are listed", names.len(), listed.len());
    Ok(())
}
