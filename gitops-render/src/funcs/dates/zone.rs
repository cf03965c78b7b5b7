//! Time zones by name, from the database that is part of the program.

use std::{borrow::Cow, sync::Arc, sync::OnceLock};

use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Zone {
    /// UTC.
    Utc,
    /// The local zone: UTC too, for renders do not depend on the machine.
    Local,
    /// A name (which may be empty) and seconds east of UTC.
    Fixed(Arc<str>, i64),
    /// A zone of the database.
    Named(Arc<str>, TimeZone),
}

/// What holds in a zone at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalTime<'z> {
    /// Seconds east of UTC.
    pub(crate) offset: i64,
    /// The abbreviation, as `CEST`.
    pub(crate) name: Cow<'z, str>,
    pub(crate) is_dst: bool,
}

impl Zone {
    /// `time.LoadLocation`; None for names that are not in the database.
    pub(crate) fn load(name: &str) -> Option<Self> {
        match name {
            "" | "UTC" => return Some(Self::Utc),
            "Local" => return Some(Self::Local),
            _ => {}
        }
        static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
        let zone = DATABASE
            .get_or_init(TimeZoneDatabase::bundled)
            .get(name)
            .ok()?;
        // Go's names are file names, where case matters.
        (zone.iana_name() == Some(name)).then(|| Self::Named(name.into(), zone))
    }

    /// `Location.String`.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Utc | Self::Local => "UTC",
            Self::Fixed(name, _) | Self::Named(name, _) => name,
        }
    }

    /// What holds at a moment, given in seconds since 1970.
    pub(crate) fn at(&self, seconds: i64) -> LocalTime<'_> {
        match self {
            Self::Utc | Self::Local => LocalTime {
                offset: 0,
                name: Cow::Borrowed("UTC"),
                is_dst: false,
            },
            Self::Fixed(name, offset) => LocalTime {
                offset: *offset,
                name: Cow::Borrowed(name),
                is_dst: false,
            },
            Self::Named(_, zone) => {
                let limits = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
                let timestamp =
                    Timestamp::from_second(seconds.clamp(limits.0, limits.1)).unwrap_or_default();
                let info = zone.to_offset_info(timestamp);
                LocalTime {
                    offset: i64::from(info.offset().seconds()),
                    name: Cow::Owned(info.abbreviation().to_owned()),
                    is_dst: info.dst().is_dst(),
                }
            }
        }
    }
}
