//! The programs that cargo has built.

use std::path::PathBuf;

use serde_json::Value;

#[derive(Debug, PartialEq)]
pub(crate) struct Program {
    /// Its own source file, which tells the crate that it belongs to.
    pub(crate) source: PathBuf,
    pub(crate) name: String,
    pub(crate) executable: PathBuf,
}

/// The programs of a kind, such as `example` or `bench`, in what cargo prints with `--message-format=json`, one JSON
/// object a line. Sorted by their sources.
pub(crate) fn built(kind: &str, messages: &str) -> Result<Vec<Program>, String> {
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: Value =
            serde_json::from_str(line).map_err(|error| format!("cargo printed something other than JSON: {error}"))?;
        let target = &message["target"];
        let is_wanted = target["kind"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|name| name == kind));
        if let (true, Some(executable), Some(source), Some(name)) = (
            is_wanted,
            message["executable"].as_str(),
            target["src_path"].as_str(),
            target["name"].as_str(),
        ) {
            programs.push(Program {
                source: source.into(),
                name: name.to_owned(),
                executable: executable.into(),
            });
        }
    }
    programs.sort_by(|left, right| left.source.cmp(&right.source));
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &str, source: &str, executable: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","executable":{executable},
               "target":{{"kind":["{kind}"],"name":"hello","src_path":"{source}"}}}}"#
        )
        .replace('\n', "")
    }

    #[test]
    fn only_programs_of_the_kind_are_found() {
        let messages = [
            message("lib", "/h/crates/a/src/lib.rs", "null"),
            message("bin", "/h/crates/b/src/main.rs", r#""/t/b""#),
            message("example", "/h/crates/a/examples/hello.rs", r#""/t/examples/hello""#),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let expected = Program {
            source: "/h/crates/a/examples/hello.rs".into(),
            name: "hello".to_owned(),
            executable: "/t/examples/hello".into(),
        };
        assert_eq!(built("example", &messages.join("\n")), Ok(vec![expected]));
        assert_eq!(built("bench", &messages.join("\n")), Ok(vec![]));
        assert!(built("bench", "warning: x").unwrap_err().contains("JSON"));
    }
}
