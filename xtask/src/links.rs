//! `cargo xtask links`: each link from one document of this repository to another leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::source::{self, SourceFile};
use crate::workspace::Workspace;
use crate::{Outcome, no_arguments};

pub(crate) fn run(arguments: &[String]) -> Outcome {
    no_arguments(arguments)?;
    check(&Workspace::load()?)
}

pub(crate) fn check(workspace: &Workspace) -> Outcome {
    let documents = source::files(&workspace.root, "md")?;
    let exists = |path: &Path| workspace.root.join(path).exists();
    let broken = broken_links(&documents, exists);
    if !broken.is_empty() {
        return Err(format!("these links lead nowhere:\n{}", broken.join("\n")));
    }
    println!("{} documents, no broken link between them", documents.len());
    Ok(())
}

/// A document as far as links go.
#[derive(Debug, Default, PartialEq)]
struct Outline {
    links: Vec<String>,
    /// The names by which headings can be linked.
    anchors: BTreeSet<String>,
}

impl Outline {
    fn of(text: &str) -> Self {
        let mut outline = Self::default();
        let mut heading: Option<String> = None;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    outline.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => outline.add_heading(&heading.take().unwrap_or_default()),
                Event::Text(words) | Event::Code(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                }
                _ => {}
            }
        }
        outline
    }

    /// As GitHub does it: letters and digits in lower case, dashes for spaces, and a number for those that come again.
    fn add_heading(&mut self, heading: &str) {
        let name: String = heading
            .trim()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
            .flat_map(char::to_lowercase)
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect();
        let numbered = (1..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone())
            .chain(numbered)
            .find(|name| !self.anchors.contains(name));
        self.anchors.extend(free);
    }
}

/// What is wrong, a line each. Links to the outside are not followed.
fn broken_links(documents: &[SourceFile], exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let outlines: BTreeMap<&Path, Outline> = documents
        .iter()
        .map(|document| (document.path.as_path(), Outline::of(&document.text)))
        .collect();
    let mut broken = Vec::new();
    for (path, outline) in &outlines {
        for link in outline.links.iter().filter(|link| !link.contains("://")) {
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match target {
                "" => path.to_path_buf(),
                target => normal(&path.parent().unwrap_or(Path::new("")).join(target)),
            };
            let complaint = if !exists(&target) {
                format!("there is no {}", target.display())
            } else if !anchor.is_empty()
                && !outlines
                    .get(target.as_path())
                    .is_some_and(|outline| outline.anchors.contains(anchor))
            {
                format!("{} has no heading for #{anchor}", target.display())
            } else {
                continue;
            };
            broken.push(format!("  {}: {link}: {complaint}", path.display()));
        }
    }
    broken
}

/// The path without `..` and `.`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(path: &str, text: &str) -> SourceFile {
        SourceFile {
            path: path.into(),
            text: text.to_owned(),
        }
    }

    fn broken(documents: &[SourceFile]) -> Vec<String> {
        let exists = |path: &Path| path == Path::new("src") || documents.iter().any(|document| document.path == path);
        broken_links(documents, exists)
    }

    #[test]
    fn links_to_files_directories_headings_and_the_outside_are_fine() {
        let documents = [
            document(
                "README.md",
                "[a](docs/a.md), [there](docs/a.md#what-is-it), [code](src), [x](https://example.org/#y)",
            ),
            document(
                "docs/a.md",
                "# What *is* `it`?\n\n[back](../README.md) and [up](#what-is-it)\n",
            ),
        ];
        assert_eq!(broken(&documents), Vec::<String>::new());
    }

    #[test]
    fn missing_files_and_headings_are_told_with_their_place() {
        let documents = [
            document("README.md", "| [a](docs/b.md) |\n|---|\n| ![b](plot.svg) |\n"),
            document(
                "docs/a.md",
                "# One\n[c](#two) [d](../README.md#one) [e](../../out.md)\n",
            ),
        ];
        assert_eq!(
            broken(&documents),
            [
                "  README.md: docs/b.md: there is no docs/b.md",
                "  README.md: plot.svg: there is no plot.svg",
                "  docs/a.md: #two: docs/a.md has no heading for #two",
                "  docs/a.md: ../README.md#one: README.md has no heading for #one",
                "  docs/a.md: ../../out.md: there is no ../out.md",
            ]
        );
    }

    #[test]
    fn what_only_looks_like_a_link_is_none() {
        let text = "`[a](b.md)`\n\n```\n[a](b.md)\n# no heading\n```\n";
        assert_eq!(Outline::of(text), Outline::default());
    }

    #[test]
    fn headings_that_come_again_are_numbered() {
        let outline = Outline::of("# A: B!\n## a b\n## `A_B` – c\n");
        assert_eq!(
            outline.anchors,
            BTreeSet::from(["a-b", "a-b-1", "a_b--c"].map(str::to_owned))
        );
    }
}
