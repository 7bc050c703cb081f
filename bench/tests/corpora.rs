#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, which the helpers here are not to clippy"
)]

//! Every seed of every fuzz target, through its check.

use std::fs;
use std::path::Path;

use icaze_bench::checks;

/// Runs a check over its seeds, and over each of them cut short.
fn seeds(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut count = 0;
    for seed in fs::read_dir(&folder).unwrap() {
        let seed = fs::read(seed.unwrap().path()).unwrap();
        check(&seed);
        check(&seed[..seed.len() / 2]);
        count += 1;
    }
    assert!(count >= 8, "{count} seeds in {}", folder.display());
}

macro_rules! targets {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            seeds(stringify!($target), checks::$target);
        })*

        #[test]
        fn every_target_has_its_test() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
            let mut targets: Vec<_> =
                fs::read_dir(folder).unwrap().map(|file| file.unwrap().path().with_extension("")).collect();
            targets.sort();
            let names: Vec<_> = targets.iter().map(|path| path.file_name().unwrap()).collect();
            let mut tested = [$(stringify!($target)),*];
            tested.sort_unstable();
            assert_eq!(names, tested);
        }
    };
}

targets! { binds framing messages records recovery request responses snapshot text }
