/// The drivers of this framework: scheme, what it is, and the feature that builds it in.
const KNOWN: &[(Role, &[&str], &str)] = &[
    (Role::Storage, &["file"], "directory"),
    (Role::Storage, &["memory"], "memory"),
    (Role::Storage, &["s3"], "s3"),
    (Role::Storage, &["sftp"], "sftp"),
    (Role::Storage, &["azure"], "azure"),
    (Role::Storage, &["gs"], "gcs"),
    (Role::Storage, &["gdrive"], "gdrive"),
    (Role::Storage, &["webdav", "webdavs"], "webdav"),
    (Role::Storage, &["peer"], "peer"),
    (Role::Connection, &["local"], "local"),
    (Role::Connection, &["ssh"], "ssh"),
    (Role::Connection, &["docker"], "docker"),
    (Role::Connection, &["kubernetes"], "kubernetes"),
    (Role::Source, &["files"], "files"),
    (Role::Source, &["command"], "command"),
    (Role::Source, &["mysql", "mariadb"], "mysql"),
    (Role::Source, &["postgres", "postgresql"], "postgres"),
    (Role::Source, &["mongodb", "mongodb+srv"], "mongodb"),
    (Role::Source, &["sqlite"], "sqlite"),
    (Role::Source, &["s3"], "s3"),
    (Role::Action, &["command"], "command"),
];

/// What a driver is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Storage,
    Connection,
    Source,
    Action,
}

impl Role {
    pub(super) fn word(self) -> &'static str {
        match self {
            Role::Storage => "storage",
            Role::Connection => "connection",
            Role::Source => "source",
            Role::Action => "action",
        }
    }
}

/// The feature that would build a driver in; none for one that nobody knows.
pub(super) fn feature(role: Role, scheme: &str) -> Option<&'static str> {
    let known = KNOWN.iter().find(|(known, schemes, _)| *known == role && schemes.contains(&scheme));
    known.map(|(_, _, feature)| *feature)
}
