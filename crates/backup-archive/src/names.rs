//! The names of archives.

use crate::manifest::{Manifest, SUFFIX, Stored};
use crate::settings::{ArchiveSettings, WhenTaken};
use backup_core::{BackupId, Error, ErrorKind, Key, NameValues, Result, Spec, StorageDriver, StorageExt};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::SystemTime;

/// Stands for a number that no archive has.
const NO_NUMBER: u64 = u64::MAX;

/// A name that is free, and the local date it was made with.
///
/// # Errors
/// `AlreadyExists` when it is taken and nothing is put behind it.
pub(crate) async fn free_name(
    storage: &dyn StorageDriver,
    settings: &ArchiveSettings,
    spec: &Spec,
    source: &str,
) -> Result<(String, String)> {
    let template = settings.template()?;
    let started = spec.started.unwrap_or_else(SystemTime::now);
    let local = Timestamp::try_from(started)
        .map_err(|e| Error::new(ErrorKind::InvalidInput, "a time is beyond the calendar").source(e))?
        .to_zoned(settings.zone()?);
    let mut values = NameValues::new(&spec.name, started).with_utc_offset_seconds(local.offset().seconds());
    values.source = source.to_owned();
    values.host.clone_from(&spec.host);
    values.tags.clone_from(&spec.tags);
    if template.has_seq() {
        values.seq = NO_NUMBER;
        let pattern = template.render(&values)?;
        let (before, behind) = pattern.split_once(&NO_NUMBER.to_string()).unwrap_or((&pattern, ""));
        let taken = taken(storage, before).await?;
        let numbers = taken.iter().filter_map(|name| {
            let number = name.strip_prefix(before)?.strip_suffix(behind)?;
            number.parse::<u64>().ok()
        });
        values.seq = numbers.max().unwrap_or(0).saturating_add(1);
    }
    let name = template.render(&values)?;
    let taken = taken(storage, &name).await?;
    let date = local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    if !taken.contains(&name) {
        return Ok((name, date));
    }
    if settings.when_taken() == WhenTaken::Number {
        let numbered = (2u64..).map(|number| format!("{name}-{number}")).find(|name| !taken.contains(name));
        return numbered
            .map(|name| (name, date))
            .ok_or_else(|| Error::new(ErrorKind::Internal, "all numbers are taken"));
    }
    Err(Error::new(ErrorKind::AlreadyExists, "there is an archive of this name: forget it, name this one otherwise, or make a folder that numbers taken names")
        .context("archive", name))
}

/// Names that begin so and have an archive, finished or not.
async fn taken(storage: &dyn StorageDriver, beginning: &str) -> Result<BTreeSet<String>> {
    let objects = storage.list_all(beginning).await?;
    Ok(objects.iter().filter_map(|(key, _)| owner(key)).map(str::to_owned).collect())
}

/// The archive that an object shows to be there: by its manifest, its index, or the tar.
pub(crate) fn owner(key: &Key) -> Option<&str> {
    let key = key.as_str();
    let marks = [SUFFIX, ".index.zst", ".tar"];
    let name = marks.iter().find_map(|mark| {
        let (name, rest) = key.rsplit_once(mark)?;
        let is_end = rest.is_empty() || (*mark != SUFFIX && rest.starts_with('.'));
        is_end.then_some(name)
    })?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// What stands behind an archive's name and a point, or behind `NAME.2-COMPONENT.`, if that is all before it.
pub(crate) fn extension_of<'a>(key: &'a str, id: &BackupId) -> Option<&'a str> {
    let rest = key.strip_prefix(id.0.as_str())?.strip_prefix('.')?;
    let (first, behind) = rest.split_once('.').unwrap_or((rest, ""));
    let is_component = first.split_once('-').is_some_and(|(number, name)| {
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    });
    Some(if is_component { behind } else { rest })
}

/// Whether an object may be one of an archive: its name says so, and it is no settings, manifest or mark.
pub(crate) fn is_object_of(key: &str, id: &BackupId) -> bool {
    let Some(extension) = extension_of(key, id) else { return false };
    let (first, layers) = extension.split_once('.').unwrap_or((extension, ""));
    let is_word = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let known = ["zst", "gz", "age", "gpg"];
    is_word
        && !["json", "held", "manifest"].contains(&first)
        && layers.split('.').all(|layer| layer.is_empty() || known.contains(&layer))
}

