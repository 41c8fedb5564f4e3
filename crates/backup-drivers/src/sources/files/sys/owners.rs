use super::lock;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::hash::Hash;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Mutex;

/// Directory services can be slow and large: answers are kept, but not without end.
const MAX_KEPT: usize = 4096;

/// Names of users and groups, and the way back, as this host knows them.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    users: Kept<u32, Vec<u8>>,
    groups: Kept<u32, Vec<u8>>,
    uids: Kept<Vec<u8>, u32>,
    gids: Kept<Vec<u8>, u32>,
}

impl Owners {
    /// A user's name.
    pub(crate) fn user(&self, uid: u32) -> Option<Vec<u8>> {
        self.users.get(&uid, |uid| Some(uzers::get_user_by_uid(*uid)?.name().to_os_string().into_vec()))
    }

    /// A group's name.
    pub(crate) fn group(&self, gid: u32) -> Option<Vec<u8>> {
        self.groups.get(&gid, |gid| Some(uzers::get_group_by_gid(*gid)?.name().to_os_string().into_vec()))
    }

    /// A user's number.
    pub(crate) fn uid(&self, name: &Vec<u8>) -> Option<u32> {
        self.uids.get(name, |name| Some(uzers::get_user_by_name(OsStr::from_bytes(name))?.uid()))
    }

    /// A group's number.
    pub(crate) fn gid(&self, name: &Vec<u8>) -> Option<u32> {
        self.gids.get(name, |name| Some(uzers::get_group_by_name(OsStr::from_bytes(name))?.gid()))
    }
}

/// Answers to one question, misses too.
#[derive(Debug)]
struct Kept<K, V>(Mutex<HashMap<K, Option<V>>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Kept(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Kept<K, V> {
    fn get(&self, key: &K, ask: impl FnOnce(&K) -> Option<V>) -> Option<V> {
        if let Some(answer) = lock(&self.0).get(key) {
            return answer.clone();
        }
        let answer = ask(key);
        let mut kept = lock(&self.0);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(key.clone(), answer.clone());
        answer
    }
}
