//! Freeing what is forgotten, and being killed at it.

use crate::world::{World, files_below, noise};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

fn packs(repository: &Path) -> u64 {
    files_below(&repository.join("packs")).iter().map(|file| fs::metadata(file).unwrap().len()).sum()
}

#[test]
fn forgotten_data_is_condemned_then_deleted() {
    let world = World::with_repository();
    world.file("src/a", noise(1, 3 << 20));
    world.ok(["push", "--repo", "repo", "src"]);
    fs::remove_file(world.path("src/a")).unwrap();
    world.file("src/b", noise(2, 1 << 20));
    world.ok(["push", "--repo", "repo", "src"]);
    let nothing = world.ok(["prune", "--repo", "repo"]);
    assert!(nothing.err.contains("nothing to free"), "{nothing}");
    let first = world.ids().remove(0);
    world.ok(["forget", "--repo", "repo", &first]);
    let before = packs(&world.path("repo"));

    let dry = world.ok(["prune", "--repo", "repo", "--dry-run"]);
    assert!(dry.err.contains("would have condemned"), "{dry}");
    let condemned = world.ok(["prune", "--repo", "repo"]);
    assert!(condemned.err.contains("condemned") && condemned.err.contains("grace"), "{condemned}");
    assert_eq!(packs(&world.path("repo")), before);
    world.ok(["check", "--repo", "repo", "--read-data"]);

    let report = world.ok(["prune", "--repo", "repo", "--grace", "0", "--json"]).json();
    assert_eq!(report["finished"], true, "{report}");
    assert!(report["bytes_deleted"].as_u64().unwrap() >= 3 << 20, "{report}");
    assert!(packs(&world.path("repo")) < before - (3 << 20));
    world.ok(["check", "--repo", "repo", "--read-data"]);
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out"]);
    assert_eq!(fs::read(world.pulled("out", "src/b")).unwrap(), noise(2, 1 << 20));
    let wrong = world.run(["prune", "--repo", "repo", "--grace", "soon"]);
    assert_eq!(wrong.code, 2, "{wrong}");
}

#[test]
fn damage_that_is_met_is_told_and_nothing_of_it_freed() {
    let world = World::with_repository();
    for (name, seed) in [("src/a", 1), ("src/b", 2)] {
        world.file(name, noise(seed, 2 << 20));
    }
    world.ok(["push", "--repo", "repo", "src"]);
    fs::remove_file(world.path("src/a")).unwrap();
    world.ok(["push", "--repo", "repo", "src"]);
    let first = world.ids().remove(0);
    world.ok(["forget", "--repo", "repo", &first]);
    let packs = files_below(&world.path("repo/packs"));
    let data = packs.into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    let mut bytes = fs::read(&data).unwrap();
    bytes.iter_mut().skip(1000).step_by(50_000).for_each(|byte| *byte ^= 1);
    fs::write(&data, &bytes).unwrap();

    let report = world.run(["prune", "--repo", "repo", "--grace", "0", "--json"]);
    assert_eq!(report.code, 4, "{report}");
    assert_eq!(report.json()["damaged"].as_array().unwrap().len(), 1, "{report}");
    let told = world.run(["prune", "--repo", "repo", "--grace", "0"]);
    assert!(told.code == 4 && told.err.contains("check --read-data"), "{told}");
    assert!(data.exists());
}

#[test]
fn that_no_snapshot_is_left_is_believed_on_demand() {
    let world = World::with_repository();
    world.file("src/a", noise(1, 1 << 20));
    world.ok(["push", "--repo", "repo", "src"]);
    fs::remove_dir_all(world.path("repo/snapshots")).unwrap();
    let refused = world.run(["prune", "--repo", "repo", "--grace", "0"]);
    assert!(refused.code == 4 && refused.err.contains("--no-snapshots"), "{refused}");
    world.ok(["prune", "--repo", "repo", "--grace", "0", "--no-snapshots"]);
    assert_eq!(packs(&world.path("repo")), 0);
}

#[test]
fn a_lost_index_is_made_again() {
    let world = World::with_repository();
    world.file("src/a", noise(1, 1 << 20));
    world.ok(["push", "--repo", "repo", "src"]);
    for run in fs::read_dir(world.path("repo/index")).unwrap() {
        fs::remove_file(run.unwrap().path()).unwrap();
    }
    fs::remove_dir_all(world.path("home/.cache")).unwrap();
    assert_eq!(world.run(["check", "--repo", "repo"]).code, 4);
    let report = world.ok(["repair", "index", "--repo", "repo", "--json"]).json();
    assert_eq!(report["packs_listed"], 2, "{report}");
    world.ok(["check", "--repo", "repo", "--read-data"]);
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out"]);
    assert_eq!(fs::read(world.pulled("out", "src/a")).unwrap(), noise(1, 1 << 20));
}

