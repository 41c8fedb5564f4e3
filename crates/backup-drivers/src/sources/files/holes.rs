use super::sys::stat::Stat;
use backup_core::Hole;
use rustix::fd::BorrowedFd;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The most holes recorded of one file. When there are more the largest are kept; the others are read as zeros.
const MAX_HOLES: usize = 4096;

/// The holes of an open file, in order. Asks only where fewer blocks are in use than the size would take.
pub(crate) fn find(file: BorrowedFd<'_>, stat: &Stat) -> Vec<Hole> {
    if stat.blocks.saturating_mul(512) >= stat.size {
        return Vec::new();
    }
    let mut largest: BinaryHeap<Reverse<(u64, u64)>> = BinaryHeap::new();
    let mut at = 0;
    while at < stat.size {
        let data = match seek(file, SeekFrom::Data(at)) {
            Ok(data) => data.clamp(at, stat.size),
            // No data from here on.
            Err(Errno::NXIO) => stat.size,
            // The file system does not tell: read it all.
            Err(_) => break,
        };
        if data > at {
            largest.push(Reverse((data - at, at)));
            if largest.len() > MAX_HOLES {
                largest.pop();
            }
        }
        if data >= stat.size {
            break;
        }
        at = match seek(file, SeekFrom::Hole(data)) {
            Ok(hole) if hole > data => hole,
            _ => break,
        };
    }
    let mut holes: Vec<Hole> = largest.into_iter().map(|Reverse((length, offset))| Hole { offset, length }).collect();
    holes.sort_unstable_by_key(|hole| hole.offset);
    holes
}
