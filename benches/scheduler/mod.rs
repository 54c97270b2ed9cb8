//! The parts of the scheduler's report.

pub(crate) mod grants;
pub(crate) mod join;
pub(crate) mod sharing;
pub(crate) mod throughput;
