use crate::crypto::{ChunkKey, DomainKeys, Identity, IndexKey, SigningKey, VerifyingKey};
use crate::format::ids::{PackName, RepositoryId, RunName, SessionId, SessionObject};
use crate::format::owner::Domain;
use std::sync::{Arc, OnceLock};
use zeroize::Zeroizing;

/// The keys of a repository that never was, always the same.
pub(crate) struct Keys {
    pub(crate) repository: RepositoryId,
    pub(crate) signing: Arc<SigningKey>,
    pub(crate) verifying: VerifyingKey,
    pub(crate) identity: Identity,
    pub(crate) domain: Domain,
    pub(crate) session: SessionId,
}

const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

/// None when the constants are no keys, which the tests would show.
pub(crate) fn keys() -> Option<&'static Keys> {
    static KEYS: OnceLock<Option<Keys>> = OnceLock::new();
    KEYS.get_or_init(make).as_ref()
}

fn make() -> Option<Keys> {
    let signing = Arc::new(SigningKey::from_seed(Zeroizing::new([1; 32])).ok()?);
    let keys = DomainKeys { chunk: ChunkKey([2; 32]), index: IndexKey([3; 32]), seed: 4 };
    Some(Keys {
        repository: RepositoryId([5; 16]),
        verifying: signing.verifying().ok()?,
        signing,
        identity: Identity::parse(IDENTITY).ok()?,
        domain: Domain { number: 0, name: "default".into(), keys },
        session: SessionId([6; 16]),
    })
}

impl Keys {
    pub(crate) fn index(&self) -> &IndexKey {
        &self.domain.keys.index
    }

    pub(crate) fn pack(&self) -> PackName {
        PackName(SessionObject { session: self.session, number: 0 })
    }

    pub(crate) fn run(&self) -> RunName {
        RunName(SessionObject { session: self.session, number: 0 })
    }
}
