//! Rate-limited I/O for tokio, shared fairly between connections.
//!
//! Take it when many streams of a program share a line, and no single one may take it all, whatever they carry: it knows
//! nothing of Tezos. It limits one process; the traffic of a whole machine is the operating system's to shape.
//!
//! An [`IoScheduler`] holds one download and one upload limit. Every connection that is registered with it becomes a
//! [`ScheduledIo`], which is itself `AsyncRead + AsyncWrite` and serves any protocol. While the connections together
//! want more than a limit, each one gets a share by its [`Weight`]; one that wants less than its share gets all it
//! wants, and the others get what it leaves. Bytes flow continuously: there are no whole-second ticks and no burst at
//! the start. Without a limit a registered connection costs a few counters.
//!
//! A connection buffers nothing unless it is registered with byte-bounded queues ([`RegisterOptions`]), and ends within a
//! deadline ([`ScheduledIo::close`]).
//!
//! ```
//! use p2p_io_scheduler::{IoScheduler, Limits};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scheduler = IoScheduler::new(Limits { upload: Some("1.5MB/s".parse()?), ..Limits::default() });
//!
//! let (near, mut far) = tokio::io::duplex(1024);
//! let mut connection = scheduler.register(near)?;
//! connection.write_all(b"sixteen bytes...").await?;
//!
//! let mut received = [0; 16];
//! far.read_exact(&mut received).await?;
//! assert_eq!(&received, b"sixteen bytes...");
//! assert_eq!(connection.stat().total_sent, 16);
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - In any window of at least 100 ms, at most `cap * window` and one quantum pass: what flows in 2 ms, from 256 B to 16 KiB.
//!   While anyone wants them, at least 99 % of the cap are used, and on a busy machine a few percent less.
//! - Connections that want more than they get share equally, or by weight to within 1 %, over each second, as long as each
//!   one's share is a few hundred bytes a second or more: nobody is dealt less than 64 B at a time.
//! - One that wants less than its share gets it at once, or within a round of the others when the cap is low: one share of
//!   64 B for each connection that waits.
//!
//! The example `share` shows it live, and the repository's `docs/` have the algorithm and the figures.
//!
//! # Runtimes
//!
//! Must run inside a tokio runtime with its timer enabled. Under a limit, one task wakes those who wait; it runs in the
//! runtime of whoever had to wait first. If connections of one scheduler live in several runtimes, each of these has to be
//! driven for as long as it exists: one that rests stops the others.
//!
//! # Events
//!
//! One, through `tracing`: `connection ends`, of level debug and target `p2p_io_scheduler`, for each reason that a connection
//! is given for its end, with the fields `connection` (its [`ScheduledId`]) and `reason`.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `serde` | no | [`Limits`], [`RegisterOptions`] and what is in them in configuration files: `upload = "10 MB/s"` |

mod budget;
mod close;
mod closing;
mod connection;
mod fair_queue;
mod handle;
#[cfg(feature = "serde")]
mod human;
mod pacer;
mod queue;
mod rate;
mod scheduler;
mod size;
mod stat;

pub use close::{CloseError, Drain};
pub use closing::{ClosingReason, Direction, SchedulerClosed};
pub use connection::ScheduledIo;
pub use handle::{InvalidWeight, RegisterOptions, ScheduledHandle, ScheduledId, Weight};
pub use queue::Queued;
pub use rate::{BytesPerSecond, Limits, ParseBytesPerSecondError};
pub use scheduler::IoScheduler;
pub use size::{ByteSize, ParseByteSizeError};
pub use stat::Stat;
