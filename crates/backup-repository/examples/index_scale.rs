//! Measures an index of any number of synthetic rows: time to open, lookups a second, memory.
//!
//! `index_scale build DIR ROWS` writes it (about 55 bytes a row at a hundred million rows, 40 at a million);
//! `index_scale measure DIR ROWS` opens it and looks up random ids. Without arguments it does both with few rows, for a
//! short time: does it still work?

use backup_repository::ChunkId;
use backup_repository::bench_support::{Shape, SyntheticIndex, build, open};
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Memory for pages, as a push gives.
const PAGES: usize = 16 << 20;
const TIME: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(50);

fn memory(of: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(of)).ok_or("no such line of memory")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}

/// Lookups a second on so many threads.
fn rate(threads: u64, time: Duration, lookup: impl Fn(u64) + Sync) -> f64 {
    let done = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (done, lookup) = (&done, &lookup);
            scope.spawn(move || {
                let mut n = thread;
                while start.elapsed() < time {
                    for _ in 0..1_000 {
                        // A step that visits rows far from each other.
                        lookup(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16);
                        n += threads;
                    }
                    done.fetch_add(1_000, Ordering::Relaxed);
                }
            });
        }
    });
    done.into_inner() as f64 / start.elapsed().as_secs_f64()
}

fn measure(folder: &Path, shape: Shape, time: Duration) -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(folder.join("lengths"))?;
    let lengths = text.lines().map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    let start = Instant::now();
    let index = open(folder, &lengths, PAGES)?;
    println!(
        "open: {:.1} ms, {} runs, RSS {} KiB",
        start.elapsed().as_secs_f64() * 1e3,
        shape.runs(),
        memory("VmRSS")?
    );
    type Look = (&'static str, bool, fn(Shape, u64) -> ChunkId, fn(&SyntheticIndex, &ChunkId) -> bool);
    let kinds: [Look; 5] = [
        ("contains, hit", true, Shape::present, SyntheticIndex::contains),
        ("contains, miss", false, Shape::absent, SyntheticIndex::contains),
        ("contains in a live pack, hit", true, Shape::present, SyntheticIndex::contains_live),
        ("locate, hit", true, Shape::present, |index, id| index.locate(id).is_some()),
        ("the synthetic id alone", true, Shape::present, |_, id| std::hint::black_box(id).0.len() == 20),
    ];
    for threads in [1, 2] {
        for (name, hit, make, look) in kinds {
            let rate = rate(threads, time, |n| assert_eq!(look(&index, &make(shape, n)), hit));
            println!("{name}, {threads} thread(s): {rate:.0} a second");
        }
    }
    println!("RSS {} KiB, at most {} KiB", memory("VmRSS")?, memory("VmHWM")?);
    Ok(())
}

fn make(folder: &Path, shape: Shape) -> Result<(), Box<dyn Error>> {
    let lengths = build(folder, shape)?;
    let lines: Vec<String> = lengths.iter().map(u64::to_string).collect();
    Ok(std::fs::write(folder.join("lengths"), lines.join("\n"))?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {
            let (folder, shape) = (tempfile::tempdir()?, Shape::new(50_000));
            make(folder.path(), shape)?;
            measure(folder.path(), shape, SHORT)
        }
        ["build", folder, rows] => make(Path::new(folder), Shape::new(rows.parse()?)),
        ["measure", folder, rows] => measure(Path::new(folder), Shape::new(rows.parse()?), TIME),
        _ => Err("build|measure DIR ROWS".into()),
    }
}
