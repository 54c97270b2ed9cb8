//! Runs the binary on a terminal and looks at what is on it.

// Not every test file needs everything.
#![allow(dead_code, unreachable_pub)]

use std::{
    collections::VecDeque,
    fs::File,
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use vt100::Parser;

use crate::common::interrupt;

/// How long something may take to show before the test gives up: much longer than it ever does.
const PATIENCE: Duration = Duration::from_secs(300);

const ROWS: u16 = 25;
const COLUMNS: u16 = 80;

/// What of a run goes to the terminal; the rest is as the command has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Stderr,
    Both,
}

/// A run on a terminal.
pub struct OnTerminal {
    child: Child,
    keyboard: File,
    written: Receiver<Vec<u8>>,
    /// What was read and not looked at.
    unseen: VecDeque<u8>,
    /// All that was looked at.
    looked_at: Vec<u8>,
    is_updating: bool,
    screen: Parser,
}

/// What begins and what ends a synchronized update.
const BEGIN_UPDATE: &[u8] = b"\x1b[?2026h";
const END_UPDATE: &[u8] = b"\x1b[?2026l";

impl OnTerminal {
    pub fn start(command: &mut Command, shown: Shown) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: ROWS,
            ws_col: COLUMNS,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        // Not the controlling one of anybody, even if the tests have none.
        let terminal = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        command.env("TERM", "xterm");
        if shown == Shown::Both {
            command.stdout(Stdio::from(terminal.try_clone().unwrap()));
        }
        let child = command.stderr(Stdio::from(terminal)).spawn().unwrap();
        // Otherwise the terminal would never end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let keyboard = File::from(master.try_clone().unwrap());
        let (writer, written) = mpsc::channel();
        thread::spawn(move || {
            let mut master = File::from(master);
            let mut bytes = vec![0; 4096];
            // It ends with an error when the last process has left the terminal.
            while let Ok(size) = master.read(&mut bytes) {
                if writer.send(bytes[..size].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            keyboard,
            written,
            unseen: VecDeque::new(),
            looked_at: Vec::new(),
            is_updating: false,
            screen: Parser::new(ROWS, COLUMNS, 0),
        }
    }

    /// Waits until there is something to look at, unless the last process has left the terminal.
    fn read(&mut self, patience: Duration) -> Result<(), RecvTimeoutError> {
        if self.unseen.is_empty() {
            self.unseen.extend(self.written.recv_timeout(patience)?);
        }
        Ok(())
    }

    /// Looks at the next byte. Looking at every one of them finds what depends on how the writes and reads are cut.
    fn see(&mut self) {
        let byte = self.unseen.pop_front().unwrap();
        self.looked_at.push(byte);
        self.screen.process(&[byte]);
        self.is_updating =
            self.looked_at.ends_with(BEGIN_UPDATE) || self.is_updating && !self.looked_at.ends_with(END_UPDATE);
    }

    /// Reads until the terminal has shown this at any time.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        let begun = Instant::now();
        let mut is_seen = self.seen().contains(text);
        while !is_seen {
            if let Err(error) = self.read(PATIENCE.saturating_sub(begun.elapsed())) {
                panic!("{error} without {text}: {}", self.seen());
            }
            self.see();
            is_seen = self.looked_at.ends_with(text.as_bytes());
        }
    }

    /// Reads until what is on the terminal is as wanted, and gives it.
    #[track_caller]
    pub fn wait_until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            if !self.is_updating {
                let contents = self.contents();
                if wanted(&contents) {
                    return contents;
                }
            }
            if let Err(error) = self.read(PATIENCE.saturating_sub(begun.elapsed())) {
                panic!("{error}, with this on the terminal:\n{}", self.contents());
            }
            self.see();
        }
    }

    /// All that was ever written and looked at.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.looked_at).into_owned()
    }

    /// What is on the terminal now.
    pub fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// Whether the terminal is as a shell expects it: with a cursor, and not in the screen of a program.
    pub fn is_restored(&self) -> bool {
        let screen = self.screen.screen();
        !screen.hide_cursor() && !screen.alternate_screen()
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&mut self) {
        // The terminal throws away what was not read yet, shows it, and signals nobody.
        self.keyboard.write_all(b"\x03").unwrap();
        // Otherwise it might throw away what the run says in its end.
        self.wait_for("^C");
        interrupt(self.child.id());
    }

    /// Waits for the end; gives the status.
    pub fn finish(&mut self) -> Option<i32> {
        let status = self.child.wait().unwrap().code();
        while self.read(PATIENCE).is_ok() {
            self.see();
        }
        status
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
