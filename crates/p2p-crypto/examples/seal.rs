//! Two parties agree on a key; one seals a message, the other opens it, and a forged one is refused.
//!
//! Run it with `cargo run -p p2p-crypto --example seal`.

use p2p_crypto::{ChannelKey, Nonce, Opener, Role, Sealer, SecretKey, SessionNonces};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (alice, bob) = (SecretKey::generate(), SecretKey::generate());
    println!("Alice is {}", alice.public_key().peer_id());
    println!("Bob   is {}", bob.public_key().peer_id());

    // What each sends first, in the clear. In a real session these are the connection messages; here the key and a
    // fresh nonce do.
    let from_alice = [&alice.public_key().as_bytes()[..], Nonce::generate().as_bytes()].concat();
    let from_bob = [&bob.public_key().as_bytes()[..], Nonce::generate().as_bytes()].concat();

    // Each side needs nothing but its own secret and what it received.
    let alice_nonces = SessionNonces::derive(Role::Initiator, &from_alice, &from_bob);
    let mut sealer = Sealer::new(ChannelKey::agree(&alice, &bob.public_key())?, alice_nonces.sealing);
    let bob_nonces = SessionNonces::derive(Role::Responder, &from_bob, &from_alice);
    let mut opener = Opener::new(ChannelKey::agree(&bob, &alice.public_key())?, bob_nonces.opening);

    for message in ["The first message", "and the second"] {
        let mut data = message.as_bytes().to_vec();
        let tag = sealer.seal(&mut data)?;
        println!("on the wire: {} {}", hex::encode(tag.as_bytes()), hex::encode(&data));
        opener.open(&mut data, &tag)?;
        println!("Bob reads:   {}", String::from_utf8(data)?);
    }

    let mut data = *b"and the third";
    let tag = sealer.seal(&mut data)?;
    data[0] ^= 1;
    match opener.open(&mut data, &tag) {
        Err(error) => println!("Bob refuses: {error}"),
        Ok(()) => return Err("a forged message was opened".into()),
    }
    Ok(())
}
