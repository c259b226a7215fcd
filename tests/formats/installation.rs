//! The events of the installation and its snapshot.

use heirloom::installation::{Installation, InstallationEvent};
use heirloom::oauth::Actor;

use crate::frozen::Frozen;
use crate::kinds::{all_there, kinds, named};
use crate::values::at;

kinds!(InstallationEvent {
    SessionsEndedByRestore => "sessions_ended_by_restore",
});

#[test]
fn every_event_of_the_installation_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("installation-events.txt");
    let events = [("full", Some(Actor::Operator(1000))), ("bare", None)]
        .map(|(case, by)| (case, InstallationEvent::SessionsEndedByRestore { at: at(0), by }));
    for (case, event) in &events {
        assert_eq!(kind(event), event.name());
        let name = named(kind(event), case);
        frozen.both_ways(&name, event, InstallationEvent::encode, InstallationEvent::decode);
    }
    all_there(KINDS, &events.iter().map(|(_, event)| kind(event)).collect::<Vec<_>>());
    frozen.finish();
}

#[test]
fn the_snapshot_of_the_installation_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("installation-snapshots.txt");
    let full = Installation { epoch: 2, restored_at: Some(at(0)) };
    frozen.both_ways("installation, full", &full, Installation::encode, Installation::decode);
    let bare = Installation::default();
    frozen.both_ways("installation, bare", &bare, Installation::encode, Installation::decode);
    frozen.finish();
}
