//! P4 under chance: whatever fails, and however often the process dies, each record is made at most once.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::domain::entry::EntryState;
use crate::domain::ids::JobId;
use crate::domain::job::JobState;
use crate::engine::fake_crm::{FakeCrm, Fault};
use crate::engine::fake_world::Fake;
use crate::engine::jobs::verbs::Verb;

const SEEDS: u64 = 100;

fn fault(chance: &mut StdRng) -> Fault {
    match chance.random_range(0..7) {
        0 => Fault::Transient,
        1 => Fault::Ambiguous(true),
        2 => Fault::Ambiguous(false),
        3 => Fault::Refuse("contacts/1".parse().expect("a record")),
        4 => Fault::Panic,
        _ => Fault::Hang,
    }
}

/// Waits until the job ends, or hangs in a write that never returns.
async fn settles(fake: &Fake, job: JobId) {
    fake.until(job, |job| job.state.is_final() || fake.crm.world().hanging).await;
}

async fn run(seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut fake = Fake::running();
    let records = ["companies/1", "contacts/1", "contacts/2", "notes/11", "notes/12"];
    let snapshots = vec![
        FakeCrm::snapshot("companies/1", None, &[], &["contacts/2"]),
        FakeCrm::snapshot("contacts/1", Some("companies/1"), &["notes/11", "notes/12"], &[]),
        FakeCrm::snapshot("contacts/2", None, &[], &["companies/1"]),
    ];
    let (_, entries) = fake.delete(snapshots).await;
    fake.crm.world().can_find = chance.random_bool(0.5);
    for _ in 0..chance.random_range(0..6) {
        let fault = fault(&mut chance);
        fake.crm.world().faults.push_back(fault);
    }
    let plan = fake.plan(&entries).await.expect("a plan");
    let job = fake.engine.apply(plan.id, &plan.digest, "anna").await.expect("a job").id;
    let mut last = JobState::Queued;
    for _ in 0..12 {
        settles(&fake, job).await;
        last = fake.engine.job(job).await.expect("a job").state;
        if last == JobState::Done {
            break;
        }
        if last.is_final() {
            fake.engine.steer(job, Verb::Retry).await.expect("it failed or is in doubt");
        } else {
            // It hangs: the process dies, another one takes over.
            fake.crm.world().hanging = false;
            fake = Fake::over(fake.store.clone(), fake.crm.clone());
            fake.start();
        }
    }
    for record in records {
        let copies = fake.crm.copies(record);
        assert!(copies <= 1, "seed {seed}: {record} was made {copies} times");
    }
    if last == JobState::Done {
        for entry in entries {
            assert_eq!(fake.entry(entry).await.state, EntryState::Restored, "seed {seed}");
        }
        assert!(records.iter().all(|record| fake.crm.copies(record) == 1), "seed {seed}: done, and not all is there");
    } else {
        assert_eq!(last, JobState::NeedsReview, "seed {seed}");
        assert!(!fake.crm.world().can_find, "seed {seed}: in doubt although the CRM can tell");
    }
}

#[tokio::test]
async fn at_most_one_copy_whatever_fails() {
    let seeds: Vec<u64> = match std::env::var("CRM_UNDO_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (0..SEEDS).collect(),
    };
    for seed in seeds {
        println!("replay: CRM_UNDO_SEED={seed} cargo test --lib at_most_one_copy_whatever_fails");
        run(seed).await;
    }
}
