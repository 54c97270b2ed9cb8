//! The first half of a replay: reads both directions of a record and checks that they say what the record says.

use p2p_crypto::{ChannelKey, Nonce, Role, SessionNonces};
use p2p_framing::PointList;
use p2p_socket::{NodeMetadata, RejectionMotive};
use sha2::{Digest, Sha256};

use super::{
    differences::Differences,
    dissect::{self, Answer, Hello, Opened},
    names,
    observation::{self, Observation, Phase, Remote},
    record::{Plan, Record, Side, other, role_name},
};

/// Messages above this are not made of their pattern only to check their digest: 64 MiB.
const MAX_UNSENT: usize = 64 * 1024 * 1024;

/// Bytes that stand before each message on the wire.
const PREFIX_SIZE: usize = 4;

/// One side of a record, with what it really sent.
struct Examined<'a> {
    side: &'a Side,
    role: Role,
    hello: &'a Hello<'a>,
    opened: &'a Opened,
}

/// Everything in which the record contradicts itself.
pub(super) fn examine(record: &Record, differences: &mut Differences) {
    let roles = [Role::Initiator, Role::Responder];
    for role in roles {
        examine_wire(record, role, differences);
        examine_planned_messages(record, role, differences);
    }
    let [Some(dialer), Some(listener)] = roles.map(|role| {
        let hello = dissect::hello(record.sent_by(role).wire);
        hello
            .map_err(|fault| differences.add(format!("{}: {fault}", role_name(role))))
            .ok()
    }) else {
        return;
    };
    let hello_of = |role| match role {
        Role::Initiator => &dialer,
        Role::Responder => &listener,
    };
    for role in roles {
        examine_hello(record.side(role), role, hello_of(role), differences);
    }
    let [Some(sent_by_dialer), Some(sent_by_listener)] = roles.map(|role| {
        let (sent, received) = (hello_of(role), hello_of(other(role)));
        let opening = agree(record, other(role), received, sent, differences)?;
        dissect::open(record.sent_by(role).wire, opening.0, opening.1)
            .map_err(|fault| differences.add(format!("{}: {fault}", role_name(role))))
            .ok()
    }) else {
        return;
    };
    let dialer = Examined {
        side: record.side(Role::Initiator),
        role: Role::Initiator,
        hello: &dialer,
        opened: &sent_by_dialer,
    };
    let listener = Examined {
        side: record.side(Role::Responder),
        role: Role::Responder,
        hello: &listener,
        opened: &sent_by_listener,
    };
    for (mine, theirs) in [(&dialer, &listener), (&listener, &dialer)] {
        let outcome = expected_outcome(mine, theirs);
        examine_handshake(mine, theirs, &outcome, differences);
        examine_messages(mine, theirs, differences);
        observation::compare(differences, role_name(mine.role), &outcome, &mine.side.outcome);
    }
}

fn examine_wire(record: &Record, role: Role, differences: &mut Differences) {
    let (sent, name) = (record.sent_by(role), role_name(role));
    differences.compare(&format!("{name}: the length of the wire"), &sent.wire.len(), &sent.size);
    if Sha256::digest(sent.wire)[..] != sent.sha256.0 {
        differences.add(format!("{name}: the wire has another digest than recorded"));
    }
    let (frames, more) = dissect::frames(sent.wire);
    if more {
        differences.add(format!("{name}: the wire ends within a frame"));
    }
    let different = (0..frames.len().max(sent.frames.len())).find(|&at| frames.get(at) != sent.frames.get(at));
    if let Some(at) = different {
        differences.add(format!("{name}: frame {at} is another than recorded"));
    }
}

