//! The rows of the tree are still written and read in the frozen form: `tests/formats/bytes/sled-rows.txt`.

use std::path::Path;

use super::super::{RecordKey, StreamId};
use super::last_row::LastRow;
use super::layout::{self, FORMAT, GONE, Head, META, Meta};
use super::log::{self, Event, PURGED, SEAL};
use crate::frozen::Frozen;

const BIRTH: u64 = 8;

fn stream() -> StreamId {
    StreamId::new(b's', &[0x22; 16]).unwrap()
}

/// Freezes a row. The key is frozen too, because the value's checksum covers it.
fn row(frozen: &mut Frozen, name: &str, key: &[u8], value: &[u8]) {
    frozen.bytes(&format!("{name}: key"), key);
    frozen.bytes(&format!("{name}: value"), value);
}

#[test]
fn the_rows_of_the_tree_are_written_and_read_as_they_were() {
    let mut frozen = Frozen::read("sled-rows.txt");
    let meta = Meta { format: 4, store: [1; 16] };
    row(&mut frozen, "format and store", META, &meta.value());
    assert_eq!(Meta::parse(&meta.value()), Ok(meta));

    let key = layout::snapshot_key(&stream());
    let head = Head { birth: BIRTH, version: 18, tail: vec![40, 41], snapshot: b"snapshot".to_vec() };
    row(&mut frozen, "head of a stream", &key, &head.value(&key));
    assert_eq!(Head::parse(&key, &head.value(&key)), Ok(head));

    let (key, positions) = (layout::chunk_key(BIRTH, 1), [8, GONE, 10, 300]);
    row(&mut frozen, "chunk of a stream", &key, &layout::positions_value(&key, &positions));
    let key = layout::purge_key(BIRTH);
    row(&mut frozen, "removed stream", &key, &layout::positions_value(&key, &[40, 41]));

    let key = layout::record_key(&RecordKey::vault(&[b"p", &[0x11; 16]]));
    row(&mut frozen, "record", &key, &layout::value(&key, b"record"));
    assert_eq!(layout::body(&key, &layout::value(&key, b"record")), Ok(&b"record"[..]));

    log_row(&mut frozen);
    frozen.finish();
}

/// A row of the log with every kind of entry.
fn log_row(frozen: &mut Frozen) {
    let name = stream();
    let event = Event { birth: BIRTH, version: 7, first: None, stream: name.as_bytes(), data: b"an event" };
    let summary = Event { version: 9, first: Some(2), data: b"a summary", ..event };
    let mut last = LastRow::behind(BIRTH);
    for entry in [&event.entry(), SEAL, PURGED, &summary.entry()] {
        last.push(entry);
    }
    let value = last.change().unwrap();
    row(frozen, "row of the log", &last.key(), &value);
    let key = last.key();
    let read = log::entries(&key, &value).unwrap();
    let events: Vec<_> = read.iter().map(|entry| (entry.position, entry.event)).collect();
    assert_eq!(events, [(16, Some(event)), (17, None), (18, None), (19, Some(summary))]);
}

#[test]
fn a_folder_of_todays_format_is_recorded() {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/folders");
    let mut names = std::fs::read_dir(folders).unwrap().map(|entry| entry.unwrap().file_name());
    let of_today = format!("store-{FORMAT}");
    assert!(
        names.any(|name| name.to_str().is_some_and(|name| name.ends_with(&of_today))),
        "no recorded folder has store format {FORMAT}: tests/formats/README.md says how one is made"
    );
}
