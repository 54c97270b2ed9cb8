//! What `cargo metadata` says about this workspace.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process;

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
}

#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    /// Normal, development and build dependencies alike, optional ones included, by package name.
    pub(crate) dependencies: Vec<String>,
    pub(crate) has_binary: bool,
    pub(crate) has_features: bool,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self, String> {
        let text = process::capture(process::cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
        Self::parse(&text)
    }

    fn parse(metadata: &str) -> Result<Self, String> {
        let metadata: Value = serde_json::from_str(metadata)
            .map_err(|error| format!("`cargo metadata` printed something other than JSON: {error}"))?;
        let packages = list(&metadata["packages"])
            .map(Package::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            root: PathBuf::from(text(&metadata["workspace_root"])?),
            packages,
        })
    }

    /// The members under `crates/`: everything that is not only for ourselves.
    pub(crate) fn crates(&self) -> impl Iterator<Item = &Package> {
        let directory = self.root.join("crates");
        self.packages
            .iter()
            .filter(move |package| package.directory.starts_with(&directory))
    }

    /// The crates that others build on: those under `crates/` that are not programs.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        self.crates().filter(|package| !package.has_binary)
    }
}

impl Package {
    fn parse(package: &Value) -> Result<Self, String> {
        let manifest = text(&package["manifest_path"])?;
        let is_binary = |target: &Value| list(&target["kind"]).any(|kind| kind == "bin");
        Ok(Self {
            name: text(&package["name"])?.to_owned(),
            directory: Path::new(manifest).parent().unwrap_or(Path::new("/")).to_owned(),
            dependencies: list(&package["dependencies"])
                .map(|dependency| text(&dependency["name"]).map(str::to_owned))
                .collect::<Result<_, _>>()?,
            has_binary: list(&package["targets"]).any(is_binary),
            has_features: package["features"]
                .as_object()
                .is_some_and(|features| !features.is_empty()),
        })
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("`cargo metadata` has {value} where a text was expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{
        "workspace_root": "/house",
        "packages": [
            {
                "name": "lower", "manifest_path": "/house/crates/lower/Cargo.toml",
                "dependencies": [], "targets": [{ "kind": ["lib"] }, { "kind": ["test"] }],
                "features": { "default": [] }
            },
            {
                "name": "tool", "manifest_path": "/house/crates/tool/Cargo.toml",
                "dependencies": [{ "name": "lower", "kind": "dev", "optional": false }],
                "targets": [{ "kind": ["lib"] }, { "kind": ["bin"] }], "features": {}
            },
            {
                "name": "benches", "manifest_path": "/house/benches/Cargo.toml",
                "dependencies": [], "targets": [{ "kind": ["lib"] }], "features": {}
            }
        ]
    }"#;

    #[test]
    fn libraries_are_the_crates_without_a_program() {
        let workspace = Workspace::parse(METADATA).unwrap();
        let names = |packages: Vec<&Package>| packages.iter().map(|package| package.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(workspace.crates().collect()), ["lower", "tool"]);
        assert_eq!(names(workspace.libraries().collect()), ["lower"]);
    }

    #[test]
    fn dependencies_of_every_kind_are_read() {
        let workspace = Workspace::parse(METADATA).unwrap();
        assert_eq!(workspace.packages[1].dependencies, ["lower"]);
        assert!(workspace.packages[0].has_features);
        assert!(!workspace.packages[1].has_features);
    }

    #[test]
    fn anything_else_is_an_error() {
        assert!(Workspace::parse("warning: hello").is_err());
        assert!(Workspace::parse(r#"{ "packages": [{ "name": 1 }] }"#).is_err());
    }

    #[test]
    fn this_workspace_can_be_read() {
        let workspace = Workspace::load().unwrap();
        assert!(
            workspace
                .packages
                .iter()
                .any(|package| package.name == env!("CARGO_PKG_NAME"))
        );
        assert!(workspace.libraries().count() > 0);
    }
}
