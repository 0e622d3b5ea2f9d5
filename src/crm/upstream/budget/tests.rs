use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use proptest::prelude::*;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Budget, Budgeting, Busy};
use crate::crm::Lane;

const SECOND: Duration = Duration::from_secs(1);

fn limits(per_second: u32) -> Budgeting {
    Budgeting { per_second, live_reserve: 2, max_waiting: 10_000, max_wait: Duration::from_hours(1) }
}

/// One request of a simulated client: when it comes, and how the way to the CRM and back treats it.
#[derive(Clone, Copy, Debug)]
struct Call {
    lane: Lane,
    comes: u64,
    connects: u64,
    travels: u64,
    takes: u64,
    fate: u8,
}

/// Sends the calls, and returns when each that was sent arrived at the CRM.
fn arrivals(per_second: u32, calls: Vec<Call>) -> Vec<Instant> {
    paused(async move {
        let budget = Arc::new(Budget::new(limits(per_second)));
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let start = Instant::now();
        let clients: Vec<_> = calls
            .into_iter()
            .map(|call| {
                let (budget, arrived) = (Arc::clone(&budget), Arc::clone(&arrived));
                tokio::spawn(async move {
                    sleep_until(start + Duration::from_millis(call.comes)).await;
                    let turn = budget.turn(call.lane).await.expect("the queue is long enough");
                    sleep(Duration::from_millis(call.connects)).await;
                    if call.fate == 0 {
                        return turn.not_sent();
                    }
                    turn.sent();
                    sleep(Duration::from_millis(call.travels)).await;
                    arrived.lock().unwrap().push(Instant::now());
                    if call.fate == 1 {
                        return drop(turn); // the client has left
                    }
                    sleep(Duration::from_millis(call.takes)).await;
                    let status = if call.fate == 2 { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::OK };
                    turn.answered(status, None);
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        Arc::try_unwrap(arrived).unwrap().into_inner().unwrap()
    })
}

fn paused<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
}

fn call() -> impl Strategy<Value = Call> {
    (any::<bool>(), 0_u64..5_000, prop_oneof![Just(0_u64), 0..400_u64], 0_u64..=50, 0_u64..3_000, 0_u8..30).prop_map(
        |(live, comes, connects, travels, takes, fate)| {
            let lane = if live { Lane::Live } else { Lane::Background };
            Call { lane, comes, connects, travels, takes, fate }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// P12, anchored: whichever arrival a second begins at, no more than the limit fall into it.
    #[test]
    fn no_second_ever_holds_more_than_the_limit(
        per_second in 1_u32..12,
        calls in prop::collection::vec(call(), 1..150),
    ) {
        let limit = per_second as usize;
        let mut at = arrivals(per_second, calls);
        at.sort();
        for (first, over) in at.iter().zip(at.iter().skip(limit)) {
            prop_assert!(*over - *first >= SECOND, "{} within {:?}", limit + 1, *over - *first);
        }
    }
}

#[test]
fn a_full_queue_uses_nearly_all_of_the_budget() {
    for answers_after in [5, 40, 80, 400, 2_000] {
        let sent = paused(async {
            let budget = Arc::new(Budget::new(limits(7)));
            let start = Instant::now();
            let sent = Arc::new(Mutex::new(0_u32));
            for _ in 0..700 {
                let (budget, sent) = (Arc::clone(&budget), Arc::clone(&sent));
                tokio::spawn(async move {
                    let turn = budget.turn(Lane::Live).await.unwrap();
                    turn.sent();
                    *sent.lock().unwrap() += 1;
                    sleep(Duration::from_millis(answers_after)).await;
                    turn.answered(StatusCode::OK, None);
                });
            }
            sleep_until(start + Duration::from_mins(1)).await;
            *sent.lock().unwrap()
        });
        let used = f64::from(sent) / (60.0 * 7.0);
        assert!(used >= 0.96, "answers after {answers_after} ms: {:.1} % of the budget used", used * 100.0);
        assert!(used <= 1.02, "answers after {answers_after} ms: {:.1} % of the budget used", used * 100.0);
    }
}

/// The order in which turns were given to callers who came in the order of their numbers.
async fn order(budget: &Arc<Budget>, lanes: &[Lane]) -> Vec<usize> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut clients = Vec::new();
    for (number, lane) in lanes.iter().copied().enumerate() {
        let (budget, order) = (Arc::clone(budget), Arc::clone(&order));
        clients.push(tokio::spawn(async move {
            let turn = budget.turn(lane).await.unwrap();
            order.lock().unwrap().push(number);
            turn.sent();
            turn.answered(StatusCode::OK, None);
        }));
        tokio::task::yield_now().await;
    }
    for client in clients {
        client.await.unwrap();
    }
    Arc::try_unwrap(order).unwrap().into_inner().unwrap()
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served() {
    let budget = Arc::new(Budget::new(limits(7)));
    assert_eq!(order(&budget, &[Lane::Live; 100]).await, (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn live_goes_before_background_and_keeps_its_reserve() {
    let budget = Arc::new(Budget::new(limits(7)));
    let mut lanes = vec![Lane::Background; 20];
    lanes.extend([Lane::Live; 6]);
    let order = order(&budget, &lanes).await;
    // Five background requests go at once and leave two places, which the first live ones take without waiting.
    assert_eq!(&order[..7], [0, 1, 2, 3, 4, 20, 21]);
    // The next second begins with the live ones that waited, though background work came long before them.
    assert_eq!(&order[7..11], [22, 23, 24, 25]);
    assert_eq!(&order[11..14], [5, 6, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_not_used_goes_to_the_next_at_once() {
    let budget = Arc::new(Budget::new(limits(1)));
    let start = Instant::now();
    budget.turn(Lane::Live).await.unwrap().not_sent();
    drop(budget.turn(Lane::Live).await.unwrap());
    assert_eq!(start.elapsed(), Duration::ZERO);
    budget.turn(Lane::Live).await.unwrap().not_sent();
    assert!(start.elapsed() >= SECOND, "a dropped turn counts as sent");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_leaves_holds_nobody_up() {
    let budget = Arc::new(Budget::new(limits(1)));
    let first = budget.turn(Lane::Live).await.unwrap();
    first.sent();
    for _ in 0..50 {
        let waiting = budget.turn(Lane::Live);
        assert!(tokio::time::timeout(Duration::from_millis(1), waiting).await.is_err());
    }
    assert_eq!(budget.usage().waiting_live, 0);
    let start = Instant::now();
    budget.turn(Lane::Live).await.unwrap().not_sent();
    assert!(start.elapsed() <= SECOND + Duration::from_millis(60), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_answered_at_once_with_the_time_to_come_back() {
    let short = Budgeting { per_second: 7, live_reserve: 2, max_waiting: 1000, max_wait: Duration::from_secs(3) };
    let budget = Arc::new(Budget::new(short));
    let start = Instant::now();
    let clients: Vec<_> = (0..7 + 21 + 5)
        .map(|_| {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move {
                let turn = budget.turn(Lane::Live).await?;
                turn.sent();
                Ok::<_, Busy>(start.elapsed())
            })
        })
        .collect();
    let (mut refused, mut slowest) = (0, Duration::ZERO);
    for client in clients {
        match client.await.unwrap() {
            Ok(waited) => slowest = slowest.max(waited),
            Err(busy) => {
                refused += 1;
                assert_eq!(busy.retry_after, Duration::from_secs(4));
            }
        }
    }
    // Two windows of seven fit into three seconds, with the one that goes at once.
    assert_eq!(refused, 7 + 5);
    assert!(slowest <= Duration::from_millis(2_110), "{slowest:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_429_everybody_rests_and_background_work_as_long_as_it_was_told() {
    let budget = Arc::new(Budget::new(limits(7)));
    let turn = budget.turn(Lane::Live).await.unwrap();
    turn.sent();
    turn.answered(StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(5)));
    let start = Instant::now();
    budget.turn(Lane::Live).await.unwrap().not_sent();
    assert_eq!(start.elapsed(), SECOND);
    budget.turn(Lane::Background).await.unwrap().not_sent();
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn no_limit_means_no_waiting() {
    let budget = Arc::new(Budget::new(limits(0)));
    let start = Instant::now();
    let turns: Vec<_> = futures::future::join_all((0..1000).map(|_| budget.turn(Lane::Background))).await;
    assert!(turns.iter().all(Result::is_ok));
    assert_eq!(start.elapsed(), Duration::ZERO);
}
