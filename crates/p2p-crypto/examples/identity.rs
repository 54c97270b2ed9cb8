//! Makes an identity with little proof of work, keeps it in a file and reads it back.
//!
//! ```sh
//! cargo run --example identity
//! ```

use std::error::Error;

use p2p_crypto::{Difficulty, Identity, WriteIdentityError};

fn main() -> Result<(), Box<dyn Error>> {
    let difficulty: Difficulty = "12".parse()?;
    println!(
        "searching a stamp of difficulty {difficulty}: about {} attempts",
        difficulty.expected_attempts()
    );
    let identity = Identity::generate(difficulty);
    println!("peer id  {}", identity.peer_id());
    println!("stamp    {}", identity.stamp());
    println!(
        "reaches  {:.2}",
        identity.stamp().difficulty_reached(&identity.public_key())
    );

    let directory = tempfile::tempdir()?;
    let path = directory.path().join("identity.json");
    identity.write_new_file(&path)?;
    println!("written to {}", path.display());

    let read = Identity::read_file(&path)?;
    assert_eq!(read.peer_id(), identity.peer_id());
    read.check_difficulty(difficulty)?;
    println!("read back, and the proof of work holds");

    if let Err(error) = read.check_difficulty(Difficulty::MAINNET) {
        println!("but: {error}");
    }
    if let Err(error @ WriteIdentityError::AlreadyExists { .. }) = identity.write_new_file(&path) {
        println!("and a second time: {error}");
    }
    Ok(())
}
