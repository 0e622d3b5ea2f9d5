//! One process, from its start to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::vendor::Vendor;
use super::wire::Wire;
use super::world::World;
use crate::archive::durable::simulated;
use crate::archive::{ArchiveError, Store};
use crate::crm::upstream::{Upstream, UpstreamConfig};
use crate::domain::policy::Policy;
use crate::engine::{Connection, Engine};

pub(super) struct Life {
    pub(super) world: World,
    pub(super) engine: Engine,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Life {
    /// Opens the store and begins to settle and to work.
    pub(super) fn begin(world: &World) -> Result<Self, ArchiveError> {
        let pause = {
            let (dice, world) = (world.dice.fork(), world.clone());
            // A disk is quick, and now and then it is not; never so slow that it is given up, unless that is drawn.
            Arc::new(
                move || if dice.below(400) == 0 && world.stormy() { Duration::from_secs(7) } else { dice.millis(0, 9) },
            )
        };
        let (store, mut damage) = simulated::open(&world.disk(), &world.db, world.time.clone(), pause)?;
        // A read that the disk refused once is told as damage of an older segment. Whoever sees that starts it again.
        if let Some(one) = damage.iter().position(|one| one.contains("the disk is broken")) {
            return Err(ArchiveError::Unusable(damage.swap_remove(one)));
        }
        if !damage.is_empty() {
            world.broken(format!("the archive has damage after a crash: {damage:?}"));
        }
        let store: Arc<dyn Store> = Arc::new(store);
        let config = UpstreamConfig {
            token: Some("own".to_owned().into()),
            seed: world.dice.number(),
            ..UpstreamConfig::new("http://crm.example".parse().expect("an address"))
        };
        let wire = Wire { world: world.clone(), dice: world.dice.fork() };
        let upstream = Upstream::over(config, Arc::new(wire)).expect("it can be used");
        let connection = Connection {
            name: "acme".into(),
            connector: Arc::new(Vendor { can_find: world.weather.can_find }),
            upstream: Arc::new(upstream),
            has_own_token: true,
        };
        let engine =
            Engine::new(store.clone(), vec![connection], Policy::default(), world.time.clone(), world.names.clone());
        let stop = CancellationToken::new();
        let tasks = vec![
            tokio::spawn({
                let (engine, stop) = (engine.clone(), stop.clone());
                async move { engine.keep_settling(stop).await }
            }),
            tokio::spawn({
                let (engine, stop) = (engine.clone(), stop.clone());
                async move { engine.keep_jobs_running(stop).await }
            }),
        ];
        Ok(Self { world: world.clone(), engine, stop, tasks })
    }

    /// As on SIGTERM.
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.engine.drain_deletes(Duration::from_secs(20)).await;
        for mut task in self.tasks {
            if tokio::time::timeout(Duration::from_secs(10), &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}
