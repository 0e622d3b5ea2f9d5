//! Single promises.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use super::model::{POINTS, Point, World};
use crate::crm::grant::{Keeper, Standing};

async fn connected(world: &World) -> Arc<Keeper> {
    let code = world.consent();
    let keeper = world.process();
    keeper.connect(&code).await.expect("connected");
    keeper
}

#[tokio::test(start_paused = true)]
async fn until_somebody_lets_it_in_it_says_so_and_asks_nothing() {
    let world = World::new(1);
    let keeper = world.process();
    assert!(keeper.lease().await.is_err());
    assert!(matches!(keeper.report().standing, Standing::Reauthorize(_)));
    assert!(keeper.connect("a code of somebody else's").await.is_err());
    assert_eq!(world.inside().refreshes, 0);
    connected(&world).await.lease().await.expect("it works then");
}

#[tokio::test(start_paused = true)]
async fn a_401_makes_one_refresh_for_all_who_met_it() {
    let world = World::new(2);
    let keeper = connected(&world).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    let token = keeper.lease().await.expect("a lease").end();
    // The account took the token away, not the refresh token.
    world.inside().access.clear();
    let met = (0..8).map(|_| {
        let (keeper, token) = (Arc::clone(&keeper), token.clone());
        tokio::spawn(async move { keeper.refused(&token).await.is_ok() })
    });
    for one in met.collect::<Vec<_>>() {
        assert!(one.await.expect("no panic"));
    }
    let count = |world: &World| {
        let inside = world.inside();
        (inside.refreshes, inside.overlaps)
    };
    assert_eq!(count(&world), (1, 0));
    // A CRM that takes no token at all is not asked for a new one by every call.
    for _ in 0..5 {
        let token = keeper.lease().await.expect("a lease").end();
        assert!(keeper.refused(&token).await.is_err());
    }
    assert_eq!(count(&world), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_does_not_cut_a_refresh() {
    let world = World::new(3);
    let keeper = connected(&world).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    let token = keeper.lease().await.expect("a lease").end();
    let left = tokio::time::timeout(Duration::from_millis(10), keeper.refused(&token)).await;
    assert!(left.is_err(), "it was refreshed within 10 ms");
    let lease = keeper.lease().await.expect("the refresh went on");
    assert_ne!(lease.token().expose_secret(), token.expose_secret());
    assert!(world.inside().takes(lease.token().expose_secret()));
}

#[tokio::test(start_paused = true)]
async fn no_refresh_begins_beside_a_call() {
    let world = World::new(4);
    let keeper = connected(&world).await;
    tokio::time::sleep(Duration::from_hours(20)).await;
    let lease = keeper.lease().await.expect("a lease");
    let shutdown = CancellationToken::new();
    let keeping = tokio::spawn(Arc::clone(&keeper).keep(shutdown.clone()));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(world.inside().refreshes, 0, "it is due, and a call is under way");
    drop(lease);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(world.inside().refreshes, 1);
    shutdown.cancel();
    keeping.await.expect("it ends");
}

fn run<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(life)
}

/// Dies once at each point of a refresh; what the next process finds.
#[test]
fn a_crash_at_each_point_leaves_a_working_token_or_a_loud_state() {
    for revokes in [true, false] {
        for point in POINTS {
            let world = World::new(5);
            world.inside().revokes = revokes;
            run(async { drop(connected(&world).await) });
            world.ended(Duration::from_secs(1));
            world.inside().die_at = Some(point);
            run(async {
                let keeper = world.process();
                tokio::spawn(Arc::clone(&keeper).keep(CancellationToken::new()));
                let calls = async {
                    loop {
                        tokio::time::sleep(Duration::from_hours(1)).await;
                        if let Ok(lease) = keeper.lease().await {
                            world.call(lease.token().expose_secret()).await;
                        }
                    }
                };
                tokio::select! {
                    () = world.died.notified() => {}
                    () = calls => {}
                    () = tokio::time::sleep(Duration::from_hours(48)) => panic!("it did not die at {point:?}"),
                }
            });
            assert!(world.inside().deaths.contains(&point), "{point:?}");
            world.ended(Duration::from_secs(2));
            let (first, then) = run(async {
                let keeper = world.process();
                let first = keeper.report().standing;
                tokio::spawn(Arc::clone(&keeper).keep(CancellationToken::new()));
                tokio::time::sleep(Duration::from_mins(1)).await;
                (first, keeper.report().standing)
            });
            match point {
                // Nothing was used up. The mark was there, so it was not taken for granted meanwhile.
                Point::BeforeRequest | Point::AfterWrite | Point::AfterUse => {
                    assert_eq!(then, Standing::Good, "{point:?}");
                }
                // The first write that is hit is the mark's: nothing was sent.
                Point::DuringWrite => assert_eq!(then, Standing::Good, "{point:?}"),
                Point::BeforeAnswer | Point::BeforeWrite => {
                    assert!(matches!(first, Standing::Uncertain(_)), "{point:?}: at once: {first:?}");
                    assert!(matches!(then, Standing::Reauthorize(_)), "{point:?}: {then:?}");
                }
            }
        }
    }
}

/// Nobody calls for a year.
fn idle_year(lives: u64) -> (u32, f64) {
    let world = World::new(6);
    world.inside().lives = lives;
    run(async {
        let keeper = connected(&world).await;
        let shutdown = CancellationToken::new();
        tokio::spawn(Arc::clone(&keeper).keep(shutdown.clone()));
        tokio::time::sleep(Duration::from_hours(366 * 24)).await;
        assert_eq!(keeper.report().standing, Standing::Good);
        let lease = keeper.lease().await.expect("it works");
        assert!(world.inside().takes(lease.token().expose_secret()));
    });
    let inside = world.inside();
    assert_eq!(inside.overlaps, 0);
    (inside.refreshes, inside.oldest_used)
}

#[test]
fn after_an_idle_year_it_still_works() {
    let (refreshes, oldest) = idle_year(super::model::LIFE);
    // Each 19.2 hours.
    assert!((455..=460).contains(&refreshes), "{refreshes}");
    assert!(oldest < 0.81 * 86_400.0, "{oldest}");
    // Access tokens that live for 3 months: weekly, long before the refresh token dies.
    let (refreshes, oldest) = idle_year(90 * 86_400);
    assert!((51..=54).contains(&refreshes), "{refreshes}");
    assert!(oldest < 7.1 * 86_400.0, "{oldest}");
}

#[test]
fn after_a_month_without_a_process_the_first_call_refreshes() {
    let world = World::new(7);
    run(async { drop(connected(&world).await) });
    world.ended(Duration::from_hours(30 * 24));
    run(async {
        let keeper = world.process();
        let lease = keeper.lease().await.expect("the refresh token is good for 3 months");
        assert!(world.inside().takes(lease.token().expose_secret()));
    });
    world.ended(Duration::from_hours(100 * 24));
    run(async {
        let keeper = world.process();
        assert!(keeper.lease().await.is_err());
        assert!(matches!(keeper.report().standing, Standing::Reauthorize(_)));
    });
}
