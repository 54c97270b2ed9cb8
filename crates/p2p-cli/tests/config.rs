//! Options come from what is typed, then from the environment, then from the file, then from the default.

mod common;

use std::{fs, path::PathBuf};

use common::{Finished, p2p, run, text};
use tempfile::TempDir;

struct Config {
    directory: TempDir,
}

impl Config {
    fn new(contents: &str) -> Self {
        let new = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        fs::write(new.path(), contents).unwrap();
        new
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("p2p.toml")
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let path = self.path();
        run(["--config", text(&path)].into_iter().chain(arguments.iter().copied()))
    }
}

/// The default that the help of a command tells.
fn default(help: &str, option: &str) -> String {
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, after) = words.split_once(&format!(" --{option} <")).unwrap();
    let (_, after) = after.split_once("[default: ").unwrap();
    after.split_once(']').unwrap().0.trim_matches('"').to_owned()
}

#[test]
fn a_section_comes_before_what_is_for_all_and_both_before_the_default() {
    let config = Config::new(
        "max-upload = '10 MB/s'\ntimeout = 7\njson = true\n[listen]\ntimeout = '2min'\n[identity.generate]\ndifficulty = 3.5",
    );
    let listen = config.run(&["listen", "--help"]);
    listen.expect_success();
    for (option, value) in [("timeout", "2min"), ("max-upload", "10 MB/s"), ("max-peers", "100")] {
        assert_eq!(default(&listen.stdout, option), value);
    }
    let dial = config.run(&["dial", "--help"]);
    assert_eq!(default(&dial.stdout, "timeout"), "7");
    let generate = config.run(&["identity", "generate", "--help"]);
    assert_eq!(default(&generate.stdout, "difficulty"), "3.5");
    // Not only in the help.
    assert_eq!(config.run(&["dial", "127.0.0.1:1"]).events("error").len(), 1);
}

#[test]
fn flags_in_the_environment_are_set_as_people_write_them() {
    for (value, is_json) in [
        ("1", true),
        ("true", true),
        ("yes", true),
        ("0", false),
        ("false", false),
    ] {
        let finished = Finished::from(p2p(["dial", "127.0.0.1:1"]).env("P2P_JSON", value).output().unwrap());
        assert_eq!(finished.status, Some(1), "{value}: {finished:?}");
        assert_eq!(
            finished.stdout.contains("\"event\":\"error\""),
            is_json,
            "{value}: {finished:?}"
        );
    }
    let wrong = p2p(["dial", "127.0.0.1:1"]).env("P2P_JSON", "maybe").output().unwrap();
    Finished::from(wrong).expect_error(2, "'maybe' for P2P_JSON: 1 or 0, true or false is expected");
}

#[test]
fn what_is_typed_comes_before_the_environment_and_that_before_the_file() {
    let config = Config::new("[dial]\ntimeout = '100ms'");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let path = config.path();
    let dial = |variable: Option<&str>, typed: Option<&str>| {
        let arguments = ["--json", "--config", text(&path), "dial", &address];
        let mut command = p2p(arguments.into_iter().chain(typed.map(|_| "--timeout")).chain(typed));
        command.env_remove("P2P_TIMEOUT");
        if let Some(value) = variable {
            command.env("P2P_TIMEOUT", value);
        }
        Finished::from(command.output().unwrap())
    };
    let gives_up = |variable, typed| assert_eq!(dial(variable, typed).events("error")[0]["error"], "timeout");
    // A wrong value is a trace of where the value comes from, and takes no time.
    gives_up(None, None);
    dial(Some("variable"), None).expect_error(2, "invalid value 'variable' for P2P_TIMEOUT: a time");
    dial(Some("variable"), Some("typed")).expect_error(2, "invalid value 'typed' for '--timeout <TIME>'");
    gives_up(Some("variable"), Some("50ms"));
    gives_up(Some("50ms"), None);
}

#[test]
fn the_file_may_be_named_by_a_variable_and_what_is_typed_comes_first() {
    let (one, other) = (Config::new("[dial]\ntimeout = 7"), Config::new("[dial]\ntimeout = 8"));
    let help = |typed: &[&str]| {
        let mut command = p2p(typed.iter().copied().chain(["dial", "--help"]));
        let output = command.env("P2P_CONFIG", one.path()).output().unwrap();
        default(&Finished::from(output).stdout, "timeout")
    };
    assert_eq!(help(&[]), "7");
    let other = other.path();
    assert_eq!(help(&["--config", text(&other)]), "8");
}

