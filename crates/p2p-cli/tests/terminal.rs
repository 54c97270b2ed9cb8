//! On a terminal there are bars, a live view and colours, and they go when they are not wanted.
#![cfg(target_os = "linux")]

mod common;

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::Read,
    net::TcpListener,
    os::unix::ffi::OsStrExt,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use common::{Running, p2p, text};
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// How long something may take to show before the test gives up: much longer than it ever does.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run whose standard error is a terminal.
struct OnTerminal {
    child: Child,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

impl OnTerminal {
    fn start(command: &mut Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: 25,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = OsStr::from_bytes(name.to_bytes());
        let terminal = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let child = command
            .env("TERM", "xterm")
            .stderr(Stdio::from(terminal))
            .spawn()
            .unwrap();
        // Otherwise the terminal would never end.
        command.stderr(Stdio::null());
        let (shown, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut master = File::from(master);
            let mut bytes = vec![0; 4096];
            // It ends with an error when the last process has left the terminal.
            while let Ok(size) = master.read(&mut bytes) {
                if shown.send(bytes[..size].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            screen,
            seen: String::new(),
        }
    }

    /// Reads until the terminal shows this.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        while !self.seen.contains(text) {
            match self.screen.recv_timeout(PATIENCE) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("{error} without {text}: {}", self.seen),
            }
        }
    }

    /// Waits for the end; gives the status and all that was shown.
    fn finish(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap().code();
        while let Ok(bytes) = self.screen.recv_timeout(PATIENCE) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        (status, std::mem::take(&mut self.seen))
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_search_shows_rate_expectation_and_odds_until_it_is_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("identity.json");
    let mut command = p2p(["identity", "generate", "--difficulty", "60", "--output", text(&file)]);
    let mut search = OnTerminal::start(&mut command);
    for text in ["stamps, ", "/s; ", " years on average, odds so far 0.0 %"] {
        search.wait_for(text);
    }
    let id = search.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let (status, shown) = search.finish();
    assert_eq!(status, Some(130));
    assert!(shown.ends_with("p2p: interrupted\r\n"), "{shown:?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_crawl_shows_what_it_has_found() {
    let mut testnet = Running::start(["testnet", "20", "--seed", "5", "--hostile", "0"]);
    let entry = testnet.wait_for("testnet")["entry"].as_str().unwrap().to_owned();
    testnet.wait_for("testnet_running");
    // Twenty calls at ten a second, so that there is something to see.
    let arguments = [
        "crawl",
        &entry,
        "--network",
        "TESTNET",
        "--difficulty",
        "0",
        "--interval",
        "0.1",
    ];
    let mut crawl = OnTerminal::start(p2p(arguments).stdout(Stdio::null()));
    crawl.wait_for(" found: ");
    crawl.wait_for(" take us, ");
    crawl.wait_for(" waiting");
    assert_eq!(crawl.finish().0, Some(0));
}

#[test]
fn a_probe_counts_the_targets() {
    // It takes connections, by its backlog, and says nothing: there is time to look.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let arguments = ["probe", "127.0.0.1:1", &address, "--timeout", "2"];
    let mut probe = OnTerminal::start(p2p(arguments).stdout(Stdio::null()));
    probe.wait_for(" of 2 called");
    assert_eq!(probe.finish().0, Some(9));
}

#[test]
fn colours_are_for_terminals_and_not_against_the_users_wish() {
    let colour = "\u{1b}[3";
    let (status, shown) = OnTerminal::start(p2p(["-v", "demo"]).stdout(Stdio::null())).finish();
    assert_eq!(status, Some(0));
    assert!(shown.contains(colour), "{shown:?}");
    let mut plain = p2p(["-v", "demo"]);
    let (_, shown) = OnTerminal::start(plain.env("NO_COLOR", "1").stdout(Stdio::null())).finish();
    assert!(shown.contains("DEBUG") && !shown.contains('\u{1b}'), "{shown:?}");
}
