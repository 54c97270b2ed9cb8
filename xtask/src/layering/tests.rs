use super::*;

const MEMBERS: &[&str] = &[
    "p2p-crypto",
    "p2p-framing",
    "p2p-io-scheduler",
    "p2p-socket",
    "p2p-cli",
    "xtask",
    "benches",
];

fn layer(name: &str) -> &'static Layer {
    LAYERS.iter().find(|layer| layer.name == name).unwrap()
}

fn depends(name: &str, dependencies: &[&str]) -> Vec<String> {
    let package = Package {
        name: name.to_owned(),
        directory: "/house".into(),
        dependencies: dependencies.iter().map(ToString::to_string).collect(),
        has_binary: false,
        has_features: false,
    };
    declared_violations(layer(name), &package, MEMBERS)
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile {
        path: path.into(),
        text: text.to_owned(),
    }
}

fn imports(name: &str, text: &str) -> Vec<String> {
    import_violations(layer(name), &file("some.rs", text), MEMBERS)
}

fn io(path: &str, text: &str) -> Vec<String> {
    io_violations(layer("p2p-crypto"), &file(path, text))
}

/// Each layer stands on layers further down in the table, so no cycle can be written into it.
#[test]
fn the_table_itself_runs_downward() {
    for (height, layer) in LAYERS.iter().enumerate() {
        for name in layer.may_use {
            assert!(
                LAYERS[..height].iter().any(|lower| lower.name == *name),
                "{} over {name}",
                layer.name
            );
        }
    }
}

#[test]
fn downward_dependencies_are_allowed() {
    assert_eq!(depends("p2p-crypto", &["zeroize", "bs58"]), [""; 0]);
    assert_eq!(depends("p2p-framing", &["p2p-crypto", "tokio-util"]), [""; 0]);
    assert_eq!(
        depends("p2p-socket", &["p2p-crypto", "p2p-framing", "p2p-io-scheduler"]),
        [""; 0]
    );
    assert_eq!(depends("p2p-cli", &["p2p-socket", "p2p-crypto", "clap"]), [""; 0]);
}

#[test]
fn upward_and_sideways_dependencies_are_refused() {
    for (from, to) in [
        ("p2p-crypto", "p2p-framing"),
        ("p2p-crypto", "p2p-socket"),
        ("p2p-framing", "p2p-socket"),
        ("p2p-framing", "p2p-io-scheduler"),
        ("p2p-io-scheduler", "p2p-crypto"),
        ("p2p-io-scheduler", "p2p-socket"),
        ("p2p-socket", "p2p-cli"),
        ("p2p-socket", "xtask"),
        ("p2p-cli", "benches"),
    ] {
        let violations = depends(from, &["bytes", to]);
        assert_eq!(violations, [format!("{from}: its Cargo.toml depends on {to}")]);
    }
}

#[test]
fn upward_imports_in_the_text_are_refused_with_their_line() {
    assert_eq!(
        imports(
            "p2p-crypto",
            "//! Keys.\n\n#[cfg(windows)]\nuse p2p_socket::Connection;\n"
        ),
        ["p2p-crypto: some.rs:4 names p2p_socket"]
    );
    assert_eq!(imports("p2p-framing", "let it = p2p_io_scheduler::new();").len(), 1);
    assert_eq!(imports("p2p-framing", "use {p2p_socket as socket};").len(), 1);
}

#[test]
fn downward_imports_comments_and_own_names_are_allowed() {
    assert_eq!(
        imports("p2p-framing", "use p2p_crypto::Sealer;\nuse p2p_framing::ChunkSize;"),
        [""; 0]
    );
    assert_eq!(
        imports(
            "p2p-crypto",
            "/// Used by `p2p_socket::authenticate`.\nfn f() {} // p2p_framing"
        ),
        [""; 0]
    );
    assert_eq!(
        imports("p2p-crypto", "let p2p_version = 1; // no crate has this name"),
        [""; 0]
    );
}

#[test]
fn a_layer_without_io_names_no_socket_clock_or_task() {
    for text in [
        "use std::net::TcpStream;",
        "let t = Instant::now();",
        "tokio::spawn(work);",
    ] {
        assert_eq!(io("src/a.rs", text).len(), 1, "{text}");
    }
    assert_eq!(io("src/a.rs", "use std::time::Duration; // not Instant::now"), [""; 0]);
}

#[test]
fn unit_tests_of_a_layer_without_io_may_use_it() {
    let text = "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    tokio::spawn(work);\n}\n";
    assert_eq!(io("src/a.rs", text), [""; 0]);
    assert_eq!(io("src/a/tests.rs", "tokio::spawn(work);"), [""; 0]);
    assert_eq!(io("src/a.rs", "#[cfg(test)]\nuse x;\ntokio::spawn(work);").len(), 1);
    assert_eq!(
        io(
            "src/a.rs",
            "#[cfg(test)]\nmod tests;\n\nfn f() {\n    tokio::spawn(work);\n}\n"
        ),
        ["p2p-crypto: src/a.rs:5 names tokio::spawn"]
    );
}

#[test]
fn the_codec_brings_no_runtime_and_a_runtime_is_refused() {
    let codec = "p2p-framing v0.1.0 (/h)|default\ntokio v1.50.0|default,sync\ntokio-util v0.7.15|codec\n";
    assert_eq!(linked_violations("p2p-framing", codec), [""; 0]);

    let runtime =
        "p2p-framing v0.1.0 (/h)|default\nmio v1.0.4|net\ntokio v1.50.0|net,rt,sync\ntokio v1.50.0|net,rt,sync (*)\n";
    assert_eq!(
        linked_violations("p2p-framing", runtime),
        [
            "p2p-framing: links mio",
            "p2p-framing: links tokio with its feature `net`",
            "p2p-framing: links tokio with its feature `rt`",
        ]
    );
    assert_eq!(linked_violations("p2p-framing", "tokio v1.50.0|sync,time (*)").len(), 1);
}
