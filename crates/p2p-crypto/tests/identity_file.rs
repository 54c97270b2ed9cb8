//! Identity files: what is read, what is refused, and that nothing is ever overwritten or left behind.
#![cfg(feature = "identity-file")]

use std::error::Error;
use std::fs;
use std::path::Path;

use p2p_crypto::{Identity, InvalidIdentity, ReadIdentityError, SecretKey, Stamp, WriteIdentityError};
use tempfile::tempdir;

fn identity() -> Identity {
    Identity::new(SecretKey::from_bytes([0xab; 32]), Stamp::from_bytes([0x0c; 24]))
}

fn names_in(directory: &Path) -> Vec<String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn what_is_written_is_read_back() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("identity.json");
    identity().write_new_file(&path).unwrap();

    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("{}\n", *identity().to_json())
    );
    let read = Identity::read_file(&path).unwrap();
    assert_eq!(read.secret_key(), identity().secret_key());
    assert_eq!(read.stamp(), identity().stamp());
    assert_eq!(names_in(directory.path()), ["identity.json"]);
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("identity.json");
    fs::write(&path, "dear to somebody").unwrap();

    let error = identity().write_new_file(&path).unwrap_err();
    assert!(matches!(&error, WriteIdentityError::AlreadyExists { path: named } if *named == path));
    assert_eq!(fs::read_to_string(&path).unwrap(), "dear to somebody");
    assert_eq!(names_in(directory.path()), ["identity.json"]);
}

#[test]
fn a_directory_is_not_overwritten() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("identity.json");
    fs::create_dir(&path).unwrap();
    let error = identity().write_new_file(&path).unwrap_err();
    assert!(matches!(error, WriteIdentityError::AlreadyExists { .. }));
    assert_eq!(names_in(directory.path()), ["identity.json"]);
}

#[cfg(unix)]
#[test]
fn a_dangling_link_is_not_followed() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("identity.json");
    std::os::unix::fs::symlink(directory.path().join("elsewhere"), &path).unwrap();
    let error = identity().write_new_file(&path).unwrap_err();
    assert!(matches!(error, WriteIdentityError::AlreadyExists { .. }));
    assert_eq!(names_in(directory.path()), ["identity.json"]);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempdir().unwrap();
    let path = directory.path().join("identity.json");
    identity().write_new_file(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn of_many_writers_one_wins() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("identity.json");
    let wins = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8_u8)
            .map(|number| {
                let path = &path;
                scope.spawn(move || {
                    let identity = Identity::new(SecretKey::from_bytes([number; 32]), Stamp::from_bytes([number; 24]));
                    (number, identity.write_new_file(path))
                })
            })
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .filter_map(|(number, result)| match result {
                Ok(()) => Some(number),
                Err(WriteIdentityError::AlreadyExists { .. }) => None,
                Err(error) => panic!("{error}"),
            })
            .collect::<Vec<_>>()
    });
    let [winner] = wins[..] else { panic!("{wins:?}") };
    assert_eq!(Identity::read_file(&path).unwrap().stamp().as_bytes(), &[winner; 24]);
    assert_eq!(names_in(directory.path()), ["identity.json"]);
}

#[test]
fn a_missing_directory_is_an_io_error_when_writing() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("missing").join("identity.json");
    let error = identity().write_new_file(&path).unwrap_err();
    assert!(matches!(&error, WriteIdentityError::Io { path: named, .. } if *named == path));
    assert!(error.source().is_some());
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn a_name_that_is_too_long_leaves_nothing_behind() {
    let directory = tempdir().unwrap();
    let error = identity()
        .write_new_file(&directory.path().join("n".repeat(5000)))
        .unwrap_err();
    assert!(matches!(error, WriteIdentityError::Io { .. }));
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn a_missing_file_and_a_directory_are_io_errors_when_reading() {
    let directory = tempdir().unwrap();
    let missing = directory.path().join("missing.json");
    for path in [missing.as_path(), directory.path()] {
        let error = Identity::read_file(path).unwrap_err();
        assert!(matches!(&error, ReadIdentityError::Io { path: named, .. } if named == path));
        assert!(error.source().is_some());
    }
}

#[test]
fn a_file_of_64_kib_is_read_and_one_byte_more_is_refused() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("identity.json");
    let mut contents = identity().to_json().as_bytes().to_vec();
    contents.resize(64 * 1024, b' ');
    fs::write(&path, &contents).unwrap();
    assert!(Identity::read_file(&path).is_ok());

    contents.push(b' ');
    fs::write(&path, &contents).unwrap();
    let error = Identity::read_file(&path).unwrap_err();
    assert!(matches!(error, ReadIdentityError::TooLarge { .. }));
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_no_regular_file_is_not_even_opened() {
    let error = Identity::read_file(Path::new("/dev/zero")).unwrap_err();
    assert!(matches!(error, ReadIdentityError::Io { source, .. } if source.kind() == std::io::ErrorKind::InvalidInput));
}

#[test]
fn what_is_wrong_with_the_contents_is_told_without_the_secret() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("identity.json");
    let refusal = |contents: &[u8]| {
        fs::write(&path, contents).unwrap();
        let error = Identity::read_file(&path).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("abab"));
        match error {
            ReadIdentityError::Invalid { source, .. } => source,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refusal(b""), InvalidIdentity::Json { line: 1, column: 0 });
    assert_eq!(refusal(b"{\"secret_key\": \"abab\xff\"}"), InvalidIdentity::NotUtf8);
    assert_eq!(
        refusal(b"{\"secret_key\": \"abab\"}"),
        InvalidIdentity::MissingField { name: "public_key" }
    );
    let other_secret = identity().to_json().replace("\"abab", "\"cdab");
    assert!(matches!(
        refusal(other_secret.as_bytes()),
        InvalidIdentity::PublicKeyMismatch { .. }
    ));
}
