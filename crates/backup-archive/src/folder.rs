use crate::layers::Keys;
use crate::manifest::{self, Manifest, SUFFIX};
use crate::names::{is_object_of, objects_of};
use crate::push::ArchiveDraft;
use crate::settings::ArchiveSettings;
use async_trait::async_trait;
use backup_core::{
    BackupId, Destination, Draft, Error, ErrorKind, Key, Observer, PutOptions, Result, Secret, Spec, StorageDriver,
    StorageExt,
};
use bytes::Bytes;
use std::sync::Arc;

/// The folder's settings.
const SETTINGS: &str = "archives.json";
const MAX_SETTINGS: u64 = 1 << 20;
/// What the name of the mark of an archive that must not be dropped ends in.
const HELD: &str = ".held";

/// A folder of archives: a destination, and the catalogue of what is in it.
#[derive(Clone, Debug)]
pub struct ArchiveFolder {
    pub(crate) storage: Arc<dyn StorageDriver>,
    pub(crate) settings: ArchiveSettings,
    pub(crate) keys: Keys,
    passphrase: Option<Secret>,
}

impl ArchiveFolder {
    /// Makes an archive folder of a storage's place; with a passphrase if, and only if, archives are to be encrypted with one.
    ///
    /// # Errors
    /// `AlreadyExists` when it is one; `InvalidInput` for settings that make no sense.
    pub async fn create(
        storage: Arc<dyn StorageDriver>,
        settings: ArchiveSettings,
        passphrase: Option<&Secret>,
    ) -> Result<Self> {
        settings.check()?;
        let settings = settings.sealed_with(passphrase).await?;
        let content = Bytes::from(settings.to_bytes()?);
        storage.put_bytes(&Key::new(SETTINGS)?, content, &PutOptions::default()).await.map_err(|error| match error
            .kind()
        {
            ErrorKind::AlreadyExists => {
                Error::new(ErrorKind::AlreadyExists, "this is an archive folder already").source(error)
            }
            _ => error,
        })?;
        Ok(ArchiveFolder { storage, settings, keys: Keys::default(), passphrase: None })
    }

    /// Whether a storage's place is an archive folder.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn is_one(storage: &dyn StorageDriver) -> Result<bool> {
        match storage.stat(&Key::new(SETTINGS)?).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens an archive folder. Without keys archives can be listed and, to recipients, written.
    ///
    /// # Errors
    /// `NotFound` when it is none; `Damaged`, `Unsupported` for its settings.
    pub async fn open(storage: Arc<dyn StorageDriver>, keys: Keys) -> Result<Self> {
        let content =
            storage.get_bytes(&Key::new(SETTINGS)?, MAX_SETTINGS).await.map_err(|error| match error.kind() {
                ErrorKind::NotFound => Error::new(ErrorKind::NotFound, "this is no archive folder").source(error),
                _ => error,
            })?;
        let settings = ArchiveSettings::from_bytes(&content).map_err(|e| e.context("object", SETTINGS))?;
        Ok(ArchiveFolder { storage, settings, keys, passphrase: None })
    }

    /// Sets what opens archives.
    #[must_use]
    pub fn with_keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    /// Sets the passphrase that archives are written and read with.
    ///
    /// # Errors
    /// `InvalidInput` when it is empty or no UTF-8.
    pub fn with_passphrase(mut self, passphrase: Secret) -> Result<Self> {
        self.keys = self.keys.clone().with_age(self.keys.age().clone().with_passphrase(&passphrase)?);
        self.passphrase = Some(passphrase);
        Ok(self)
    }

    /// How archives are made here.
    pub fn settings(&self) -> &ArchiveSettings {
        &self.settings
    }

    /// Keeps an archive from being forgotten.
    ///
    /// # Errors
    /// `NotFound`; what the storage says.
    pub async fn hold(&self, id: &BackupId) -> Result<()> {
        self.manifest(id).await?;
        match self.storage.put_bytes(&held(id)?, Bytes::new(), &PutOptions::default()).await {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Lets an archive be forgotten again, also one that cannot be read.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn release(&self, id: &BackupId) -> Result<()> {
        self.storage.delete(&[held(id)?]).await
    }

    pub(crate) async fn is_held(&self, id: &BackupId) -> Result<bool> {
        match self.storage.stat(&held(id)?).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The manifest of an archive.
    pub(crate) async fn manifest(&self, id: &BackupId) -> Result<Manifest> {
        let key = manifest_key(id)?;
        let content = self.storage.get_bytes(&key, manifest::MAX_BYTES).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, "there is no such archive, or it is incomplete").context("archive", id)
            }
            _ => error,
        })?;
        let manifest = Manifest::from_bytes(&content).map_err(|e| e.context("object", &key))?;
        if manifest.archive != id.0 {
            return Err(Error::new(ErrorKind::Damaged, "a manifest is another archive's")
                .context("object", key)
                .context("archive", manifest.archive));
        }
        let foreign = objects_of(&manifest).find(|stored| !is_object_of(&stored.object, id));
        if let Some(foreign) = foreign {
            return Err(Error::new(ErrorKind::Damaged, "a manifest names an object that is not its own")
                .context("object", key)
                .context("named", &foreign.object));
        }
        Ok(manifest)
    }
}

pub(crate) fn manifest_key(id: &BackupId) -> Result<Key> {
    let no_such =
        |e: Error| Error::new(ErrorKind::NotFound, "there is no such archive").context("archive", id).source(e);
    Key::new(format!("{id}{SUFFIX}")).map_err(no_such)
}

fn held(id: &BackupId) -> Result<Key> {
    Key::new(format!("{id}{HELD}"))
}

/// The archive that an object is the mark of.
pub(crate) fn held_archive(key: &Key) -> Option<&str> {
    key.as_str().strip_suffix(HELD)
}

#[async_trait]
impl Destination for ArchiveFolder {
    async fn begin(&self, spec: Spec, observer: Arc<dyn Observer>) -> Result<Box<dyn Draft>> {
        self.settings.check_passphrase(self.passphrase.as_ref()).await?;
        let packing = self.settings.packing(self.passphrase.as_ref())?;
        Ok(Box::new(ArchiveDraft::new(self.storage.clone(), self.settings.clone(), packing, spec, observer)))
    }
}
