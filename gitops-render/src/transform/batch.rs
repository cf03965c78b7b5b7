//! CronJob as `batch/v1`.

use super::draft::{Draft, is_unset, text};

/// The first minor version that knows `spec.timeZone`.
const TIME_ZONE: u64 = 25;

/// The fields are the same; but a time zone in the schedule, which some servers let pass, is refused
/// by later ones and has a field of its own.
#[allow(
    clippy::unnecessary_wraps,
    reason = "the type that all entries of the table have"
)]
pub(super) fn cron_job(draft: &mut Draft, _from: &str) -> Result<(), String> {
    draft.remove_status();
    if draft.minor < TIME_ZONE {
        return Ok(());
    }
    let Some(spec) = draft.spec() else {
        return Ok(());
    };
    let schedule = text(spec, "schedule");
    let zoned = ["TZ=", "CRON_TZ="]
        .iter()
        .find_map(|prefix| schedule.strip_prefix(prefix)?.split_once(' '));
    if let Some((zone, rest)) = zoned
        && is_unset(spec, "timeZone")
    {
        let (zone, rest) = (zone.to_owned(), rest.trim_start().to_owned());
        spec.insert("timeZone".to_owned(), zone.into());
        spec.insert("schedule".to_owned(), rest.into());
        draft.changed("spec.timeZone: from the schedule");
    }
    Ok(())
}
