//! Every public type may move between threads and be shared by them.

use p2p_io_scheduler::*;

fn shared<T: Send + Sync + 'static>() {}

#[test]
fn every_public_type_is_send_and_sync() {
    shared::<BytesPerSecond>();
    shared::<ByteSize>();
    shared::<ClosingReason>();
    shared::<CloseError>();
    shared::<Direction>();
    shared::<Drain>();
    shared::<InvalidWeight>();
    shared::<IoScheduler>();
    shared::<Limits>();
    shared::<ParseByteSizeError>();
    shared::<ParseBytesPerSecondError>();
    shared::<Queued>();
    shared::<RegisterOptions>();
    shared::<ScheduledHandle>();
    shared::<ScheduledId>();
    shared::<ScheduledIo<tokio::io::DuplexStream>>();
    shared::<SchedulerClosed>();
    shared::<Stat>();
    shared::<Weight>();
}
