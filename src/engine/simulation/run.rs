//! A seed from its first life to its last.

use std::collections::BTreeMap;
use std::time::Duration;

use super::callers::Caller;
use super::crm::INDEX_DELAY;
use super::judge;
use super::life::Life;
use super::world::{Weather, World};
use crate::domain::job::JobState;
use crate::engine::jobs::verbs::Verb;
use crate::engine::restore::{RestoreAsk, Wanted};

/// P3: after the CRM can be reached again.
const SETTLED: Duration = Duration::from_mins(5);
/// Background work leaves a blocked account alone for a quarter of an hour.
const WORKED: Duration = Duration::from_mins(40);
/// Lives with crashes at their end.
const DEPTH: usize = 3;

/// What was seen, so that a run that tests nothing is noticed.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) trace: Option<blake3::Hash>,
}

impl Seen {
    pub(super) fn add(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }

    pub(super) fn saw_something_of_everything(&self) {
        for what in [
            "deletes sent",
            "records destroyed",
            "kept",
            "restored",
            "copies made",
            "needs review",
            "lives",
            "crashes",
            "power cuts",
            "crashes while opening",
            "disks that failed",
            "good ends",
            "open after a crash",
            "jobs after a crash",
        ] {
            assert!(self.counts.get(what).is_some_and(|count| *count > 0), "nothing seen of {what}: {self:?}");
        }
    }
}

