//! Identities are made, shown and checked, and each thing that can be wrong has its exit status.

mod common;

use std::fs;

use common::{Running, run, text};

#[test]
fn a_generated_identity_is_shown_and_checked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    let made = run([
        "--json",
        "identity",
        "generate",
        "--difficulty",
        "8",
        "--output",
        text(&file),
    ]);
    made.expect_success();
    let made = &made.events("identity_generated")[0];

    let shown = run(["--json", "identity", "show", text(&file)]);
    shown.expect_success();
    let shown_event = &shown.events("identity")[0];
    assert_eq!(shown_event["peer_id"], made["peer_id"]);
    assert_eq!(shown_event["public_key"], made["public_key"]);
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert!(!shown.stdout.contains(json["secret_key"].as_str().unwrap()));

    run(["identity", "check", text(&file), "--difficulty", "8"]).expect_success();
    run(["identity", "check", text(&file), "--difficulty", "200"]).expect_error(6, "200 is required");
    run(["identity", "check", text(&file)]).expect_error(6, "26 is required");
}

#[test]
fn an_existing_file_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    fs::write(&file, "precious").unwrap();
    // Were it not for the file, the search for this difficulty would never end.
    run(["identity", "generate", "--difficulty", "200", "--output", text(&file)]).expect_error(7, "never overwritten");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn what_is_wrong_with_a_file_is_told_by_the_exit_status() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    for command in ["show", "check"] {
        run(["identity", command, "/does/not/exist"]).expect_error(3, "/does/not/exist");
        run(["identity", command, text(directory.path())]).expect_error(3, "can not read");
        fs::write(&file, "no identity").unwrap();
        run(["identity", command, text(&file)]).expect_error(4, "not a valid identity file");
        fs::write(&file, [b' '; 64 * 1024 + 1]).unwrap();
        run(["identity", command, text(&file)]).expect_error(4, "too large");
    }
    let generate = [
        "identity",
        "generate",
        "--difficulty",
        "0",
        "--output",
        "/does/not/exist",
    ];
    let finished = run(generate);
    finished.expect_error(8, "can not write the identity file /does/not/exist: No such");
    assert!(!finished.stderr.contains(" at path "), "{finished:?}");
}

#[test]
fn keys_of_two_identities_do_not_belong_together() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| {
        let file = directory.path().join(name);
        run(["identity", "generate", "--difficulty", "0", "--output", text(&file)]).expect_success();
        serde_json::from_str::<serde_json::Value>(&fs::read_to_string(&file).unwrap()).unwrap()
    });
    for field in ["peer_id", "secret_key"] {
        let mut mixed = one.clone();
        mixed[field] = other[field].clone();
        let file = directory.path().join("mixed");
        fs::write(&file, mixed.to_string()).unwrap();
        let shown = run(["identity", "show", text(&file)]);
        shown.expect_error(5, "does not belong to the");
        assert!(!shown.stderr.contains(other["secret_key"].as_str().unwrap()));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_ends_the_search_and_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    let search = Running::start(["identity", "generate", "--difficulty", "200", "--output", text(&file)]);
    search.interrupt();
    search.finish().expect_error(130, "interrupted");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
