//! What is pushed into an archive folder comes back with the stock programs alone: age, zstd, gzip, tar, b3sum.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use backup_archive::{ArchiveFolder, ArchiveSettings, Compression, Encryption, Keys};
use backup_core::{ErrorKind, Failed, Push, PushReport, Source, Spec, Target};
use backup_drivers::{Files, Local};
use backup_storage::Directory;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A folder of archives, one of sources, and one to restore to.
struct Bench {
    place: TempDir,
    folder: Arc<ArchiveFolder>,
}

impl Bench {
    async fn new(settings: ArchiveSettings) -> Self {
        let place = tempfile::tempdir().unwrap();
        let storage = Arc::new(Directory::create(place.path().join("archives")).await.unwrap());
        ArchiveFolder::create(storage.clone(), settings, None).await.unwrap();
        let folder = Arc::new(ArchiveFolder::open(storage, Keys::default()).await.unwrap());
        for name in ["source", "out"] {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        Bench { place, folder }
    }

    fn source(&self) -> std::path::PathBuf {
        self.place.path().join("source")
    }

    async fn push(&self) -> PushReport {
        self.try_push().await.unwrap()
    }

    async fn try_push(&self) -> Result<PushReport, Failed<PushReport>> {
        let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_217_400);
        Push::new()
            .capture(Source::new(Arc::new(Files::new([self.source()]).unwrap()), Local::new()))
            .to(Target::new("archives", self.folder.clone()))
            .spec(Spec::new("shop", "web-1").with_started(started))
            .run()
            .await
    }

    fn shell(&self, script: &str) -> Output {
        let mut shell = Command::new("bash");
        let output = shell.args(["-euo", "pipefail", "-c", script]).current_dir(self.place.path()).output().unwrap();
        assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Whether what was restored is what was there, attributes included.
    fn compare(&self) {
        let source = self.source();
        let there = source.strip_prefix("/").unwrap().display().to_string();
        let list = |at: &str| format!("cd '{at}' && find . -printf '%p %y %m %U:%G %T@ %s %l %n\\n' | sort");
        let (before, after) =
            (self.shell(&list(&source.display().to_string())), self.shell(&list(&format!("out/{there}"))));
        assert_eq!(String::from_utf8_lossy(&before.stdout), String::from_utf8_lossy(&after.stdout));
        self.shell(&format!("diff -r --no-dereference '{}' 'out/{there}'", source.display()));
    }
}

fn fill(at: &Path) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    std::fs::create_dir_all(at.join("a/deep/folder")).unwrap();
    std::fs::create_dir(at.join("empty")).unwrap();
    std::fs::write(at.join("a/text"), "hello\n".repeat(10_000)).unwrap();
    std::fs::write(at.join("a/nothing"), "").unwrap();
    let mut noise = vec![0; (9 << 20) + 17];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    std::fs::write(at.join("a/deep/noise"), &noise).unwrap();
    std::fs::hard_link(at.join("a/text"), at.join("z-same")).unwrap();
    symlink("a/text", at.join("link")).unwrap();
    symlink("nowhere", at.join("dangling")).unwrap();
    let sparse = std::fs::File::create(at.join("sparse")).unwrap();
    sparse.set_len(8 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"in the middle", 4 << 20).unwrap();
    std::fs::write(at.join("x".repeat(255)), "long").unwrap();
    std::fs::set_permissions(at.join("a/nothing"), PermissionsExt::from_mode(0o4750)).unwrap();
    std::fs::set_permissions(at.join("a"), PermissionsExt::from_mode(0o1777)).unwrap();
    let old = std::fs::File::options().write(true).open(at.join("a/nothing")).unwrap();
    old.set_modified(SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_comes_back_with_age_zstd_and_tar() {
    let keys = tempfile::tempdir().unwrap();
    let identity = keys.path().join("key.txt");
    let made = Command::new("age-keygen").arg("-o").arg(&identity).output().unwrap();
    let told = String::from_utf8(made.stderr).unwrap();
    let recipient = told.trim().rsplit(' ').next().unwrap().to_owned();
    let bench = Bench::new(ArchiveSettings::new(Encryption::Recipients(vec![recipient]))).await;
    fill(&bench.source());
    let report = bench.push().await;
    assert!(report.is_flawless(), "{report:?}");
    let names = bench.shell("ls archives").stdout;
    assert_eq!(
        String::from_utf8(names).unwrap(),
        "archives.json\nshop_20261120.index.zst.age\nshop_20261120.manifest.json\nshop_20261120.tar.zst.age\ntmp\n"
    );
    let identity = identity.display();
    bench.shell(&format!("age -d -i '{identity}' archives/shop_20261120.tar.zst.age | zstd -d | tar -x -p -C out"));
    bench.compare();
    let index = bench.shell(&format!("age -d -i '{identity}' archives/shop_20261120.index.zst.age | zstd -d"));
    assert!(String::from_utf8(index.stdout).unwrap().contains("/a/deep/noise\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_comes_back_with_gzip_and_tar_or_tar_alone() {
    for (compression, unpack) in [(Compression::Gzip(6), "tar.gz | gzip -d"), (Compression::None, "tar")] {
        let bench = Bench::new(ArchiveSettings::new(Encryption::None).with_compression(compression)).await;
        fill(&bench.source());
        assert!(bench.push().await.is_flawless());
        bench.shell(&format!("cat archives/shop_20261120.{unpack} | tar -x -p -C out"));
        bench.compare();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_tells_checksums_that_hold() {
    let bench = Bench::new(ArchiveSettings::new(Encryption::None)).await;
    fill(&bench.source());
    assert!(bench.push().await.is_flawless());
    let text = bench.shell("cat archives/shop_20261120.manifest.json").stdout;
    let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let sum = |script: &str| {
        String::from_utf8(bench.shell(&format!("{script} | b3sum --no-names")).stdout).unwrap().trim().to_owned()
    };
    assert_eq!(sum("head -n -2 archives/shop_20261120.manifest.json"), manifest["manifest_blake3"]);
    let content = &manifest["components"][0]["content"];
    assert_eq!(sum("cat archives/shop_20261120.tar.zst"), content["stored"]["blake3"]);
    assert_eq!(sum("zstd -d -c archives/shop_20261120.tar.zst"), content["plain"]["blake3"]);
    assert_eq!(sum("cat archives/shop_20261120.index.zst"), content["index"]["stored"]["blake3"]);
    assert_eq!(sum("zstd -d -c archives/shop_20261120.index.zst"), content["index"]["plain"]["blake3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_refused_and_nothing_is_written() {
    let bench = Bench::new(ArchiveSettings::new(Encryption::None)).await;
    fill(&bench.source());
    assert!(bench.push().await.is_flawless());
    let before = bench.shell("cd archives && find . -type f -printf '%p %T@ %s\\n' | sort").stdout;
    let refused = bench.try_push().await.unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(bench.shell("cd archives && find . -type f -printf '%p %T@ %s\\n' | sort").stdout, before);
}
