use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::snapshots::Snapshots;
use clap::{ArgGroup, Args};

/// Change the tags of snapshots
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("change").required(true).multiple(true).args(["add", "remove", "set"])))]
pub(crate) struct Tag {
    /// Which snapshots
    #[arg(required = true, value_name = "SNAPSHOT")]
    snapshots: Vec<String>,

    /// Add this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    add: Vec<String>,

    /// Remove this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    remove: Vec<String>,

    /// Have this tag and no other; may be given several times, and once with '' to have none
    #[arg(long, value_name = "TAG", conflicts_with_all = ["add", "remove"])]
    set: Vec<String>,
}

impl Tag {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let is_empty = |tags: &[String]| tags.iter().any(String::is_empty);
        if is_empty(&self.add) || (is_empty(&self.set) && self.set.len() > 1) {
            return Err(Failure::usage("a tag is empty"));
        }
        let snapshots = Snapshots::open(context).await?;
        let says = |note: &backup_repository::Note| match note.tags.as_slice() {
            [] => "no tags".to_owned(),
            tags => format!("tags {}", tags.join(" ")),
        };
        snapshots.change_notes(&self.snapshots, |note| self.change(&mut note.tags), says).await
    }

    fn change(&self, tags: &mut Vec<String>) {
        if !self.set.is_empty() {
            tags.clear();
        }
        tags.retain(|tag| !self.remove.contains(tag));
        for tag in self.set.iter().chain(&self.add).filter(|tag| !tag.is_empty()) {
            if !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_added_once_removed_and_set() {
        let after = |add: &[&str], remove: &[&str], set: &[&str]| {
            let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
            let mut tags = words(&["a", "b"]);
            Tag { snapshots: Vec::new(), add: words(add), remove: words(remove), set: words(set) }.change(&mut tags);
            tags.join(" ")
        };
        assert_eq!(after(&["c", "a", "c"], &[], &[]), "a b c");
        assert_eq!(after(&["c"], &["a", "x"], &[]), "b c");
        assert_eq!(after(&["a"], &["a"], &[]), "b a");
        assert_eq!(after(&[], &[], &["x", "b", "x"]), "x b");
        assert_eq!(after(&[], &[], &[""]), "");
    }
}
