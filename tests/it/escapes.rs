//! No spelling of a delete gets past: a corpus written by hand, and what is generated from it, as bytes on sockets to the
//! real program. The mock's ledger of effects judges: something destroyed without an entry in the bin that was written
//! before it has escaped.
//!
//! | file | idea |
//! | --- | --- |
//! | `*.txt` | the spellings, one a line, each with its reason |
//! | `corpus` | what a line means, and its bytes |
//! | `judge` | records to aim at, delivery, and what the CRM did |
//! | `others` | nginx and haproxy, before the CRM and instead of us |
//! | `at_once` | what would pass, asked of the gateway's own judgement, before the most lenient CRM in this process |
//! | `generator` | spellings made of spellings, by seed |

mod at_once;
mod corpus;
mod generator;
mod judge;
mod others;

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use self::corpus::{Line, bytes, corpus, shown};
use self::judge::{Gone, Ids, Targets};
use self::others::Between;
use crate::support::{Setup, World};

const QUIET: Duration = Duration::from_millis(400);

async fn world(between: Option<Between>) -> (World, Option<others::Proxy>) {
    let mut proxy = None;
    let setup = Setup {
        hosts: vec![corpus::HOST.to_owned()],
        gateway: "max_connections_per_address = 1024\n".into(),
        rust_log: "error",
        ..Setup::default()
    };
    let world = World::through_front(setup, |mock| match between {
        None => mock.to_owned(),
        Some(between) => {
            let started = others::Proxy::start(between, mock.trim_start_matches("http://"));
            let url = format!("http://{}", started.address);
            proxy = Some(started);
            url
        }
    })
    .await;
    (world, proxy)
}

/// One run of requests: what was answered, what was destroyed.
struct Run {
    sent: Vec<Vec<u8>>,
    ids: Vec<Ids>,
    answers: Vec<Vec<u8>>,
    gone: Vec<Gone>,
}

impl Run {
    /// The request that holds one of these ids.
    fn author(&self, gone: &Gone) -> Option<usize> {
        self.ids.iter().position(|ids| ids.values().any(|id| gone.ids.contains(id)))
    }

    /// The numbers of the requests that destroyed something.
    fn authors(&self) -> HashSet<usize> {
        self.gone.iter().filter_map(|gone| self.author(gone)).collect()
    }
}

async fn run(world: &World, targets: &mut Targets, address: &str, requests: &[String], quiet: Duration) -> Run {
    let ids = targets.take(world, requests).await;
    let sent: Vec<Vec<u8>> =
        requests.iter().zip(&ids).map(|(request, ids)| bytes(request, &|kind| ids[&kind])).collect();
    sent_to(world, address, sent, ids, quiet).await
}

async fn sent_to(world: &World, address: &str, sent: Vec<Vec<u8>>, ids: Vec<Ids>, quiet: Duration) -> Run {
    let since = judge::last_effect(world).await;
    let answers = judge::deliver(address, sent.clone(), 48, quiet).await;
    let gone = judge::destroyed(world, since).await;
    Run { sent, ids, answers, gone }
}

async fn nothing_escaped(world: &World, run: &Run, what: &dyn Fn(usize) -> String) {
    let escaped = judge::escaped(world, &run.gone).await;
    let told = escaped.iter().map(|gone| match run.author(gone) {
        Some(at) => format!("{} {} by {}\n    {}", gone.name, gone.what, what(at), shown(&run.sent[at])),
        None => format!("{} {} by nobody of this run", gone.name, gone.what),
    });
    assert!(escaped.is_empty(), "{} escapes:\n{}", escaped.len(), told.collect::<Vec<_>>().join("\n"));
}

fn named(line: &Line) -> String {
    format!("{}.txt:{} ({})", line.file, line.number, line.reason)
}

async fn lax(world: &World) {
    let all = json!({"lax": true, "patch_is_deleted": "deletes"});
    world.control("switches", all).await;
}

#[test]
fn the_corpus_has_at_least_400_spellings_and_none_twice() {
    let lines = corpus();
    let mut seen = HashSet::new();
    for line in &lines {
        assert!(!line.reason.is_empty(), "{}", named(line));
        let text = bytes(&line.request, &|kind| u64::from(u32::from(kind)));
        assert!(seen.insert(text), "{} stands twice", named(line));
    }
    assert!(lines.len() >= 400, "{}", lines.len());
}