/// Two machines push while a third forgets and prunes: what is listed in the end is whole.
#[test]
fn two_pushes_and_a_prune_at_once() {
    let world = World::with_repository();
    for name in ["a", "b"] {
        world.file(format!("{name}/same"), noise(7, 600_000));
    }
    let push = |name: &str| {
        for round in 0..6_u64 {
            // What one has removed the other brings, so that condemned chunks are wanted again.
            let seed = if name == "a" { round } else { 5 - round };
            world.file(format!("{name}/changing"), noise(100 + seed, 900_000));
            let tag = format!("{seed}");
            let cache = format!("cache-{name}");
            let arguments = ["push", "--repo", "repo", "--name", name, "--tag", &tag, "--cache-dir", &cache, name];
            world.ok(arguments);
        }
    };
    std::thread::scope(|scope| {
        let pushes = [scope.spawn(|| push("a")), scope.spawn(|| push("b"))];
        while pushes.iter().any(|push| !push.is_finished()) {
            if let [oldest, _, _, ..] = world.ids().as_slice() {
                world.ok(["forget", "--repo", "repo", oldest]);
            }
            let pruned = world.run(["prune", "--repo", "repo", "--grace", "0"]);
            // Before the first snapshot there is nothing to go by.
            assert!(pruned.code == 0 || pruned.err.contains("no snapshot beside"), "{pruned}");
        }
    });
    world.ok(["prune", "--repo", "repo", "--grace", "0"]);
    world.ok(["check", "--repo", "repo", "--read-data"]);
    let snapshots = world.snapshots();
    assert!(snapshots.len() >= 2);
    for snapshot in snapshots {
        let (id, name) = (snapshot["id"].as_str().unwrap(), snapshot["name"].as_str().unwrap());
        world.ok(["pull", "--repo", "repo", id, "--into", id]);
        let seed: u64 = snapshot["tags"][0].as_str().unwrap().parse().unwrap();
        assert!(fs::read(world.pulled(id, &format!("{name}/changing"))).unwrap() == noise(100 + seed, 900_000));
        assert!(fs::read(world.pulled(id, &format!("{name}/same"))).unwrap() == noise(7, 600_000));
    }
}

/// Pushes, forgets and prunes, each killed at some moment: the next command works, and what was finished stays.
#[test]
fn a_kill_at_any_moment_harms_no_finished_snapshot() {
    let rounds = if std::env::var_os("BACKUP_SLOW").is_some() { 300 } else { 24 };
    let world = World::with_repository();
    let mut whole: Vec<(String, u64)> = Vec::new();
    for round in 0..rounds {
        // Some files stay, some are new.
        world.file(format!("src/{}", round % 5), noise(round, 700_000));
        let killed = |arguments: &[&str], milliseconds: u64| {
            let mut child = world.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(milliseconds));
            child.kill().unwrap();
            child.wait().unwrap();
        };
        killed(&["push", "--repo", "repo", "src"], round * 7 % 60);
        killed(&["prune", "--repo", "repo", "--grace", "0"], round * 11 % 80);
        if round % 3 == 2 {
            world.ok(["push", "--repo", "repo", "--tag", "whole", "src"]);
            whole.push((world.ids().pop().unwrap(), round));
        }
        if whole.len() > 2 {
            let (oldest, _) = whole.remove(0);
            world.ok(["forget", "--repo", "repo", &oldest]);
        }
        let (_, newest) = whole.last().cloned().unwrap_or_default();
        if round % 6 == 5 {
            world.ok(["check", "--repo", "repo", "--read-data"]);
            let (id, _) = whole.last().unwrap();
            world.ok(["pull", "--repo", "repo", id, "--into", "out", "--overwrite", "always"]);
            for file in newest.saturating_sub(4)..=newest {
                let got = fs::read(world.pulled("out", &format!("src/{}", file % 5))).unwrap();
                assert!(got == noise(file, 700_000), "file {file} of round {round}");
            }
        }
    }
    // However many died: one more push takes over what they left, and one more prune frees it.
    world.ok(["push", "--repo", "repo", "src"]);
    let report = world.ok(["prune", "--repo", "repo", "--grace", "0", "--json"]).json();
    assert_eq!(report["finished"], true, "{report}");
    world.ok(["check", "--repo", "repo", "--read-data"]);
    for (id, _) in whole {
        world.ok(["pull", "--repo", "repo", &id, "--into", "last", "--overwrite", "always"]);
    }
}
