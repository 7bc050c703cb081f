//! The layout, the direction of dependencies and leftovers, held by an ordinary test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

const TOP_LEVEL: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "bench",
    "check",
    "clippy.toml",
    "cluster",
    "codec",
    "config",
    "deny.toml",
    "docs",
    "gateway",
    "load-tests",
    "rustfmt.toml",
    "store",
];

/// What each crate may use of the others; the gateway and the benches see everything.
const MAY_USE: &[(&str, &[&str])] =
    &[("codec", &[]), ("store", &[]), ("config", &[]), ("cluster", &[]), ("load-tests", &["icaze-codec"])];

/// Crates without sockets, runtimes or HTTP. The cluster crate is a leaf too, but its work is on a socket.
const LEAVES: &[&str] = &["codec", "store", "config"];
const NOT_IN_LEAVES: &[&str] = &["tokio", "axum", "redis", "reqwest", "hyper"];

/// Modules that do no I/O and are told the time.
const PURE: &[&str] = &["codec/src", "gateway/src/permit", "gateway/src/pipeline", "gateway/src/pipeline.rs"];
const NOT_IN_PURE: &[&str] = &[
    "tokio::",
    "std::net::",
    "std::fs",
    "std::env",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
];

const LINES_MAX: usize = 600;

/// Split so that this file does not find itself.
const LEFTOVERS: &[&str] = &[
    concat!("to", "do!"),
    concat!("dbg", "!("),
    concat!("unimplemented", "!("),
    concat!("#[", "ignore"),
    concat!("allow(", "dead_code"),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The names that `.gitignore` keeps out.
fn ignored() -> Vec<String> {
    let text = fs::read_to_string(root().join(".gitignore")).unwrap();
    text.lines().map(|line| line.trim_matches('/').to_owned()).collect()
}

/// Every file of the repository below `path`, or the file itself; nothing if there is none.
fn files(path: &Path) -> Vec<PathBuf> {
    let (mut files, mut left) = (Vec::new(), vec![path.to_owned()]);
    let ignored = ignored();
    while let Some(path) = left.pop() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_file() {
            files.push(path);
        } else if name != ".git" && !ignored.iter().any(|ignored| *ignored == name) {
            left.extend(fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path()));
        }
    }
    files
}

fn is(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}

fn rust() -> Vec<(PathBuf, String)> {
    files(&root())
        .into_iter()
        .filter(|path| is(path, &["rs"]))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}

fn manifest(path: &Path) -> toml::Table {
    fs::read_to_string(path).unwrap().parse().unwrap()
}

fn members() -> Vec<String> {
    let workspace = manifest(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().unwrap();
    members.iter().map(|member| member.as_str().unwrap().to_owned()).collect()
}

/// Everything that a crate asks for, also for its tests and its build; itself, with a feature for its tests, is nobody else.
fn dependencies(member: &str) -> Vec<String> {
    let manifest = manifest(&root().join(member).join("Cargo.toml"));
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(|table| manifest.get(table)?.as_table())
        .flat_map(|table| table.keys().cloned())
        .filter(|name| *name != format!("icaze-{member}"))
        .collect()
}

#[test]
fn the_top_level_holds_what_the_design_names() {
    let ignored = ignored();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Hidden names that are not ours are some tool's.
        assert!(
            name.starts_with('.') || TOP_LEVEL.contains(&name.as_str()) || ignored.contains(&name),
            "{name} stands at the top level; put it where it belongs"
        );
    }
}

#[test]
fn dependencies_point_one_way() {
    for &(member, may_use) in MAY_USE {
        for dependency in dependencies(member) {
            assert!(
                !dependency.starts_with("icaze-") || may_use.contains(&dependency.as_str()),
                "{member} may not use {dependency}"
            );
        }
    }
    for member in LEAVES {
        for dependency in dependencies(member) {
            assert!(!NOT_IN_LEAVES.contains(&dependency.as_str()), "{member} may not use {dependency}");
        }
    }
}

#[test]
fn every_crate_takes_the_workspaces_lints_and_versions() {
    let members = members();
    assert!(members.len() >= 6, "{members:?}");
    for member in members {
        let manifest = manifest(&root().join(&member).join("Cargo.toml"));
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(lints.and_then(toml::Value::as_bool), Some(true), "{member}: [lints] workspace = true");
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(table).and_then(toml::Value::as_table) else { continue };
            for (name, dependency) in table {
                let shared = dependency.get("workspace").and_then(toml::Value::as_bool);
                assert_eq!(shared, Some(true), "{member}: {name} has its version at the root");
            }
        }
    }
}

#[test]
fn pure_modules_do_no_input_or_output_and_are_told_the_time() {
    for path in PURE.iter().flat_map(|pure| files(&root().join(pure))) {
        let text = fs::read_to_string(&path).unwrap();
        // A file's tests stand at its end and may do as they like.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in (1..).zip(code.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            for banned in NOT_IN_PURE {
                assert!(!line.contains(banned), "{}:{number} uses {banned}", path.display());
            }
        }
    }
}

#[test]
fn files_are_short_enough_to_read() {
    for (path, text) in rust() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines; split it by noun", path.display());
    }
}

#[test]
fn nothing_is_left_over() {
    for (path, text) in rust() {
        for (number, line) in (1..).zip(text.lines()) {
            for leftover in LEFTOVERS {
                assert!(!line.contains(leftover), "{}:{number} has {leftover}", path.display());
            }
        }
    }
}

#[test]
fn no_line_ends_in_a_space_and_every_file_in_a_newline() {
    let text = |path: &PathBuf| is(path, &["rs", "toml", "md", "py", "js", "html", "css", "yml", "csv"]);
    for path in files(&root()).into_iter().filter(text) {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            assert!(line.trim_end() == line, "{}:{number} ends in a space", path.display());
        }
        assert!(text.is_empty() || text.ends_with('\n'), "{} lacks its last newline", path.display());
    }
}

/// The tables say `file: test` of what they promise: a test that is renamed or dropped takes its row with it.
#[test]
fn each_fault_and_each_peer_names_tests_that_exist() {
    assert!(tests_named_in("faults.md") >= 45);
    assert!(tests_named_in("operators.md") >= 14);
    assert!(tests_named_in("cluster.md") >= 12);
}

/// How many tests a document names, all of which exist.
fn tests_named_in(document: &str) -> usize {
    let table = fs::read_to_string(root().join("docs").join(document)).unwrap();
    let mut named = 0;
    for (line, text) in (1..).zip(table.lines()) {
        let places = text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs: "));
        for (file, test) in places {
            let path = root().join(format!("{file}.rs"));
            let source = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{document}:{line}: {file}.rs: {error}"));
            assert!(
                source.contains(&format!("fn {test}(")),
                "{document}:{line}: {file}.rs has no test {test}"
            );
            named += 1;
        }
    }
    named
}
