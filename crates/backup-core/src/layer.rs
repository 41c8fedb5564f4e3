use crate::{Error, ErrorKind, Reader, Result, StorageDriver};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// Something put between the bytes of a backup and its storage: compression, encryption, a checksum.
///
/// `decode` undoes `encode`, given the parameters that were recorded, whatever the lengths of the reads on either side.
pub trait Layer: Debug + Send + Sync {
    /// The word under which records name it (`zstd`, `age`).
    fn name(&self) -> &'static str;

    /// What decoding needs beside keys. Recorded with the backup: never a secret.
    fn parameters(&self) -> BTreeMap<String, String>;

    /// The encoded form of a stream. What breaks off inside comes out as an error, never as an end.
    ///
    /// # Errors
    /// When it cannot begin; later errors come out of the reader.
    fn encode(&self, plain: Reader) -> Result<Reader>;

    /// The stream behind an encoded one. Nothing of a damaged or shortened one passes as whole: `Damaged` comes out of
    /// the reader before its end does.
    ///
    /// # Errors
    /// As [`Layer::encode`]; `AccessDenied` without the key.
    fn decode(&self, encoded: Reader) -> Result<Reader>;
}

/// A layer as a record keeps it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerRecord {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
}

impl LayerRecord {
    /// A record as it was read.
    pub fn new(name: impl Into<String>, parameters: BTreeMap<String, String>) -> Self {
        LayerRecord { name: name.into(), parameters }
    }
}

/// Layers in the order in which they encode.
#[derive(Clone, Debug, Default)]
pub struct Layers(Vec<Arc<dyn Layer>>);

impl Layers {
    /// None: bytes pass as they are.
    pub fn new() -> Self {
        Layers::default()
    }

    /// Adds a layer that encodes what the ones before it give.
    #[must_use]
    pub fn then(mut self, layer: Arc<dyn Layer>) -> Self {
        self.0.push(layer);
        self
    }

    /// What is recorded, in the order of encoding.
    pub fn records(&self) -> Vec<LayerRecord> {
        self.0.iter().map(|layer| LayerRecord::new(layer.name(), layer.parameters())).collect()
    }

    /// Layers from their records: a restore never trusts its caller's memory of them. `make` knows the layers built in.
    ///
    /// # Errors
    /// What `make` gives: `Unsupported` for a layer it does not know, `Damaged` for parameters that make no sense.
    pub fn from_records(
        records: &[LayerRecord],
        make: impl Fn(&LayerRecord) -> Result<Arc<dyn Layer>>,
    ) -> Result<Self> {
        records.iter().map(make).collect::<Result<_>>().map(Layers)
    }

    /// A stream through all layers.
    ///
    /// # Errors
    /// As [`Layer::encode`].
    pub fn encode(&self, plain: Reader) -> Result<Reader> {
        self.0.iter().try_fold(plain, |reader, layer| layer.encode(reader))
    }

    /// A stream back through all layers, the last first.
    ///
    /// # Errors
    /// As [`Layer::decode`].
    pub fn decode(&self, encoded: Reader) -> Result<Reader> {
        self.0.iter().rev().try_fold(encoded, |reader, layer| layer.decode(reader))
    }
}

/// Something put around a storage: retry, throttle. It changes when and how often calls happen, never what they mean.
pub trait StorageLayer: Debug + Send + Sync {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// The storage behind this layer.
    fn around(&self, storage: Arc<dyn StorageDriver>) -> Arc<dyn StorageDriver>;
}

/// Puts layers around a storage, the first innermost.
pub fn layered(storage: Arc<dyn StorageDriver>, layers: &[Arc<dyn StorageLayer>]) -> Arc<dyn StorageDriver> {
    layers.iter().fold(storage, |storage, layer| layer.around(storage))
}

/// The error for a record of a layer that is not built in.
pub fn unknown_layer(record: &LayerRecord) -> Error {
    Error::new(ErrorKind::Unsupported, "a backup was stored through a layer that is not built in")
        .context("layer", &record.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;
    use tokio::io::AsyncReadExt;

    /// Puts its letter in front, and insists on finding it there.
    #[derive(Debug)]
    struct Mark(u8);

    impl Layer for Mark {
        fn name(&self) -> &'static str {
            "mark"
        }
        fn parameters(&self) -> BTreeMap<String, String> {
            BTreeMap::from([("letter".into(), self.0.to_string())])
        }
        fn encode(&self, plain: Reader) -> Result<Reader> {
            Ok(Box::new(Cursor::new(vec![self.0]).chain(plain)))
        }
        fn decode(&self, mut encoded: Reader) -> Result<Reader> {
            let (mine, (from, mut to)) = (self.0, tokio::io::duplex(16));
            tokio::spawn(async move {
                assert_eq!(encoded.read_u8().await.unwrap(), mine);
                tokio::io::copy(&mut encoded, &mut to).await.unwrap();
            });
            Ok(Box::new(from))
        }
    }

    proptest! {
        #[test]
        fn layers_from_their_records_undo_them(letters in prop::collection::vec(any::<u8>(), 0..6), plain: Vec<u8>) {
            let layers = letters.iter().fold(Layers::new(), |layers, letter| layers.then(Arc::new(Mark(*letter))));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (encoded, decoded) = runtime.block_on(async {
                let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
                let mut reader = layers.encode(Box::new(Cursor::new(plain.clone()))).unwrap();
                reader.read_to_end(&mut encoded).await.unwrap();
                let make = |record: &LayerRecord| -> Result<Arc<dyn Layer>> {
                    Ok(Arc::new(Mark(record.parameters["letter"].parse().unwrap())))
                };
                let again = Layers::from_records(&layers.records(), make).unwrap();
                again.decode(Box::new(Cursor::new(encoded.clone()))).unwrap().read_to_end(&mut decoded).await.unwrap();
                (encoded, decoded)
            });
            let marks: Vec<u8> = letters.iter().rev().copied().collect();
            prop_assert_eq!(&encoded, &[marks.as_slice(), plain.as_slice()].concat());
            prop_assert_eq!(decoded, plain);
        }
    }
}
