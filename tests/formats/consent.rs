//! The events of consents, their snapshot, and their indexes.

use heirloom::consent::{Allowed, Consent, ConsentEvent, Given, index};
use heirloom::oauth::Actor;

use crate::frozen::Frozen;
use crate::kinds::{all_there, kinds, named};
use crate::values::{at, scope, user_id};

kinds!(ConsentEvent {
    Given => "consent_given",
    Withdrawn => "consent_withdrawn",
});

fn given() -> Given {
    Given {
        at: at(0),
        user: user_id(),
        client: "web-app".parse().unwrap(),
        client_epoch: 2,
        allowed: Allowed {
            scope: scope("openid read"),
            resource: Some("https://api.example.com".parse().unwrap()),
            redirect_host: "app.example.com".to_owned(),
        },
    }
}

fn bare() -> Given {
    let allowed = Allowed { scope: scope(""), resource: None, redirect_host: String::new() };
    Given { client_epoch: 0, allowed, ..given() }
}

/// Every kind of event, with every optional field and without any.
fn events() -> Vec<(&'static str, ConsentEvent)> {
    let withdrawn = |by| ConsentEvent::Withdrawn { at: at(120), client: "web-app".parse().unwrap(), by };
    vec![
        ("full", ConsentEvent::Given(given())),
        ("bare", ConsentEvent::Given(bare())),
        ("full", withdrawn(Some(Actor::Administrator(user_id())))),
        ("bare", withdrawn(None)),
    ]
}

#[test]
fn every_event_of_a_consent_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("consent-events.txt");
    for (case, event) in events() {
        assert_eq!(kind(&event), event.name());
        frozen.both_ways(&named(kind(&event), case), &event, ConsentEvent::encode, ConsentEvent::decode);
    }
    all_there(KINDS, &events().iter().map(|(_, event)| kind(event)).collect::<Vec<_>>());
    frozen.finish();
}

#[test]
fn the_snapshot_of_a_consent_is_written_and_read_as_it_was() {
    let mut frozen = Frozen::read("consent-snapshots.txt");
    let mut both = vec![ConsentEvent::Given(Given { client_epoch: 2, ..bare() })];
    both.push(ConsentEvent::Given(given()));
    let full = both.iter().fold(None, Consent::apply).unwrap();
    assert_eq!(full.allowed.len(), 2);
    frozen.both_ways("consent, full", &full, Consent::encode, Consent::decode);
    let all: Vec<_> = events().into_iter().map(|(_, event)| event).collect();
    let bare = all.iter().fold(None, Consent::apply).unwrap();
    frozen.both_ways("consent, withdrawn", &bare, Consent::encode, Consent::decode);
    frozen.finish();
}

#[test]
fn the_indexes_of_consents_have_the_keys_that_they_had() {
    assert_eq!(index::VERSION, 1, "other functions: let the file say what the new version makes");
    let mut frozen = Frozen::read("consent-indexes.txt");
    let client = "web-app".parse().unwrap();
    frozen.bytes("of a user", index::of_user(user_id(), &client).as_bytes());
    frozen.bytes("removal queue", index::removable(at(0), user_id(), &client).as_bytes());
    frozen.finish();
}