async fn corpus_through(between: Option<Between>, is_lax: bool) {
    let (world, _proxy) = world(between).await;
    if is_lax {
        lax(&world).await;
    }
    let lines = corpus();
    let requests: Vec<String> = lines.iter().map(|line| line.request.clone()).collect();
    let address = world.gateway.trim_start_matches("http://").to_owned();
    let run = run(&world, &mut Targets::default(), &address, &requests, QUIET).await;
    assert_eq!(run.answers.len(), lines.len(), "each is delivered");
    nothing_escaped(&world, &run, &|at| named(&lines[at])).await;
    // The test would be blind if nothing came through at all.
    let archived = run.authors().len();
    assert!(archived >= 60, "only {archived} spellings deleted anything");
    if between.is_none() && !is_lax {
        let authors = run.authors();
        let wrong: Vec<String> = (0..lines.len())
            .map(|at| (at, judge::status(&run.answers[at])))
            .filter(|(at, status)| !lines[*at].expect.is_met(*status, authors.contains(at)))
            .map(|(at, status)| format!("{}: {status} instead of {:?}", named(&lines[at]), lines[at].expect))
            .collect();
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
    }
    println!("{} spellings, {archived} deleted something, all of it archived before", lines.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_escapes() {
    corpus_through(None, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_escapes_before_the_most_lenient_crm() {
    corpus_through(None, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_escapes_before_nginx_and_haproxy() {
    for between in [Between::Nginx, Between::Haproxy] {
        corpus_through(Some(between), true).await;
    }
}

/// The second opinion: what nginx and haproxy let through to an effect, and what we do with the same bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_let_through() {
    let (world, _) = world(None).await;
    lax(&world).await;
    let lines = corpus();
    let requests: Vec<String> = lines.iter().map(|line| line.request.clone()).collect();
    let address = world.gateway.trim_start_matches("http://").to_owned();
    let ours = run(&world, &mut Targets::default(), &address, &requests, QUIET).await;
    nothing_escaped(&world, &ours, &|at| named(&lines[at])).await;
    let we_did = ours.authors();
    println!(
        "way | deletes something | of these we delete, archived | of these we refuse | harmless there, refused here"
    );
    for between in [Between::Nothing, Between::Nginx, Between::Haproxy] {
        // An account of its own: what gets through takes users, roles and lists with it.
        let (alone, _) = self::world(None).await;
        lax(&alone).await;
        let proxy = others::Proxy::start(between, &alone.mock.address().to_string());
        let theirs = run(&alone, &mut Targets::default(), &proxy.address, &requests, QUIET).await;
        let they_did = theirs.authors();
        let refused = |at: &usize| matches!(judge::status(&ours.answers[*at]), 0 | 400..=599);
        let both = they_did.intersection(&we_did).count();
        let stopped = they_did.difference(&we_did).filter(|at| refused(at)).count();
        let harmless = (0..lines.len())
            .filter(|at| {
                !they_did.contains(at) && refused(at) && (200..400).contains(&judge::status(&theirs.answers[*at]))
            })
            .count();
        println!("{between:?} | {} | {both} | {stopped} | {harmless}", they_did.len());
        // A read that we pass on and answer 2xx may not be one that they take for a delete.
        for at in they_did.difference(&we_did).filter(|at| !refused(at)) {
            println!("  answered {} here, a delete there: {}", judge::status(&ours.answers[*at]), named(&lines[*at]));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_generated_spelling_escapes() {
    let long = std::env::var_os("CRM_UNDO_LONG").is_some();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("CRM_UNDO_SEED").unwrap_or_else(rand::random);
    let count = number("CRM_UNDO_ESCAPES").unwrap_or(if long { 200_000 } else { 50_000 });
    println!("replay: CRM_UNDO_SEED={seed} CRM_UNDO_ESCAPES={count} cargo test --test it escapes::no_generated");
    let (world, _) = world(None).await;
    lax(&world).await;
    let begun = std::time::Instant::now();
    let told = generator::run(&world, seed, usize::try_from(count).expect("small")).await;
    println!("escapes: seed {seed}: {count} generated in {:.0} s: {told}, 0 escapes", begun.elapsed().as_secs_f32());
}

/// The same without sockets, so many times more: what the gateway's judgement lets pass is given to the most lenient CRM.
#[test]
fn no_generated_spelling_passes_as_something_else() {
    let long = std::env::var_os("CRM_UNDO_LONG").is_some();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("CRM_UNDO_SEED").unwrap_or_else(rand::random);
    let count = number("CRM_UNDO_AT_ONCE").unwrap_or(if long { 5_000_000 } else { 200_000 });
    println!("replay: CRM_UNDO_SEED={seed} CRM_UNDO_AT_ONCE={count} cargo test --test it escapes::no_generated");
    let begun = std::time::Instant::now();
    let told = at_once::run(seed, count);
    println!("escapes: seed {seed}: {count} judged in {:.0} s: {told}, 0 escapes", begun.elapsed().as_secs_f32());
}
