use std::time::Duration;

/// How much strangers may take of a listener. The default is right for most.
///
/// ```
/// use p2p_socket::AdmissionLimits;
///
/// let limits = AdmissionLimits { half_open: 1000, ..AdmissionLimits::default() };
/// assert_eq!(limits.half_open_per_network, AdmissionLimits::DEFAULT_HALF_OPEN_PER_NETWORK);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct AdmissionLimits {
    /// How many connections may be half-open in all; 0 counts as 1.
    pub half_open: usize,
    /// How many of one [`Network`](crate::admission::Network) may be half-open; 0 counts as 1. Loopback has no such
    /// limit: behind a proxy everybody comes from there.
    pub half_open_per_network: usize,
    /// With so many offences that are not forgiven a network is refused; 0 refuses nobody. Loopback never is.
    pub offences: u32,
    /// In this time one offence is forgiven.
    #[cfg_attr(feature = "serde", serde(with = "crate::human::duration"))]
    pub forgiveness: Duration,
    /// Of how many networks the offences are remembered. When there are more, those with the least to be forgiven are
    /// forgotten.
    pub remembered_offenders: usize,
}

impl AdmissionLimits {
    /// Half-open connections in all, unless told otherwise.
    ///
    /// It leaves most of the 1024 file descriptors that a process usually has to accepted peers, and at a thousand
    /// new connections a second, each from a network of its own, every one still has a quarter of a second for three
    /// round trips.
    ///
    /// # Security
    ///
    /// Each holds a descriptor and up to 4 KiB before its proof of work is checked: silent remotes can take no more
    /// than so many of these.
    pub const DEFAULT_HALF_OPEN: usize = 256;

    /// Half-open connections of one network, unless told otherwise: as many peers behind one address translator as
    /// are likely to begin in the same second.
    ///
    /// # Security
    ///
    /// One address that opens connections and says nothing displaces itself, not others.
    pub const DEFAULT_HALF_OPEN_PER_NETWORK: usize = 16;

    /// Offences after which a network is refused, unless told otherwise: bad luck on the wire causes some.
    ///
    /// # Security
    ///
    /// Without refusing, a thousand connections a second would be a thousand key agreements or timers a second. A
    /// refused connection costs its acceptance by the operating system and a look into a table.
    pub const DEFAULT_OFFENCES: u32 = 32;

    /// The time in which one offence is forgiven, unless told otherwise. A persistent offender is let in once in this
    /// time, and a reformed one is free again within five minutes.
    pub const DEFAULT_FORGIVENESS: Duration = Duration::from_secs(10);

    /// Networks whose offences are remembered, unless told otherwise.
    ///
    /// # Security
    ///
    /// The memory of offenders must not be what an attacker with a large IPv6 network fills: 4096 take about half a
    /// megabyte, and those with many offences stay.
    pub const DEFAULT_REMEMBERED_OFFENDERS: usize = 4096;
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            half_open: Self::DEFAULT_HALF_OPEN,
            half_open_per_network: Self::DEFAULT_HALF_OPEN_PER_NETWORK,
            offences: Self::DEFAULT_OFFENCES,
            forgiveness: Self::DEFAULT_FORGIVENESS,
            remembered_offenders: Self::DEFAULT_REMEMBERED_OFFENDERS,
        }
    }
}
