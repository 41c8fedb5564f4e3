//! Archives made by hand, from the words of docs/archive.md.

use crate::index::{Head, Line, PIECE_BYTES, Piece, Placed, Row};
use crate::layers::{Age, AgeIdentities, FrameLengths, Gzip, Keys, Zstd};
use crate::manifest::{Content, Form, Layer as Named, Manifest, Part, Stored, Sum};
use crate::pull::ArchiveBackup;
use age::secrecy::ExposeSecret;
use backup_core::*;
use backup_storage::Memory;
use backup_testkit::memory::Tree;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;
use tokio::io::AsyncReadExt;

static KEY: LazyLock<(String, String)> = LazyLock::new(|| {
    let key = age::x25519::Identity::generate();
    (key.to_string().expose_secret().to_owned(), key.to_public().to_string())
});

pub(super) fn keys() -> Keys {
    Keys::new().with_age(AgeIdentities::default().with_key(&Secret::new(KEY.0.as_str())).unwrap())
}

/// An archive in a storage of its own.
pub(super) struct Made {
    pub(super) memory: Memory,
    pub(super) manifest: Manifest,
    pub(super) places: BTreeMap<TreePath, Placed>,
}

pub(super) const ARCHIVE: &str = "shop.tar";
pub(super) const INDEX: &str = "shop.index";

/// An archive of a tree through layers (`zstd age`); `edit` has the last word on the lines of the index.
pub(super) async fn made(tree: &Tree, layers: &str, edit: impl FnOnce(&mut Vec<String>)) -> Made {
    let (mut plain, mut lines, mut places) = (Vec::new(), Vec::new(), BTreeMap::new());
    lines.push(json(&Line::Head(Head::new("shop", "files"))));
    let mut groups = BTreeMap::new();
    for (path, node) in tree {
        let mut entry = Entry::new(path.clone(), node.kind.clone());
        entry.metadata = node.metadata.clone();
        entry.holes = node.holes.clone();
        entry.link_group = node.link_group;
        let mut placed = None;
        if entry.has_content() {
            let free: u64 = node.holes.iter().map(|hole| hole.length).sum();
            entry.size_bytes = Some(node.content.len() as u64 + free);
            placed = node.link_group.and_then(|group| groups.get(&group).copied());
            let place = *placed.get_or_insert_with(|| {
                // As behind a header of tar.
                plain.extend([b'h'; 512]);
                let placed = Placed { at: plain.len() as u64, bytes: node.content.len() as u64 };
                plain.extend(&node.content);
                placed
            });
            node.link_group.map(|group| groups.insert(group, place));
            places.insert(path.clone(), place);
        }
        lines.push(json(&Line::Entry(Box::new(Row::new(&entry, placed)))));
    }
    let memory = Memory::new();
    let lengths = FrameLengths::default();
    let archive = put(&memory, ARCHIVE, &plain, &layers_of(layers, Some(&lengths))).await;
    let mut lengths = lengths.take().into_iter();
    for piece in plain.chunks(PIECE_BYTES) {
        let stored = lengths.next().unwrap_or(piece.len() as u32);
        lines.push(json(&Line::Piece(Piece { piece: blake3::hash(piece).to_string(), stored })));
    }
    edit(&mut lines);
    let index: String = lines.into_iter().map(|line| line + "\n").collect();
    let index = put(&memory, INDEX, index.as_bytes(), &layers_of(layers, None)).await;
    let content = Content { form: Form::Tar, archive, index };
    Made { memory, manifest: manifest(Some(content)), places }
}

pub(super) fn manifest(content: Option<Content>) -> Manifest {
    let mut summary = Summary::new(BackupId("shop".into()), "shop", "host", SystemTime::UNIX_EPOCH);
    summary.components = vec!["files".into()];
    let spec = ComponentSpec::new("files", SourceDescription::new("files"));
    let component = Component::new(spec, Status::Complete, Outcome::default(), Totals::default());
    let part = Part::new(&component, content).unwrap();
    Manifest::new(&summary, "1970-01-01T00:00:00Z".into(), vec![part]).unwrap()
}

fn json(line: &Line) -> String {
    serde_json::to_string(line).unwrap()
}

fn layers_of(names: &str, lengths: Option<&FrameLengths>) -> Layers {
    let first = |at: usize| lengths.filter(|_| at == 0).cloned();
    names.split_whitespace().enumerate().fold(Layers::new(), |layers, (at, name)| {
        layers.then(match (name, first(at)) {
            ("zstd", Some(lengths)) => Arc::new(Zstd::new(1).with_frames(lengths)),
            ("zstd", None) => Arc::new(Zstd::new(1)),
            ("gzip", Some(lengths)) => Arc::new(Gzip::new(1).with_frames(lengths)),
            ("gzip", None) => Arc::new(Gzip::new(1)),
            ("age", _) => Arc::new(Age::to([&KEY.1]).unwrap()),
            other => panic!("{other:?}"),
        })
    })
}

async fn put(memory: &Memory, object: &str, plain: &[u8], layers: &Layers) -> Stored {
    let mut stored = Vec::new();
    let mut encoded = layers.encode(Box::new(Cursor::new(plain.to_vec()))).unwrap();
    encoded.read_to_end(&mut stored).await.unwrap();
    let sums = (sum(plain), sum(&stored));
    replace(memory, object, stored).await;
    let layers = layers.records().iter().map(Named::from).collect();
    Stored { object: object.into(), layers, plain: sums.0, stored: sums.1 }
}

pub(super) fn sum(bytes: &[u8]) -> Sum {
    Sum { bytes: bytes.len() as u64, blake3: blake3::hash(bytes).to_string() }
}

pub(super) async fn replace(memory: &Memory, object: &str, content: Vec<u8>) {
    let options = PutOptions::default().with_mode(PutMode::Replace);
    memory.put_bytes(&Key::new(object).unwrap(), content.into(), &options).await.unwrap();
}

impl Made {
    pub(super) fn open(&self) -> ArchiveBackup {
        self.open_in(Arc::new(self.memory.clone()))
    }

    pub(super) fn open_in(&self, storage: Arc<dyn StorageDriver>) -> ArchiveBackup {
        ArchiveBackup::new(storage, &self.manifest, keys()).unwrap()
    }

    pub(super) fn content(&mut self) -> &mut Content {
        self.manifest.components[0].content.as_mut().unwrap()
    }

    pub(super) async fn object(&self, name: &str) -> Bytes {
        self.memory.get_bytes(&Key::new(name).unwrap(), u64::MAX - 1).await.unwrap()
    }

    pub(super) async fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut content = self.object(name).await.to_vec();
        change(&mut content);
        replace(&self.memory, name, content).await;
    }

    /// The paths whose content touches a piece.
    pub(super) fn inside(&self, piece: u64) -> Vec<TreePath> {
        let touches = |placed: &Placed| placed.bytes > 0 && crate::pull::runs::pieces(*placed).contains(&piece);
        self.places.iter().filter(|(_, placed)| touches(placed)).map(|(path, _)| path.clone()).collect()
    }
}
