//! Roles split over processes, which meet only at the streams.

use crate::scene::{World, assert_adds_up, eventually, sequences, submit};
use crate::seams::{MemoryChannel, Mood};
use parapet_pipeline::{Parts, Running};
use parapet_ports::EventSink;

/// Starts one pipeline per role, as four processes would; the gateway's comes first.
async fn start_apart(world: &World) -> Vec<Running> {
    let whole = world.parts().await;
    let nothing = || Parts {
        intake: None,
        router: None,
        realtime: None,
        analytics: None,
        live: world.live.clone(),
        directory: world.directory.path().join("pipeline"),
    };
    let roles = [
        Parts { intake: whole.intake, ..nothing() },
        Parts { router: whole.router, ..nothing() },
        Parts { realtime: whole.realtime, ..nothing() },
        Parts { analytics: whole.analytics, ..nothing() },
    ];
    let mut running = Vec::new();
    for parts in roles {
        running.push(world.start_parts("", parts).await);
    }
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_apart_do_what_they_do_together_and_each_keeps_its_own_account() {
    let world = World::new(vec![MemoryChannel::new("soc", Mood::Works)]);
    let roles = start_apart(&world).await;
    let sinks: Vec<_> = roles.iter().map(|role| role.sink().is_some()).collect();
    assert_eq!(sinks, [true, false, false, false]);
    submit(&roles[0], 1..=100);
    eventually("alerts", || world.channels[0].delivered().len() == 100).await;
    eventually("history", || world.store.events().len() == 100).await;
    assert_eq!(sequences(&world.store.events()), (1..=100).collect::<Vec<_>>());
    for (role, hops) in roles.into_iter().zip([
        &["gateway", "spool"][..],
        &["router", "router:realtime", "sequence:router"],
        &["track:realtime", "channel:soc", "sequence:track:realtime"],
        &["track:analytics", "store:memory", "sequence:track:analytics"],
    ]) {
        let ledger = role.ledger();
        assert!(role.shutdown().await);
        let snapshot = assert_adds_up(&*ledger);
        for hop in hops {
            assert_eq!(snapshot[*hop].delivered, 100, "{hop}: {snapshot:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_not_running_finds_its_events_when_it_starts() {
    let world = World::new(vec![MemoryChannel::new("soc", Mood::Works)]);
    let whole = world.parts().await;
    let front = Parts { realtime: None, analytics: None, ..world.parts_of(&whole) };
    let back = Parts { intake: None, router: None, ..whole };
    let running = world.start_parts("", front).await;
    submit(&running, 1..=50);
    assert!(running.shutdown().await, "tracks without a reader hold up nobody");
    assert!(world.store.events().is_empty());

    let running = world.start_parts("", back).await;
    eventually("alerts", || world.channels[0].delivered().len() == 50).await;
    eventually("history", || world.store.events().len() == 50).await;
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    assert_eq!(assert_adds_up(&*ledger)["track:analytics"].produced, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_after_the_end_are_refused_and_counted() {
    let world = World::new(Vec::new());
    let whole = world.parts().await;
    let running = world.start_parts("", Parts { router: None, realtime: None, analytics: None, ..whole }).await;
    let (sink, ledger) = (running.sink().expect("it takes events in"), running.ledger());
    assert!(running.shutdown().await);
    sink.submit(crate::scene::attack(1));
    assert_eq!(assert_adds_up(&*ledger)["gateway"].dropped["closed"], 1);
}
