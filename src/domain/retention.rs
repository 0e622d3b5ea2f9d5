//! What retention may drop, as functions of values. It marks first, waits a day, and never takes much at once.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::entry::{Entry, EntryState};
use super::event::{Event, Recorded};
use super::ids::EntryId;
use super::policy::Policy;

/// Between a mark and the drop, and between two passes.
pub const DAY: SignedDuration = SignedDuration::from_hours(24);
/// A pass takes at most one of so many entries of the bin.
const SHARE: u64 = 100;
/// Passes write each day. A longer silence is a process that was down, or a clock that jumped; only a person knows.
const SILENCE: SignedDuration = SignedDuration::from_hours(72);
/// How far two clocks may be apart that both tell how long this process has run.
const DRIFT: SignedDuration = SignedDuration::from_mins(5);

/// The states whose entries may be dropped. What is not settled, or being brought back, never is.
pub const DROPPABLE: [EntryState; 3] = [EntryState::Deleted, EntryState::Restored, EntryState::Kept];

/// Why an entry stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// Its state.
    State,
    /// Its time is not over, by the promise made when it was deleted or by the policy of now.
    Young,
}

/// Whether an entry's time is over.
pub fn is_over(entry: &Entry, policy: &Policy, now: Timestamp) -> Result<(), Stays> {
    if !DROPPABLE.contains(&entry.state) {
        return Err(Stays::State);
    }
    let by_policy = entry.deleted_at.saturating_add(policy.keeps(&entry.record.object)).unwrap_or(Timestamp::MAX);
    if now < entry.expires_at.max(by_policy) { Err(Stays::Young) } else { Ok(()) }
}

/// How many entries one pass may mark, and so drop, when so many lie in the bin.
pub fn cap(in_bin: u64) -> usize {
    usize::try_from(in_bin.div_ceil(SHARE).max(1)).unwrap_or(usize::MAX)
}

/// What its stream adds up to.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Position in the stream.
    pub version: u64,
    /// When the last pass was.
    pub last_pass: Option<Timestamp>,
    /// What it marked and no pass has dropped.
    pub marked: Vec<EntryId>,
}

impl History {
    /// The next event of the stream.
    pub fn apply(&mut self, recorded: &Recorded) {
        self.version = recorded.version;
        match &recorded.event {
            Event::RetentionMarked { entries, .. } => {
                self.last_pass = Some(recorded.at);
                self.marked.clone_from(entries);
            }
            Event::RetentionDropped { entries } => self.marked.retain(|marked| !entries.contains(marked)),
            _ => {}
        }
    }

    /// When the next pass may be.
    pub fn next_pass(&self) -> Option<Timestamp> {
        self.last_pass.map(|last| last.saturating_add(DAY).unwrap_or(Timestamp::MAX))
    }
}

/// Whether the clock can be believed: by how long this process has run on both its clocks, by its last pass, and by the
/// newest event of the ledger. The error is a sentence for a person.
pub fn clock(
    now: Timestamp,
    since_start: (SignedDuration, Duration),
    last_pass: Option<Timestamp>,
    last_event: Option<Timestamp>,
) -> Result<(), String> {
    let (by_date, by_timer) = since_start;
    let by_timer = SignedDuration::try_from(by_timer).unwrap_or(SignedDuration::MAX);
    let apart = by_date.saturating_sub(by_timer).abs();
    if apart > DRIFT {
        return Err(format!("the clock has jumped by {} min since the start of the process", apart.as_mins()));
    }
    for (at, what) in [(last_pass, "its last pass"), (last_event, "the newest event of the ledger")] {
        if at.is_some_and(|at| at.duration_since(now) > DRIFT) {
            return Err(format!("the clock is behind {what}"));
        }
    }
    match last_pass.map(|at| now.duration_since(at)) {
        Some(silence) if silence > SILENCE => Err(format!(
            "its last pass was {} h ago: either nothing ran for so long, or the clock has jumped",
            silence.as_hours()
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + hours * 3_600).expect("of this century")
    }

    #[test]
    fn five_hundred_jumps_stop_it_and_five_hundred_quiet_days_do_not() {
        let hour = |hours: i64| SignedDuration::from_hours(hours);
        for n in 1..=250_i64 {
            // While it runs, in both directions.
            let ran = Duration::from_hours(24);
            assert!(clock(at(24 + n), (hour(24 + n), ran), Some(at(0)), None).is_err(), "{n} h ahead");
            assert!(clock(at(24 - n), (hour(24 - n), ran), Some(at(0)), None).is_err(), "{n} h back");
            // Over a restart: ahead by more than a pass may be away, back by any hour.
            let ahead = clock(at(72 + n), (hour(0), Duration::ZERO), Some(at(0)), None);
            assert!(ahead.is_err(), "{n} h ahead of the longest silence");
            assert!(clock(at(-n), (hour(0), Duration::ZERO), Some(at(0)), None).is_err());
            assert!(clock(at(24), (hour(0), Duration::ZERO), Some(at(0)), Some(at(24 + n))).is_err());
            // A day like any other, with a minute of drift.
            let (date, timer) = (hour(24 * n), Duration::from_hours(24 * n.unsigned_abs()) + Duration::from_mins(1));
            let (now, last) = (at(24 * n), at(24 * (n - 1)));
            assert_eq!(clock(now, (date, timer), Some(last), Some(now)), Ok(()));
            assert_eq!(clock(now, (hour(0), Duration::ZERO), Some(last), Some(last)), Ok(()));
        }
        assert_eq!(clock(at(0), (hour(0), Duration::ZERO), None, None), Ok(()), "the first pass ever");
    }

    #[test]
    fn a_pass_takes_one_of_a_hundred() {
        assert_eq!([0, 1, 100, 101, 10_000, 1_000_000].map(cap), [1, 1, 1, 2, 100, 10_000]);
    }
}
