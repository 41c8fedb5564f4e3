use super::support::{World, id, rows_of, run_name};
use crate::format::ids::{ChunkId, Kind};
use crate::index::reader::KeyOf;
use crate::index::{IndexSet, RunReader, TailEnd, find_tail};
use backup_core::{ErrorKind, Result};
use std::sync::Arc;

fn small() -> (World, Vec<ChunkId>) {
    let mut world = World::new();
    let ids: Vec<ChunkId> = (0..300).map(id).collect();
    let cache = world.cache_in(None);
    world.build(&cache, run_name(0), Kind::Data, rows_of(&ids, Kind::Data, 0, 16), false);
    (world, ids)
}

/// Everything there is to learn from a run that is fetched as it is needed, and from one that is fetched whole.
fn learn(world: &World, ids: &[ChunkId]) -> Result<()> {
    let cache = world.cache_in(None);
    let run = Arc::new(world.open(&cache, run_name(0))?);
    let set = IndexSet::new(vec![run]);
    for (n, id) in ids.iter().enumerate().step_by(50) {
        let found = world.locate(&set, Kind::Data, id)?;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].segment.number as usize, found[0].offset as usize), (n / 16 % 4, n % 16 * 100));
    }
    assert!(!world.contains(&set, Kind::Data, &id(77_777))?);
    Ok(())
}

fn fill(world: &World) -> Result<()> {
    let run = world.open(&world.cache_in(None), run_name(0))?;
    let mut filler = run.fill();
    let range = run.fill_range();
    filler.feed(&world.objects[&run_name(0)][range.start as usize..range.end as usize])?;
    filler.finish()
}

#[test]
fn no_flipped_byte_gives_a_wrong_answer() {
    let (mut world, ids) = small();
    learn(&world, &ids).unwrap();
    fill(&world).unwrap();
    let len = world.objects[&run_name(0)].len();
    for at in 0..len {
        let flip = 1 << (at % 8);
        world.objects.get_mut(&run_name(0)).unwrap()[at] ^= flip;
        let kind = fill(&world).unwrap_err().kind();
        let of_signer = len - 92..len - 76;
        let expected = if of_signer.contains(&at) { ErrorKind::AccessDenied } else { ErrorKind::Damaged };
        assert_eq!(kind, expected, "byte {at}");
        if at % 13 == 0 || at > len - 100 {
            match learn(&world, &ids) {
                // Nobody looks at the magic of what is read in parts.
                Ok(()) => assert!(at < 8, "byte {at}"),
                Err(error) => assert_eq!(error.kind(), expected, "byte {at}"),
            }
        }
        world.objects.get_mut(&run_name(0)).unwrap()[at] ^= flip;
    }
}

#[test]
fn cut_and_foreign_objects_are_refused() {
    let (mut world, ids) = small();
    let object = world.objects[&run_name(0)].clone();
    for len in (0..object.len()).step_by(7).chain(object.len() - 100..object.len()) {
        world.objects.insert(run_name(0), object[..len].to_vec());
        assert_eq!(learn(&world, &ids).unwrap_err().kind(), ErrorKind::Damaged, "{len} bytes");
    }
    // Another run's bytes under this name, and more bytes in front.
    let cache = world.cache_in(None);
    world.build(&cache, run_name(1), Kind::Data, rows_of(&ids, Kind::Data, 0, 16), false);
    let other = world.objects[&run_name(1)].clone();
    world.objects.insert(run_name(0), other);
    assert_eq!(learn(&world, &ids).unwrap_err().kind(), ErrorKind::Damaged);
    world.objects.insert(run_name(0), [&object[..8], &object[..]].concat());
    assert_eq!(learn(&world, &ids).unwrap_err().kind(), ErrorKind::Damaged);
}

fn open(world: &World, key_of: KeyOf<'_>) -> Result<RunReader> {
    let object = &world.objects[&run_name(0)];
    let TailEnd::Whole(tail) = find_tail(object, object.len() as u64)? else { panic!("the tail is not there") };
    let tail = &object[object.len() - tail..];
    RunReader::from_tail(&world.cache(), world.keys(run_name(0)), tail, object.len() as u64, key_of)
}

#[test]
fn signers_must_be_known() {
    let (world, _) = small();
    assert_eq!(open(&world, &|_| None).err().unwrap().kind(), ErrorKind::AccessDenied);
    let stranger = crate::crypto::SigningKey::generate().unwrap().verifying().unwrap();
    assert_eq!(open(&world, &|_| Some(stranger)).err().unwrap().kind(), ErrorKind::Damaged);
    let run = open(&world, &world.key_of()).unwrap();
    assert_eq!(run.signer(), world.signer.verifying().unwrap().id());
    assert_eq!((run.domain(), run.kind(), run.replaces().len()), (3, Kind::Data, 2));
    // A local file does not vouch for a signer either.
    let denied = RunReader::open_cached(
        &world.cache(),
        world.keys(run_name(0)),
        world.objects[&run_name(0)].len() as u64,
        &|_| None,
    );
    assert_eq!(denied.err().unwrap().kind(), ErrorKind::AccessDenied);
}
