//! What is typed wrongly is told with exit status 2, and the demonstration runs.

mod common;

use common::run;

#[test]
fn wrong_usage_is_one_sentence_and_one_event() {
    let dial = ["--json", "dial", "127.0.0.1:1", "--chunk-size", "18"];
    let finished = run(dial);
    finished.expect_error(2, "p2p: invalid value '18'");
    assert_eq!(finished.events("error")[0]["error"], "wrong_usage");
    run(["dial"]).expect_error(2, "<HOST:PORT>");
}

#[test]
fn wrong_usage_has_status_2() {
    let nowhere = "127.0.0.1:1";
    for arguments in [
        &[][..],
        &["unknown"],
        &["dial"],
        &["dial", "127.0.0.1"],
        &["dial", ":9732"],
        &["dial", "127.0.0.1:0"],
        &["dial", "127.0.0.1:65536"],
        &["dial", nowhere, "--chunk-size", "18"],
        &["dial", nowhere, "--chunk-size", "65536"],
        &["dial", nowhere, "--chunk-size", "many"],
        &["dial", nowhere, "--max-upload", "fast"],
        &["dial", nowhere, "--max-upload", "0"],
        &["dial", nowhere, "--max-download", "-1"],
        &["dial", nowhere, "--difficulty", "257"],
        &["dial", nowhere, "--difficulty", "NaN"],
        &["dial", nowhere, "--timeout", "0"],
        &["dial", nowhere, "--timeout", "inf"],
        &["dial", nowhere, "--max-message", "0"],
        &["dial", nowhere, "--echo", "--receive", "."],
        &["dial", nowhere, "--echo", "--expect", "1"],
        &["listen", "--bind", "nowhere"],
        &["listen", "--connections", "0"],
        &["listen", "--memory-budget", "much"],
        &["listen", "--memory-budget", "16777215"],
        &["send", nowhere],
        &["probe"],
        &["probe", "127.0.0.1:0"],
        &["probe", "[::1"],
        &["probe", nowhere, "--network", ""],
        &["probe", nowhere, "--concurrency", "0"],
        &["probe", nowhere, "--timeout", "5 minutes"],
        &["crawl"],
        &["crawl", nowhere, "--interval", "1 hour"],
        &["crawl", nowhere, "--max-addresses", "0"],
        &["testnet"],
        &["testnet", "0"],
        &["testnet", "10001"],
        &["testnet", "10", "--first-port", "65530"],
        &["testnet", "10", "--dead", "34"],
        &["inspect", "capture"],
        &["completions"],
        &["identity", "generate"],
    ] {
        let finished = run(arguments.iter().copied());
        assert_eq!(finished.status, Some(2), "{arguments:?}: {finished:?}");
        assert!(!finished.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_wrong_value_is_explained() {
    let error = run(["dial", "127.0.0.1:1", "--chunk-size", "18"]).stderr;
    assert!(error.contains("between 19 and 65535"), "{error}");
}

#[test]
fn a_number_that_is_none_is_explained_in_plain_words() {
    let nowhere = "127.0.0.1:1";
    for arguments in [
        &["testnet", "many"][..],
        &["testnet", ""],
        &["testnet", "99999999999999999999"],
        &["crawl", nowhere, "--max-addresses", "1e6"],
        &["dial", nowhere, "--expect", "-1"],
        &["listen", "--connections", "2.5"],
    ] {
        let finished = run(arguments.iter().copied());
        assert_eq!(finished.status, Some(2), "{finished:?}");
        for word in ["digit", "parse", "type"] {
            assert!(!finished.stderr.contains(word), "{finished:?}");
        }
    }
    run(["testnet", "many"]).expect_error(2, "'many' for '<N>': a whole number is expected");
}

#[test]
fn what_may_have_been_meant_is_told() {
    let nowhere = "127.0.0.1:1";
    for (arguments, meant) in [
        (&["lisen"][..], "did you mean listen?"),
        (&["identity", "chek", "identity.json"], "did you mean check?"),
        (&["probe", nowhere, "--tiemout", "3s"], "did you mean --timeout?"),
        (&["completions", "fsh"], "did you mean fish?"),
    ] {
        run(arguments.iter().copied()).expect_error(2, meant);
    }
}

#[test]
fn an_address_without_a_port_is_explained() {
    for command in [&["listen"][..], &["bench", "--serve"]] {
        let arguments = command.iter().copied().chain(["--bind", "127.0.0.1"]);
        run(arguments).expect_error(2, "a colon and a port up to 65535 are expected: 127.0.0.1:9732");
    }
}

#[test]
fn the_help_lists_the_exit_statuses() {
    let help = run(["identity", "check", "--help"]);
    help.expect_success();
    for text in [
        "3 if the file can not be read",
        "6 if its",
        "proof of work is not enough",
    ] {
        let words = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(text), "{words}");
    }
}

#[test]
fn the_demonstration_tells_its_story() {
    let demo = run(["demo"]);
    demo.expect_success();
    for text in ["Answer(500500)", "too many connections", "192.0.2.1:9732"] {
        assert!(demo.stdout.contains(text), "{}", demo.stdout);
    }
    let demo = run(["--json", "demo"]);
    demo.expect_success();
    assert!(demo.events("demo").len() > 5);
}

#[test]
fn a_taken_port_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    run(["listen", "--bind", &address]).expect_error(1, &address);
}