fn examine_planned_messages(record: &Record, role: Role, differences: &mut Differences) {
    let limit = record.sent_by(role).wire.len().max(MAX_UNSENT);
    for (index, message) in record.side(role).sends.iter().enumerate() {
        let name = role_name(role);
        if message.size() > limit {
            let size = message.size();
            differences.add(format!(
                "{name}: message {index} of {size} bytes is too large to be checked"
            ));
        } else if !message.is_intact() {
            differences.add(format!("{name}: message {index} has another digest than recorded"));
        }
    }
}

fn examine_hello(side: &Side, role: Role, hello: &Hello<'_>, differences: &mut Differences) {
    let name = role_name(role);
    let port = side.advertised_port.unwrap_or(0);
    differences.compare(&format!("{name}: the announced port"), &hello.port, &port);
    let public_key = side.identity.public_key();
    differences.compare(&format!("{name}: the public key"), &hello.public_key, &public_key);
    differences.compare(&format!("{name}: the stamp"), &hello.stamp, &side.identity.stamp());
    let version = &side.announced_version;
    differences.compare(&format!("{name}: the announced version"), &hello.version, version);
}

/// Derives key and nonces as the side `role` does, and returns those with which it opens.
fn agree(
    record: &Record,
    role: Role,
    sent: &Hello<'_>,
    received: &Hello<'_>,
    differences: &mut Differences,
) -> Option<(ChannelKey, Nonce)> {
    let name = role_name(role);
    let Ok(key) = ChannelKey::agree(record.side(role).identity.secret_key(), &received.public_key) else {
        differences.add(format!("{name}: the public key of the other side is weak"));
        return None;
    };
    if *key.expose_bytes() != record.channel_key {
        differences.add(format!("{name}: the channel key is another than recorded"));
    }
    let nonces = SessionNonces::derive(role, sent.wire, received.wire);
    if nonces.sealing != record.sent_by(role).first_nonce {
        differences.add(format!("{name}: the nonce for sending is another than recorded"));
    }
    if nonces.opening != record.sent_by(other(role)).first_nonce {
        differences.add(format!("{name}: the nonce for receiving is another than recorded"));
    }
    Some((key, nonces.opening))
}

/// What `mine` must see of what `theirs` sent.
fn expected_outcome(mine: &Examined<'_>, theirs: &Examined<'_>) -> Vec<Observation> {
    let failed = |phase, errors: &[&str]| {
        let errors = errors.iter().map(|&error| error.to_owned()).collect();
        Observation::error(phase, errors)
    };
    if !passes_proof_of_work(mine.side, theirs.hello) {
        return vec![failed(Phase::Authenticate, &[names::NOT_ENOUGH_PROOF_OF_WORK])];
    }
    let Some(remote_metadata) = theirs.opened.metadata else {
        return vec![failed(Phase::Authenticate, &[names::CONNECTION_CLOSED])];
    };
    if theirs.hello.public_key == mine.hello.public_key {
        return vec![failed(Phase::Authenticate, &[names::MYSELF])];
    }
    let incoming = mine.role == Role::Responder;
    let mut outcome = vec![Observation::Authenticated(Remote {
        peer_id: theirs.hello.public_key.peer_id().to_string(),
        incoming,
        announced_version: theirs.hello.version.clone(),
        private_node: remote_metadata.private_node,
        remote_metadata,
        id_point_has_port: !incoming || theirs.hello.port != 0,
    })];
    match &mine.side.plan {
        Plan::Nack(nack) if nack.alternative_points.len() > PointList::MAX_LENGTH => {
            outcome.push(failed(Phase::Nack, &[names::TOO_MANY_POINTS]));
        }
        Plan::Nack(nack) => outcome.push(Observation::Nacked { motive: nack.motive }),
        Plan::Accept => match &theirs.opened.answer {
            Some(Answer::Ack) => {
                outcome.push(Observation::Accepted);
                outcome.extend(theirs.opened.messages.iter().map(|message| Observation::Received {
                    size: message.len(),
                    encoded_size: message.len() + PREFIX_SIZE,
                }));
            }
            Some(Answer::Nack { motive, points }) => {
                outcome.push(Observation::RejectedByNack {
                    motive: *motive,
                    alternative_points: Some(points.as_slice().to_vec()),
                });
                outcome.push(failed(Phase::Accept, &[names::REJECTED_BY_NACK]));
            }
            Some(Answer::NackVersion0) => {
                outcome.push(Observation::RejectedByNack {
                    motive: RejectionMotive::NoMotive,
                    alternative_points: None,
                });
                outcome.push(failed(Phase::Accept, &[names::REJECTED_BY_NACK]));
            }
            None => outcome.push(failed(
                Phase::Accept,
                &[names::REJECTED_SOCKET_CONNECTION, names::CONNECTION_CLOSED],
            )),
        },
    }
    outcome
}

