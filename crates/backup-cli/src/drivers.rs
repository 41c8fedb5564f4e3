use backup_core::{Error, ErrorKind, Registry, StorageDriver};
use backup_drivers::{Local, RunProgram};
use backup_storage::Directory;
use std::sync::Arc;

/// The drivers that this program has for URLs. Directories and programs' output need none: they are named by paths and
/// by `--as`.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register_storage("file", |url| async move {
        if url.host.is_some() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a file: URL names no host, only a path (file:///srv/backup)",
            ));
        }
        Ok(Arc::new(Directory::open(&url.path).await?) as Arc<dyn StorageDriver>)
    });
    // For the undos of runs that died.
    registry.register_connection("local", |_| Ok(Arc::new(Local::new())));
    registry.register_action("command", |spec| Ok(Arc::new(RunProgram::from_spec(spec)?)));
    registry
}