#[test]
fn flags_of_a_file_count() {
    let config = Config::new("[dial]\necho = true\n");
    config
        .run(&["dial", "127.0.0.1:1", "--receive", "."])
        .expect_error(2, "echo and receive can not be had together");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = Config::new(&format!("[bench]\nserve = true\nbind = '{address}'\n"));
    config
        .run(&["bench"])
        .expect_error(1, &format!("can not listen on {address}"));
}

#[test]
fn what_does_nothing_is_refused_where_it_is_typed_and_passed_over_elsewhere() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = ["listen", "--bind", &address];
    let told = format!("can not listen on {address}");
    run(["listen", "--max-received", "1MB"]).expect_error(2, "--max-received does nothing without --receive");
    let listening = p2p(listen).env("P2P_MAX_RECEIVED", "1MB").output().unwrap();
    Finished::from(listening).expect_error(1, &told);
    Config::new("max-received = '1MB'").run(&listen).expect_error(1, &told);
    // What it needs may come from there, too.
    let receiving = p2p(["listen", "--max-received", "1MB"])
        .env("P2P_RECEIVE", "/does/not/exist")
        .output();
    Finished::from(receiving.unwrap()).expect_error(1, "/does/not/exist is not a directory");
    Config::new("[listen]\nreceive = '/does/not/exist'")
        .run(&["listen", "--max-received", "1MB"])
        .expect_error(1, "/does/not/exist is not a directory");
}

#[test]
fn mistakes_in_a_file_are_told_with_what_to_write() {
    for (contents, told) in [
        (
            "max-uplaod = 1",
            "there is no option max-uplaod; did you mean max-upload?",
        ),
        ("max_upload = 1", "did you mean max-upload?"),
        ("[listen]\nparallel = 1", "there is no option parallel in [listen]"),
        ("[lisen]\n", "there is no command for [lisen]; did you mean listen?"),
        (
            "[identity.generat]\n",
            "there is no command for [identity.generat]; did you mean generate?",
        ),
        ("config = 'other'", "there is no option config"),
        ("wormhole = 1", "`p2p config` shows all there are"),
        (
            "max-upload = 'fast'",
            "max-upload: invalid value 'fast' for '--max-upload <RATE>': a rate starts with",
        ),
        (
            "[listen]\nmax-upload = '5 MBit'",
            "max-upload in [listen]: invalid value '5 MBit'",
        ),
        (
            "timeout = true",
            "timeout: invalid value 'true' for '--timeout <TIME>': a time above 0",
        ),
        (
            "[send]\ntimeout = [1]",
            "timeout in [send]: one text, number, true or false is expected",
        ),
        ("private = 'yes'", "private: true or false is expected"),
        ("a = 1\nb = = 2", "line 2 is no TOML"),
        ("a = 1\na = 2", "line 2 is no TOML"),
    ] {
        let config = Config::new(contents);
        let finished = config.run(&["demo"]);
        finished.expect_error(2, told);
        assert!(finished.stderr.contains("p2p.toml"), "{finished:?}");
    }
    run(["--config", "/does/not/exist", "demo"]).expect_error(2, "can not read the configuration /does/not/exist");
    run(["--json", "demo", "--config", "/"]).expect_error(2, "can not read the configuration /");
}

#[test]
fn the_example_is_there_to_begin_with() {
    let example = run(["config"]);
    example.expect_success();
    for text in [
        "\n[listen]\n",
        "# max-upload = \"RATE\"",
        "# Environment: P2P_MAX_UPLOAD",
        "\n# bind = \"127.0.0.1:9732\"",
    ] {
        assert!(example.stdout.contains(text), "{}", example.stdout);
    }
    let config = Config::new(&example.stdout);
    config.run(&["demo"]).expect_success();
}

#[test]
fn misspelt_variables_are_told_once_and_stop_nothing() {
    let mut command = p2p(["--json", "config"]);
    command.env("P2P_MAX_UPLAOD", "1MB").env("P2P_WORMHOLE", "1");
    let finished = Finished::from(command.output().unwrap());
    finished.expect_error(
        0,
        "ignored: P2P_MAX_UPLAOD (did you mean P2P_MAX_UPLOAD?), P2P_WORMHOLE\n",
    );
    // What is written stays what it was asked to be.
    assert_eq!(finished.stdout, run(["config"]).stdout);
    // What is missing then is told, too.
    let missing = p2p(["identity", "generate"]).env("P2P_OUTPTU", "a").output().unwrap();
    let missing = Finished::from(missing);
    assert_eq!(missing.status, Some(2));
    for text in ["(did you mean P2P_OUTPUT?)", "--output <FILE>"] {
        assert!(missing.stderr.contains(text), "{missing:?}");
    }
}
