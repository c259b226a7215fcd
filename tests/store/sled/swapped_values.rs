//! Values that lie in one another's place.

use std::sync::{Arc, Mutex};

use crate::contract::{append, key, stream};
use crate::sled::groups::{NEW, open};
use crate::support::folder;
use crate::support::until::until;
use heirloom::store::sled::SledOptions;
use heirloom::store::{Append, Expected, RecordChange, Store, StoreError};

#[tokio::test]
async fn a_value_in_anothers_place_is_never_an_answer_and_ends_the_run() {
    for meet in ["load", "append", "read_stream", "record", "scan", "read_log"] {
        swapped_values_are_met_by(meet).await;
    }
}

async fn swapped_values_are_met_by(meet: &str) {
    let temp = tempfile::tempdir().unwrap();
    let store = open(temp.path(), SledOptions::default());
    // 17 events fill two rows of the log and begin a third.
    for name in ('a'..='q').map(String::from) {
        let records = vec![RecordChange::Put(key(&name), name.clone().into_bytes())];
        store.append(Append { records, ..append(&name, NEW, &[&name]) }).await.unwrap();
    }
    drop(store);
    let tree = folder::raw(temp.path());
    let swap = |one: &[u8], other: &[u8]| {
        let (a, b) = (tree.get(one).unwrap().unwrap(), tree.get(other).unwrap().unwrap());
        tree.insert(one, b).unwrap();
        tree.insert(other, a).unwrap();
    };
    swap(b"sta", b"stb");
    swap(b"rxa", b"rxb");
    swap(
        &[b"l".as_slice(), &8_u64.to_be_bytes()].concat(),
        &[b"l".as_slice(), &16_u64.to_be_bytes()].concat(),
    );
    drop(tree);

    let told = Arc::new(Mutex::new(Vec::<String>::new()));
    let tell = Arc::clone(&told);
    let on_fatal = Arc::new(move |why: &str| tell.lock().unwrap().push(why.to_owned()));
    let store = open(temp.path(), SledOptions { on_fatal, ..SledOptions::default() });
    assert_eq!(store.load(stream("c")).await.unwrap().unwrap().data, b"c");
    let answer = match meet {
        "load" => store.load(stream("a")).await.map(drop),
        "append" => store.append(append("a", Expected::Exact(1), &["2"])).await.map(drop),
        "read_stream" => store.read_stream(stream("b"), 0, 9).await.map(drop),
        "record" => store.record(key("a")).await.map(drop),
        "scan" => store.scan(key(""), None, 9).await.map(drop),
        _ => store.read_log(0, 9).await.map(drop),
    };
    let (StoreError::Corrupt(why) | StoreError::Unavailable(why)) = answer.unwrap_err() else {
        unreachable!("{meet}: another error")
    };
    assert!(why.contains("restore"), "{meet}: {why}");
    // The run ends: no read is answered any more, not even of undamaged rows, and the operator is told once.
    assert!(matches!(store.load(stream("c")).await, Err(StoreError::Unavailable(_))), "{meet}");
    until("the operator is told", || !told.lock().unwrap().is_empty()).await;
    let said = told.lock().unwrap().join("\n");
    assert!(said.contains("restore") && said.contains(temp.path().to_str().unwrap()), "{meet}: {said}");
    assert_eq!(said.lines().count(), 1, "{meet}: {said}");
}