fn passes_proof_of_work(side: &Side, remote: &Hello<'_>) -> bool {
    side.required_difficulty
        .target()
        .accepts(&remote.public_key, &remote.stamp)
}

/// Metadata and answer must be what the side was told, and there only if it came so far.
fn examine_handshake(
    mine: &Examined<'_>,
    theirs: &Examined<'_>,
    outcome: &[Observation],
    differences: &mut Differences,
) {
    let name = role_name(mine.role);
    let metadata = passes_proof_of_work(mine.side, theirs.hello).then_some(mine.side.metadata);
    if mine.opened.metadata != metadata {
        let (sent, told) = (metadata_text(mine.opened.metadata), metadata_text(metadata));
        differences.add(format!("{name}: the metadata is {sent}, recorded {told}"));
    }
    let authenticated = matches!(outcome.first(), Some(Observation::Authenticated(_)));
    let answer = authenticated.then(|| told_answer(mine.side, theirs.hello.version.p2p_version));
    let answer = answer.flatten();
    if mine.opened.answer != answer {
        let text = |answer: &Option<Answer>| answer.as_ref().map_or("none".to_owned(), ToString::to_string);
        let (sent, told) = (text(&mine.opened.answer), text(&answer));
        differences.add(format!("{name}: the answer is {sent}, recorded {told}"));
    }
}

fn metadata_text(metadata: Option<NodeMetadata>) -> String {
    metadata.map_or("none".to_owned(), |metadata| format!("{metadata:?}"))
}

/// None if the answer can not be made, and so is not sent.
fn told_answer(side: &Side, remote_p2p_version: u16) -> Option<Answer> {
    match &side.plan {
        Plan::Accept => Some(Answer::Ack),
        Plan::Nack(nack) => {
            let points = PointList::new(nack.alternative_points.clone()).ok()?;
            Some(match remote_p2p_version {
                0 => Answer::NackVersion0,
                _ => Answer::Nack {
                    motive: nack.motive,
                    points,
                },
            })
        }
    }
}

/// The messages on the wire must be those that the side was told to send, if both sides accepted.
fn examine_messages(mine: &Examined<'_>, theirs: &Examined<'_>, differences: &mut Differences) {
    let name = role_name(mine.role);
    let accepted = [mine, theirs].map(|side| side.opened.answer == Some(Answer::Ack)) == [true; 2];
    let told = if accepted { &mine.side.sends[..] } else { &[] };
    let sent = &mine.opened.messages;
    differences.compare(&format!("{name}: the number of messages"), &sent.len(), &told.len());
    for (index, (sent, told)) in sent.iter().zip(told).enumerate() {
        if sent.len() == told.size() {
            differences.compare_bytes(&format!("{name}: message {index}"), sent, &told.contents());
        } else {
            let what = format!("{name}: the size of message {index}");
            differences.compare(&what, &sent.len(), &told.size());
        }
    }
    let (largest, maximum) = (mine.opened.largest_chunk, mine.side.chunk_size.bytes());
    if largest > maximum {
        differences.add(format!(
            "{name}: a message chunk takes {largest} bytes, recorded at most {maximum}"
        ));
    }
}