/// The objects that a manifest names.
pub(crate) fn objects_of(manifest: &Manifest) -> impl Iterator<Item = &Stored> {
    let contents = manifest.components.iter().filter_map(|part| part.content.as_ref());
    contents.flat_map(|content| [&content.archive, &content.index])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Encryption;
    use backup_core::PutOptions;
    use backup_storage::Memory;
    use std::time::Duration;

    async fn put(storage: &Memory, key: &str) {
        storage.put_bytes(&Key::new(key).unwrap(), bytes::Bytes::new(), &PutOptions::default()).await.unwrap();
    }

    fn spec() -> Spec {
        // 2026-11-20 23:30 UTC.
        Spec::new("shop", "web-1").with_started(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_217_400))
    }

    #[tokio::test]
    async fn the_date_is_that_of_the_start_in_the_zone_of_the_settings() {
        let storage = Memory::new();
        let settings = ArchiveSettings::new(Encryption::None);
        let (name, date) = free_name(&storage, &settings, &spec(), "files").await.unwrap();
        assert_eq!((name.as_str(), date.as_str()), ("shop_20261120", "2026-11-20T23:30:00+00:00"));
        let settings = settings.with_time_zone("Europe/Berlin");
        let (name, date) = free_name(&storage, &settings, &spec(), "files").await.unwrap();
        assert_eq!((name.as_str(), date.as_str()), ("shop_20261121", "2026-11-21T00:30:00+01:00"));
    }

    #[tokio::test]
    async fn a_taken_name_is_refused_or_numbered() {
        let settings = ArchiveSettings::new(Encryption::None);
        for key in ["shop_20261120.manifest.json", "shop_20261120.index.zst.age", "shop_20261120.tar.gz"] {
            let storage = Memory::new();
            put(&storage, key).await;
            let refused = free_name(&storage, &settings, &spec(), "files").await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{key}");
            let numbering = settings.clone().with_when_taken(WhenTaken::Number);
            assert_eq!(free_name(&storage, &numbering, &spec(), "files").await.unwrap().0, "shop_20261120-2");
            put(&storage, "shop_20261120-2.manifest.json").await;
            assert_eq!(free_name(&storage, &numbering, &spec(), "files").await.unwrap().0, "shop_20261120-3");
        }
        let storage = Memory::new();
        put(&storage, "shop_20261120.txt").await;
        put(&storage, "shop_20261120.b.manifest.json").await;
        assert_eq!(free_name(&storage, &settings, &spec(), "files").await.unwrap().0, "shop_20261120");
    }

    #[test]
    fn objects_are_told_from_those_of_other_archives_and_of_strangers() {
        let id = BackupId("shop.web".into());
        for own in ["shop.web.tar", "shop.web.sql.zst.age", "shop.web.2-db_x.index.zst.age", "shop.web.index.zst"] {
            assert!(is_object_of(own, &id), "{own}");
        }
        for other in [
            "shop.web.lan.tar.zst.age",
            "shop.web",
            "shop.web.",
            "shop.web-2.tar",
            "shop.tar",
            "archives.json",
            "shop.web.manifest.json",
            "shop.web.held",
            "shop.web.2-db",
            "../shop.web.tar",
            "shop.web.a/b.tar",
        ] {
            assert!(!is_object_of(other, &id), "{other}");
        }
    }

    #[tokio::test]
    async fn numbers_go_on_behind_the_highest() {
        let template = "{host}-{seq}-{name}".parse().unwrap();
        let settings = ArchiveSettings::new(Encryption::None).with_template(&template);
        let storage = Memory::new();
        assert_eq!(free_name(&storage, &settings, &spec(), "files").await.unwrap().0, "web-1-1-shop");
        put(&storage, "web-1-7-shop.manifest.json").await;
        put(&storage, "web-1-9-other.manifest.json").await;
        assert_eq!(free_name(&storage, &settings, &spec(), "files").await.unwrap().0, "web-1-8-shop");
    }
}
