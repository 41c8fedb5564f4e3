use backup_core::Selection;
use std::collections::VecDeque;

/// Which paths a walk takes: half-open ranges of encoded paths, ascending and apart.
///
/// Everything at or below `p` stands from `p` up to `p 01`, because what follows a whole component is a zero byte; `p`
/// alone stands from `p` up to `p 00`, which is no path itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ranges(VecDeque<Range>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    from: Vec<u8>,
    /// Exclusive; none for no end.
    to: Option<Vec<u8>>,
}

impl Ranges {
    /// All paths.
    pub(crate) fn all() -> Self {
        Ranges([Range { from: Vec::new(), to: None }].into())
    }

    /// What a selection takes: its paths, everything below them, and the directories above.
    pub(crate) fn of(selection: &Selection) -> Self {
        if selection.paths.is_empty() {
            return Ranges::all();
        }
        let mut ranges = Vec::new();
        for path in &selection.paths {
            let mut above = path.parent();
            while let Some(directory) = above {
                ranges.push(Range::only(directory.as_encoded()));
                above = directory.parent();
            }
            ranges.push(Range::below(path.as_encoded()));
        }
        ranges.sort_unstable();
        let mut joined: VecDeque<Range> = VecDeque::new();
        for range in ranges {
            match joined.back_mut() {
                Some(last) if last.reaches(&range.from) => last.to = later_end(last.to.take(), range.to),
                _ => joined.push_back(range),
            }
        }
        Ranges(joined)
    }

    /// Whether no path is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `path` is in them. Ranges before it are forgotten: ask in ascending order.
    pub(super) fn take(&mut self, path: &[u8]) -> bool {
        while let Some(first) = self.0.front() {
            if first.reaches(path) {
                return first.from.as_slice() <= path;
            }
            self.0.pop_front();
        }
        false
    }

    /// Whether they have a path in `from..to`.
    pub(super) fn overlap(&self, from: &[u8], to: Option<&[u8]>) -> bool {
        let next = self.0.partition_point(|range| !range.reaches(from));
        self.0.get(next).is_some_and(|range| to.is_none_or(|to| range.from.as_slice() < to))
    }
}

impl Range {
    fn only(path: &[u8]) -> Self {
        let mut to = path.to_vec();
        to.push(0);
        Range { from: path.to_vec(), to: Some(to) }
    }

    fn below(path: &[u8]) -> Self {
        let mut range = Range { from: path.to_vec(), to: None };
        if !path.is_empty() {
            range.to = Some([path, &[1]].concat());
        }
        range
    }

    /// Whether it ends behind `path`.
    fn reaches(&self, path: &[u8]) -> bool {
        self.to.as_deref().is_none_or(|to| path < to)
    }
}

fn later_end(a: Option<Vec<u8>>, b: Option<Vec<u8>>) -> Option<Vec<u8>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        _ => None,
    }
}
