use backup_core::ErrorKind;

/// How a run ends, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Usage,
    Unread,
    Damage,
    NoAccess,
    NotFound,
    Interrupted,
}

impl Exit {
    pub(crate) const ALL: [Exit; 8] = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::Unread,
        Exit::Damage,
        Exit::NoAccess,
        Exit::NotFound,
        Exit::Interrupted,
    ];

    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unread => 3,
            Exit::Damage => 4,
            Exit::NoAccess => 5,
            Exit::NotFound => 6,
            Exit::Interrupted => 130,
        }
    }

    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "failed",
            Exit::Usage => "usage: the command line is wrong",
            Exit::Unread => "done, but some entries could not be read (or, by pull, written)",
            Exit::Damage => "damage found in the repository",
            Exit::NoAccess => "no access: wrong key or missing permission",
            Exit::NotFound => "no such repository, snapshot or path",
            Exit::Interrupted => "interrupted",
        }
    }

    /// The table that stands in the help.
    pub(crate) fn table() -> String {
        let mut table = String::from("Exit codes:\n");
        for exit in Exit::ALL {
            table.push_str(&format!("  {:>3}  {}\n", exit.code(), exit.meaning()));
        }
        table
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::AccessDenied => Exit::NoAccess,
            ErrorKind::InvalidInput => Exit::Usage,
            ErrorKind::Damaged => Exit::Damage,
            ErrorKind::Cancelled => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }
}
