//! Examples of the commands, and the exit statuses of all of them.

pub(crate) const ALL: &str = "Examples:
  p2p demo                                               what this is about, in one process
  p2p identity generate --output identity.json           make an identity for the public networks
  p2p probe HOST:9732 --identity identity.json           who is it, and would it take us?

Exit status:
    0  all is well
    1  something failed that has no status of its own
    2  wrong usage
    3  an identity file can not be read
    4  an identity file holds no identity
    5  keys and peer id of an identity file do not belong together
    6  the proof of work of an identity is not enough
    7  the identity file to be written exists already
    8  the identity file can not be written
    9  a node did not answer
   10  a capture can not be read
   11  something in a capture could not be opened
  130  interrupted
  141  standard output was closed

Environment:
  NO_COLOR        no colours, even on a terminal
  P2P_LOG         what to tell of the work, as -v does, by a filter: p2p_socket=debug
  P2P_CONFIG      the file of --config
  P2P_MAX_UPLOAD  and so on: any option that is not typed";

pub(crate) const LISTEN: &str = "Examples:
  p2p listen --echo                                      send back whatever comes
  p2p listen --bind 0.0.0.0:9732 --identity identity.json --difficulty 26
  p2p listen --receive downloads                         take files of p2p send
  p2p listen --receive downloads --max-file 1GB --max-received 20GB
  p2p listen --echo --max-peers 1000 --memory-budget 1GiB
  p2p listen --echo --top                                see what flows, like iftop

Exit status: 0 if all is well, 1 if it can not listen or a connection failed, 2 for a wrong usage, 3 to 5 for an unusable \
identity file, 130 if interrupted.";

pub(crate) const DIAL: &str = "Examples:
  p2p dial 127.0.0.1:9732                                type lines, read what comes
  echo hello | p2p dial 127.0.0.1:9732 --expect 1        send one message, wait for one
  p2p dial HOST:9732 --identity identity.json --network mainnet

Exit status: 0 if all is well, 1 if the connection failed, 2 for a wrong usage, 3 to 5 for an unusable identity file, 130 if \
interrupted.";

pub(crate) const SEND: &str = "Examples:
  p2p send 192.0.2.7:9732 film.mkv
  p2p send 192.0.2.7:9732 film.mkv --max-upload 500kB    leave some of the line to others

A transfer that was cut goes on where it stopped when the same command is given again.

Exit status: 0 if the file has arrived, 1 if not, 2 for a wrong usage, 3 to 5 for an unusable identity file, 130 if \
interrupted.";

pub(crate) const DEMO: &str = "Examples:
  p2p demo
  p2p --json demo | jq .

Exit status: 0 if all went as told, 1 if not, 2 for a wrong usage, 130 if interrupted.";

pub(crate) const REPLAY: &str = "Examples:
  p2p replay crates/p2p-cli/tests/vectors/sessions       all sessions of a directory
  p2p --json replay session.json

Exit status: 0 if every byte is as recorded, 1 if not, 2 for a wrong usage, 130 if interrupted.";

pub(crate) const GENERATE: &str = "Examples:
  p2p identity generate --output identity.json
  p2p identity generate --difficulty 0 --output test.json         for tests: ready at once";

pub(crate) const SHOW: &str = "Examples:
  p2p identity show identity.json
  p2p --json identity show ~/.tezos-node/identity.json";

pub(crate) const CHECK: &str = "Examples:
  p2p identity check identity.json
  p2p identity check test.json --difficulty 16";
