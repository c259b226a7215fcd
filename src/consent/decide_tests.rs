use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::consent::event::Allowed;
use crate::consent::index;
use crate::consent::state::{ConsentId, MOST};
use crate::oauth::UserId;
use crate::store::RecordChange;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn id() -> ConsentId {
    ConsentId { user: UserId::from([2; 16]), client: "web".parse().unwrap() }
}

fn allowed(scope: &str, resource: Option<&str>, host: &str) -> Allowed {
    Allowed {
        scope: scope.parse().unwrap(),
        resource: resource.map(|resource| resource.parse().unwrap()),
        redirect_host: host.to_owned(),
    }
}

fn given(seconds: u64, allowed: Allowed) -> Given {
    let ConsentId { user, client } = id();
    Given { at: at(seconds), user, client, client_epoch: 0, allowed }
}

/// The state after something was allowed, through the decision.
fn giving(consent: Option<Consent>, given: Given) -> Option<Consent> {
    give(consent.as_ref(), given).iter().fold(consent, Consent::apply)
}

#[test]
fn more_scope_another_resource_and_another_host_are_not_covered() {
    let consent = giving(None, given(1, allowed("read write", Some("api"), "app.example"))).unwrap();
    let covers = |scope, resource, host| consent.covers(&allowed(scope, resource, host), 0);
    assert!(covers("read", Some("api"), "app.example") && covers("", Some("api"), "app.example"));
    assert!(!covers("read admin", Some("api"), "app.example"));
    assert!(!covers("read", Some("other"), "app.example") && !covers("read", None, "app.example"));
    assert!(!covers("read", Some("api"), "evil.example"));
    assert!(!consent.covers(&allowed("read", Some("api"), "app.example"), 1), "a later client of that id");
}

#[test]
fn what_is_allowed_later_is_added_and_what_is_known_is_not_written_again() {
    let first = giving(None, given(1, allowed("read", None, "app.example"))).unwrap();
    assert_eq!(give(Some(&first), given(2, allowed("read", None, "app.example"))), []);
    let both = giving(Some(first), given(3, allowed("write", None, "app.example"))).unwrap();
    assert_eq!(both.allowed, [allowed("read write", None, "app.example")]);
    assert_eq!((both.status, both.last_event_at), (Status::Given { since: at(1) }, at(3)));
}

#[test]
fn nothing_is_inherited_from_an_earlier_epoch_of_the_client() {
    let first = giving(None, given(1, allowed("read", None, "app.example"))).unwrap();
    let later = Given { client_epoch: 1, ..given(2, allowed("write", None, "app.example")) };
    let later = giving(Some(first), later).unwrap();
    assert_eq!(later.allowed, [allowed("write", None, "app.example")]);
    assert_eq!(later.status, Status::Given { since: at(2) });
}

#[test]
fn a_withdrawal_leaves_nothing_and_happens_once() {
    let consent = giving(None, given(1, allowed("read", None, "app.example"))).unwrap();
    let events = withdraw(&consent, None, at(5));
    assert_eq!(events, [ConsentEvent::Withdrawn { at: at(5), client: id().client, by: None }]);
    let before = consent.status;
    let consent = Consent::apply(Some(consent), &events[0]).unwrap();
    assert!(!consent.covers(&allowed("", None, "app.example"), 0));
    assert_eq!(withdraw(&consent, None, at(6)), []);
    let [listed, queued] = index::changes(Some(before), &consent).try_into().unwrap();
    assert_eq!(listed, RecordChange::Delete(index::of_user(id().user, &id().client)));
    let place = index::removable(at(5), id().user, &id().client);
    assert_eq!(queued, RecordChange::Put(place.clone(), b"web".to_vec()));
    assert_eq!(index::place_of(&place, b"web"), Some((at(5), id())));
    let again = giving(Some(consent), given(7, allowed("read", None, "app.example"))).unwrap();
    assert_eq!(again.status, Status::Given { since: at(7) });
}

#[test]
fn the_longest_scopes_and_hosts_fit_into_a_snapshot_and_the_oldest_go_first() {
    let mut consent = None;
    for number in 0..100_u64 {
        let host = format!("{number:0>250}");
        consent = giving(consent, given(number, allowed(&"s".repeat(1024), Some(&"a".repeat(256)), &host)));
        let consent = consent.as_ref().unwrap();
        assert!(consent.encode().len() < 8 * 1024, "{}", consent.encode().len());
        assert_eq!(consent.allowed[0].redirect_host, host);
    }
    let huge = allowed("read", None, &"h".repeat(MOST_BYTES));
    assert_eq!(give(consent.as_ref(), given(200, huge)), [], "it is asked about each time");
}

#[derive(Clone, Debug)]
enum Step {
    Give { scope: u8, resource: bool, host: u8 },
    Withdraw,
    RaiseEpoch,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..8_u8, any::<bool>(), 0..24_u8)
            .prop_map(|(scope, resource, host)| Step::Give { scope, resource, host }),
        1 => Just(Step::Withdraw),
        1 => Just(Step::RaiseEpoch),
    ]
}

/// The words of the set bits.
fn words(bits: u8) -> String {
    (0..3).filter(|bit| bits & (1 << bit) != 0).map(|bit| format!("s{bit}")).collect::<Vec<_>>().join(" ")
}

proptest! {
    /// The model: a map from resource and host to the bits that were allowed, with the order in which they were.
    #[test]
    fn exactly_what_the_model_remembers_is_covered(steps in proptest::collection::vec(step(), 1..80)) {
        let (mut consent, mut epoch) = (None, 0_u32);
        let mut model: BTreeMap<(bool, u8), (u8, usize)> = BTreeMap::new();
        for (time, step) in steps.into_iter().enumerate() {
            match step {
                Step::Give { scope, resource, host } => {
                    let what = allowed(&words(scope), resource.then_some("api"), &host.to_string());
                    let given = Given { client_epoch: epoch, ..given(time as u64, what) };
                    consent = giving(consent, given);
                    let known = model.entry((resource, host)).or_insert((0, usize::MAX));
                    if known.0 | scope != known.0 || known.1 == usize::MAX {
                        *known = (known.0 | scope, time);
                    }
                    while model.len() > MOST {
                        let oldest = *model.iter().min_by_key(|(_, (_, when))| *when).unwrap().0;
                        model.remove(&oldest);
                    }
                }
                Step::Withdraw => {
                    if let Some(state) = consent.take() {
                        consent = withdraw(&state, None, at(time as u64)).iter().fold(Some(state), Consent::apply);
                    }
                    model.clear();
                }
                Step::RaiseEpoch => {
                    epoch += 1;
                    model.clear();
                }
            }
            let covers = |asked: &Allowed| consent.as_ref().is_some_and(|consent| consent.covers(asked, epoch));
            for resource in [false, true] {
                for host in 0..24 {
                    let known = model.get(&(resource, host)).map(|(scope, _)| *scope);
                    for scope in 0..8 {
                        let asked = allowed(&words(scope), resource.then_some("api"), &host.to_string());
                        let expected = known.is_some_and(|known| known | scope == known);
                        prop_assert_eq!(covers(&asked), expected, "{:?} of {:?}", asked, consent);
                    }
                }
            }
            if let Some(consent) = &consent {
                prop_assert_eq!(&Consent::decode(&consent.encode()).unwrap(), consent);
            }
        }
    }
}
