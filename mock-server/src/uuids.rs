//! Identifiers and secrets that look random and are the same in every run.

/// The `count`th of an endless row of uuids.
pub fn nth(count: u64) -> String {
    uuid(scattered(count), scattered(!count))
}

/// The uuid that belongs to a name.
pub fn of_name(name: &str) -> String {
    let folded = name.bytes().fold(0, |sum: u64, byte| scattered(sum ^ u64::from(byte)));
    uuid(folded, scattered(folded))
}

fn uuid(high: u64, low: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        (low >> 48) & 0xfff,
        low & 0xffff_ffff_ffff
    )
}

/// SplitMix64: spreads a counter over all bits.
fn scattered(count: u64) -> u64 {
    let mut mixed = count.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
