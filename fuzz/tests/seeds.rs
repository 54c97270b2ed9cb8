//! The seeds break no promise, and every target has some.

use std::{collections::BTreeSet, fs, path::Path};

use fuzz::TARGETS;

#[test]
fn every_target_runs_over_its_seeds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for target in TARGETS {
        let mut count = 0;
        for entry in fs::read_dir(seeds.join(target.name)).unwrap() {
            (target.run)(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "{} has no seeds", target.name);
        (target.run)(&[]);
    }
    let folders: BTreeSet<_> = fs::read_dir(seeds)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let names: BTreeSet<_> = TARGETS.iter().map(|target| target.name.into()).collect();
    assert_eq!(folders, names);
}
