//! Lookups in an index of a million rows, warm.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to say")]

use backup_repository::bench_support::{Shape, SyntheticIndex, build, open};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

const ROWS: u64 = 1_000_000;

fn lookups(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shape = Shape::new(ROWS);
    let lengths = build(folder.path(), shape).expect("a synthetic index");
    for (size, memory_bytes) in [("all in memory", 128 << 20), ("16 MiB of memory", 16 << 20)] {
        let index = open(folder.path(), &lengths, memory_bytes).expect("the index just built");
        let mut group = c.benchmark_group(format!("index of a million rows, {size}"));
        let mut n = 0;
        let mut each = |name, hit, lookup: fn(&SyntheticIndex, Shape, u64) -> bool| {
            group.bench_function(name, |b| {
                b.iter(|| {
                    n += 1;
                    assert_eq!(lookup(&index, black_box(shape), n), hit);
                })
            });
        };
        each("contains, hit", true, |index, shape, n| index.contains(&shape.present(n)));
        each("contains, miss", false, |index, shape, n| index.contains(&shape.absent(n)));
        each("contains in a live pack, hit", true, |index, shape, n| index.contains_live(&shape.present(n)));
        each("locate, hit", true, |index, shape, n| index.locate(&shape.present(n)).is_some());
        each("nothing but the synthetic id", true, |_, shape, n| black_box(shape.present(n)) != shape.absent(n));
        group.finish();
    }
}

fn building(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = c.benchmark_group("index");
    group.sample_size(10);
    group.bench_function("build a run of 100,000 rows", |b| {
        b.iter(|| build(folder.path(), Shape::new(100_000)).expect("a synthetic index"))
    });
    group.finish();
}

criterion_group!(benches, lookups, building);
criterion_main!(benches);