/// How a life ends.
#[derive(Clone, Copy, Debug)]
enum Fate {
    AtTime(Duration),
    AtChange(usize),
    AtSend(usize),
    Stopped,
    /// It is the last one.
    Lives,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ended {
    Died,
    Well,
    /// It refuses to work: somebody starts it anew.
    Useless,
}

pub(super) fn run(seed: u64, db: &sled::Db) -> Result<Seen, String> {
    let dice = super::dice::Dice::new(seed);
    let weather = Weather {
        strikes: *dice.pick(&[0.0, 0.05, 0.15, 0.35]),
        can_find: dice.chance(0.8),
        people: dice.chance(0.4),
        jumps: dice.chance(0.15),
    };
    let world = World::new(dice.number(), weather, db);
    populate(&world);
    let mut crashes = world.dice.below(DEPTH + 1);
    let mut extra = 4;
    loop {
        let fate = if crashes > 0 { draw(&world, crashes) } else { Fate::Lives };
        crashes = crashes.saturating_sub(1);
        world.note(|| format!("a life begins: {fate:?}"));
        world.count("lives");
        let ended = life(&world, fate);
        judge::the_budget(&world);
        // Not in the condition: its lock would be held while the trace is read.
        let broken = world.log().broken.take();
        if let Some(broken) = broken {
            return Err(format!("{broken}\n{}", world.tail(60)));
        }
        let ended = ended.map_err(|broken| format!("{broken}\n{}", world.tail(60)))?;
        match ended {
            Ended::Well if matches!(fate, Fate::Lives) => break,
            Ended::Well => world.count("good ends"),
            Ended::Died => world.count("crashes"),
            Ended::Useless => {
                extra -= 1;
                if extra == 0 {
                    return Err(format!("it never works again\n{}", world.tail(60)));
                }
            }
        }
        let power = ended == Ended::Died && world.dice.chance(0.6);
        if power {
            world.count("power cuts");
        }
        world.dies(power);
    }
    world.note(|| format!("{:?}", world.crm().effects));
    let counts = std::mem::take(&mut world.log().counts);
    Ok(Seen { counts, trace: Some(world.trace()) })
}

fn populate(world: &World) {
    let dice = &world.dice;
    let mut crm = world.crm();
    crm.lag = *dice.pick(&[Duration::ZERO, INDEX_DELAY / 4, INDEX_DELAY / 2]);
    let company = crm.add("companies", "Company", None);
    let mut all = vec![company.clone()];
    for index in 0..3 + dice.below(3) {
        let parent = dice.chance(0.4).then_some(&company);
        let contact = crm.add("contacts", &format!("Contact {index}"), parent);
        for note in 0..dice.below(3) {
            crm.add("notes", &format!("Note {note} of {index}"), Some(&contact));
        }
        let other = dice.pick(&all).clone();
        if dice.chance(0.4) {
            crm.link(&contact, &other);
        }
        if dice.below(12) == 0 {
            crm.locked.insert(contact.clone());
        }
        if dice.below(16) == 0 {
            crm.hidden.insert(contact.clone());
        }
        if dice.below(16) == 0 {
            crm.torn.insert(contact.clone());
        }
        all.push(contact);
    }
}

fn draw(world: &World, left: usize) -> Fate {
    let dice = &world.dice;
    // The later ones are meant to hit recovery.
    let early = left < DEPTH && dice.chance(0.6);
    match dice.below(10) {
        0..=2 if early => Fate::AtTime(dice.millis(0, 12_000)),
        0..=2 => Fate::AtTime(dice.millis(100, 60_000)),
        3..=5 if early => Fate::AtChange(1 + dice.below(12)),
        3..=5 => Fate::AtChange(1 + dice.below(90)),
        6..=8 => Fate::AtSend(1 + dice.below(if early { 5 } else { 25 })),
        _ => Fate::Stopped,
    }
}

fn life(world: &World, fate: Fate) -> Result<Ended, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let disk = world.disk();
    let died = disk.died();
    if let Fate::AtChange(changes) = fate {
        disk.power_off_in(changes);
    }
    *world.sends_left.lock().expect("nothing panics while it holds this lock") = match fate {
        Fate::AtSend(sends) => Some(sends),
        _ => None,
    };
    let broken_disk = !matches!(fate, Fate::Lives) && world.dice.below(12) == 0;
    if broken_disk {
        disk.fail_in(1 + world.dice.below(150));
    }
    let ended = runtime.block_on(async {
        world.time.life_begins();
        let clock = async {
            match fate {
                Fate::AtTime(when) => tokio::time::sleep(when).await,
                // Whatever else should have killed it has not come.
                Fate::AtChange(_) | Fate::AtSend(_) => tokio::time::sleep(Duration::from_mins(2)).await,
                Fate::Stopped | Fate::Lives => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            biased;
            () = died.notified() => Ok(Ended::Died),
            () = clock => Ok(Ended::Died),
            ended = lived(world, fate) => ended,
        };
        if matches!(ended, Ok(Ended::Died)) {
            disk.power_off();
        }
        if broken_disk && disk.failed().is_some() {
            world.count("disks that failed");
        }
        world.note(|| format!("it ends: {ended:?}"));
        let away = world.dice.millis(1_200, 9_000);
        world.time.life_ends(away);
        ended
    });
    drop(runtime);
    ended
}

async fn lived(world: &World, fate: Fate) -> Result<Ended, String> {
    let life = match Life::begin(world) {
        Ok(life) => life,
        Err(_) if world.disk().is_dead() => {
            world.count("crashes while opening");
            return Ok(Ended::Died);
        }
        // A call of the disk failed.
        Err(error) if world.disk().failed().is_some() => {
            world.note(|| format!("it does not open: {error}"));
            return Ok(Ended::Useless);
        }
        Err(error) => return Err(format!("the archive does not open after a crash: {error}")),
    };
    if !judge::open(&life.engine).await?.is_empty() {
        world.count("open after a crash");
    }
    let jobs = life.engine.bin().jobs(20, None).await.map_err(|error| error.to_string())?;
    if jobs.rows.iter().any(|job| !job.state.is_final()) {
        world.count("jobs after a crash");
    }
    let callers: Vec<_> = (1..=1 + world.dice.below(3))
        .map(|number| {
            let (world, engine, dice) = (world.clone(), life.engine.clone(), world.dice.fork());
            let times = 1 + world.dice.below(5);
            tokio::spawn(Caller { number, world, engine, dice }.acts(times))
        })
        .collect();
    for caller in callers {
        caller.await.map_err(|_| "a caller panicked".to_owned())?;
    }
    match fate {
        Fate::Stopped => {
            life.end().await;
            Ok(Ended::Well)
        }
        Fate::Lives => good_weather(&life).await,
        // It dies soon.
        _ => std::future::pending().await,
    }
}

/// Nothing strikes any more: everything comes to an end that is true.
async fn good_weather(life: &Life) -> Result<Ended, String> {
    let (world, engine) = (&life.world, &life.engine);
    world.storm.store(false, std::sync::atomic::Ordering::Relaxed);
    world.note(|| "good weather".to_owned());
    if engine.ready().is_err() {
        return Ok(Ended::Useless);
    }
    let healed = world.time.since_begin();
    // What a caller has left goes on; it has no operation yet that could be seen to be open.
    if !engine.drain_deletes(SETTLED).await {
        return Err(format!("P3: a delete has no end after {SETTLED:?}"));
    }
    loop {
        // What was on its way to a slow disk may still be given up.
        if engine.ready().is_err() {
            return Ok(Ended::Useless);
        }
        let open = judge::open(engine).await?;
        if open.is_empty() {
            break;
        }
        if world.time.since_begin() > healed + SETTLED {
            return Err(format!("P3: not settled after {SETTLED:?}: {open:?}"));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    for round in 0..3 {
        if !worked(life).await? {
            return Ok(Ended::Useless);
        }
        judge::the_end(world, engine).await?;
        match round {
            // People try again what failed or is in doubt.
            0 => steer(life, Verb::Retry).await?,
            // And want everything back.
            1 if world.dice.chance(0.5) => everything_back(life).await?,
            _ => break,
        }
    }
    judge::the_end(world, engine).await?;
    Ok(Ended::Well)
}

async fn steer(life: &Life, verb: Verb) -> Result<(), String> {
    let jobs = life.engine.bin().jobs(100, None).await.map_err(|error| error.to_string())?;
    for job in jobs.rows {
        let steered = life.engine.steer(job.id, verb).await;
        life.world.note(|| format!("{verb:?} {}: {}", job.id, steered.is_ok()));
    }
    Ok(())
}

async fn everything_back(life: &Life) -> Result<(), String> {
    let filter = crate::archive::OperationFilter { limit: 100, ..Default::default() };
    let operations = life.engine.bin().operations(&filter).await.map_err(|error| error.to_string())?;
    for operation in operations.rows.iter().filter(|operation| !operation.entries.is_empty()) {
        let ask = RestoreAsk { of: Wanted::Operation(operation.id), include_parents: true };
        let plan = life.engine.plan_restore(ask, "anna").await.map_err(|error| format!("no plan: {error}"))?;
        let applied = life.engine.apply(plan.id, &plan.digest, "anna").await;
        life.world.note(|| format!("undo {}: {}", operation.id, applied.is_ok()));
    }
    Ok(())
}

/// Until no job moves any more. `false`: a disk that was slow before has been given up, so none will.
async fn worked(life: &Life) -> Result<bool, String> {
    let begun = life.world.time.since_begin();
    loop {
        let jobs = life.engine.bin().jobs(100, None).await.map_err(|error| error.to_string())?;
        let open: Vec<_> = jobs.rows.iter().filter(|job| !job.state.is_final()).collect();
        for job in open.iter().filter(|job| job.state == JobState::Paused) {
            let _ = life.engine.steer(job.id, Verb::Resume).await;
        }
        if life.engine.ready().is_err() {
            return Ok(false);
        }
        if open.is_empty() {
            return Ok(true);
        }
        if life.world.time.since_begin() > begun + WORKED {
            return Err(format!("a job has no end: {open:?}"));
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}
