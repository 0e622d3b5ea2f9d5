//! The journal against the heads that were sent out.

use std::collections::HashMap;

use super::chain::{Anchor, Anchors, Chain};
use super::{ArchiveError, AuditReport};
use crate::archive::index::keeper::Told;
use crate::archive::journal::{Frame, Journal, Place};

/// Reads everything twice: once opening it, once as the chain sees it. Blocks.
pub(crate) fn verify(journal: &Journal, anchors: &Anchors) -> Result<AuditReport, ArchiveError> {
    let mut report = AuditReport::default();
    let key = journal.audit_key();
    for line in &anchors.unreadable {
        report.findings.push(format!("line {line} of the anchors is none"));
    }
    let mut signed: Vec<&Anchor> = Vec::new();
    for anchor in &anchors.all {
        if anchor.is_signed(&key) {
            signed.push(anchor);
        } else {
            report.findings.push(format!("the anchor of {} was not made with this archive's key", anchor.at));
        }
    }
    let events = read(journal, &mut report)?;
    chained(journal, &key, &signed, &events, &mut report)?;
    Ok(report)
}

/// Opens every frame; events by where they lie.
fn read(journal: &Journal, report: &mut AuditReport) -> Result<HashMap<(u32, u32), Vec<u64>>, ArchiveError> {
    let mut versions: HashMap<String, u64> = HashMap::new();
    let mut events: HashMap<(u32, u32), Vec<u64>> = HashMap::new();
    let (mut found, mut damage) = (Vec::new(), Vec::new());
    let mut on_frame = |frame: Frame| {
        match Told::read(&frame) {
            Ok(Told::Event(recorded, ..)) => {
                report.events += 1;
                events.entry((frame.place.segment, frame.place.offset)).or_default().push(recorded.seq);
                let version = versions.entry(recorded.stream.0.clone()).or_default();
                if recorded.version != *version + 1 {
                    found.push(format!(
                        "event {} of the ledger: version {} of {} follows version {version}",
                        recorded.seq, recorded.version, recorded.stream.0
                    ));
                }
                *version = recorded.version;
            }
            Ok(_) => {}
            Err(error) => found.push(error.to_string()),
        }
        Ok(())
    };
    journal.scan(None, &mut on_frame, &mut |what| damage.push(what))?;
    report.findings.append(&mut damage);
    report.findings.append(&mut found);
    Ok(events)
}

fn chained(
    journal: &Journal,
    key: &[u8; 32],
    anchors: &[&Anchor],
    events: &HashMap<(u32, u32), Vec<u64>>,
    report: &mut AuditReport,
) -> Result<(), ArchiveError> {
    let mut heads: HashMap<u64, Vec<&Anchor>> = HashMap::new();
    let mut marks: HashMap<u64, ([u8; 4], &Anchor)> = HashMap::new();
    for anchor in anchors {
        heads.entry(anchor.count).or_default().push(anchor);
        for (count, mark) in anchor.marked() {
            marks.entry(count).or_insert((mark, anchor));
        }
    }
    let mut chain = Chain::default();
    let mut differs: Option<String> = None;
    let mut last: Option<Place> = None;
    journal.witness((0, 0), &mut |seen| {
        chain.add(key, seen);
        last = Some(seen.place);
        let named = || {
            let (segment, offset) = (seen.place.segment, seen.place.offset);
            let within = events.get(&(segment, offset)).map_or_else(String::new, |seqs| told(seqs));
            format!("frame {}, in segment {segment} at offset {offset}{within}", seen.seq)
        };
        if let Some((mark, anchor)) = marks.get(&chain.count)
            && *mark != chain.mark()
            && differs.is_none()
        {
            differs = Some(format!("{} is not what was anchored at {}", named(), anchor.at));
        }
        for anchor in heads.get(&chain.count).into_iter().flatten() {
            report.anchors += 1;
            if anchor.frame == chain.frame && blake3::Hash::from_bytes(chain.head).to_hex().as_str() == anchor.head {
                report.anchored = report.anchored.max(anchor.frame);
            } else if differs.is_none() {
                differs = Some(format!("at or before {}: it is not what was anchored at {}", named(), anchor.at));
            }
        }
    })?;
    report.frames = chain.count;
    report.findings.extend(differs);
    if let Some(beyond) = anchors.iter().filter(|anchor| anchor.count > chain.count).max_by_key(|anchor| anchor.count) {
        let end = last.map_or_else(String::new, |at| format!(", in segment {} at offset {}", at.segment, at.offset));
        report.findings.push(format!(
            "the journal ends with frame {}{end}, but {} frames more were anchored at {}: it was cut",
            chain.frame,
            beyond.count - chain.count,
            beyond.at
        ));
    }
    Ok(())
}

fn told(seqs: &[u64]) -> String {
    match seqs {
        [] => String::new(),
        [one] => format!(" (event {one} of the ledger)"),
        [first, .., last] => format!(" (events {first} to {last} of the ledger)"),
    }
}
