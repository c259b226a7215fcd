//! The log by which nodes tell each other what is soon forgotten.

use std::sync::Arc;

use heirloom::store::postgres::{PostgresSettings, PostgresStore};
use heirloom::store::{Exchange, Exchanged, Heard};
use tokio_postgres::{Client, NoTls};

use crate::postgres_server;

async fn node(settings: &PostgresSettings) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(settings.clone()).await.unwrap())
}

async fn client(settings: &PostgresSettings) -> Client {
    let (client, connection) = settings.server.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path = \"{}\"", settings.schema)).await.unwrap();
    client
}

async fn tell(node: &PostgresStore, after: Heard, entry: &[u8]) -> Exchanged {
    node.exchange(after, Some(entry.to_vec())).await.unwrap()
}

/// Reads page by page from `heard` to the end, and returns the entries and how many pages there were.
async fn read(node: &PostgresStore, mut heard: Heard) -> (Vec<(u64, Vec<u8>)>, usize) {
    let (mut entries, mut pages) = (Vec::new(), 0);
    loop {
        let answer = node.exchange(heard, None).await.unwrap();
        pages += 1;
        let Some((last, _)) = answer.entries.last() else { return (entries, pages) };
        heard = Heard { era: answer.era, number: *last };
        entries.extend(answer.entries);
        if heard.number == answer.newest {
            return (entries, pages);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_of_all_nodes_have_one_order_and_each_reads_everything_before_its_own() {
    let settings = postgres_server::settings();
    let nodes = [node(&settings).await, node(&settings).await];
    assert_eq!(nodes[0].exchange(Heard::default(), None).await.unwrap(), Exchanged::default());
    let tellers = (0..8_usize).map(|teller| {
        let node = Arc::clone(&nodes[teller % 2]);
        tokio::spawn(async move {
            let (mut heard, mut seen) = (Heard::default(), 0);
            for round in 0..25 {
                let answer = tell(&node, heard, format!("{teller} {round}").as_bytes()).await;
                let written = answer.written.unwrap();
                let numbers: Vec<u64> = answer.entries.iter().map(|(number, _)| *number).collect();
                assert_eq!(numbers, (seen + 1..=written).collect::<Vec<_>>(), "to its own, without a gap");
                (seen, heard) = (written, Heard { era: answer.era, number: written });
            }
        })
    });
    for teller in tellers.collect::<Vec<_>>() {
        teller.await.unwrap();
    }
    let [one, other] = [read(&nodes[0], Heard::default()).await.0, read(&nodes[1], Heard::default()).await.0];
    assert_eq!(one, other);
    assert_eq!(one.len(), 200);
}

/// 128 entries of half a megabyte are twice as much as is kept.
#[tokio::test]
async fn the_oldest_entries_go_when_there_are_more_than_32_mib() {
    let settings = postgres_server::settings();
    let [told, behind] = [node(&settings).await, node(&settings).await];
    let entry = vec![7; 512 * 1024];
    let mut heard = Heard::default();
    for _ in 0..127 {
        let answer = tell(&told, heard, &entry).await;
        heard = Heard { era: answer.era, number: answer.written.unwrap() };
    }
    let early = Heard { number: 3, ..heard };
    assert_eq!(behind.exchange(early, None).await.unwrap().entries[0].0, 4, "one in 64 removes old ones");
    tell(&told, heard, &entry).await;
    let kept = "SELECT min(number), count(*), sum(octet_length(entry))::bigint FROM exchange_entry";
    let row = client(&settings).await.query_one(kept, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), (65_i64, 64_i64, 32_i64 << 20));
    // Who is behind goes on with the first that is left, in pages.
    let (entries, pages) = read(&behind, early).await;
    let numbers: Vec<u64> = entries.into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (65..=128).collect::<Vec<_>>());
    assert!((20..=64).contains(&pages), "{pages} pages of about a megabyte");
}

#[tokio::test]
async fn entries_older_than_three_hours_go() {
    let settings = postgres_server::settings();
    let told = node(&settings).await;
    for _ in 0..40 {
        tell(&told, Heard::default(), b"old").await;
    }
    let age = "UPDATE exchange_entry SET made = made - interval '181 minutes' WHERE number <= 30";
    client(&settings).await.execute(age, &[]).await.unwrap();
    for _ in 40..64 {
        tell(&told, Heard::default(), b"young").await;
    }
    assert_eq!(read(&told, Heard::default()).await.0[0].0, 31);
}

/// As after a crash of the database, while a node has read only a part.
#[tokio::test]
async fn a_node_that_is_behind_reads_a_new_era_from_its_beginning() {
    let settings = postgres_server::settings();
    let [told, behind] = [node(&settings).await, node(&settings).await];
    for round in 0..10 {
        tell(&told, Heard::default(), format!("old {round}").as_bytes()).await;
    }
    let page = behind.exchange(Heard::default(), None).await.unwrap();
    let heard = Heard { era: page.era, number: 5 };
    client(&settings).await.batch_execute("TRUNCATE exchange_head, exchange_entry").await.unwrap();
    let empty = behind.exchange(heard, None).await.unwrap();
    assert_eq!(empty, Exchanged::default(), "no era, and nothing to read");
    for round in 0..3 {
        tell(&told, heard, format!("new {round}").as_bytes()).await;
    }
    let answer = tell(&behind, heard, b"mine").await;
    assert_ne!(answer.era, page.era);
    assert_eq!((answer.written, answer.newest), (Some(4), 4));
    let texts: Vec<_> = answer.entries.iter().map(|(number, text)| (*number, &text[..])).collect();
    assert_eq!(texts, [(1, &b"new 0"[..]), (2, b"new 1"), (3, b"new 2"), (4, b"mine")]);
}
