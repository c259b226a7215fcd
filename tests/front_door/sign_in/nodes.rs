//! Guesses at passwords over several nodes: they are counted as one node counts them.

use crate::support::{Answer, PUBLIC, Server, Setup, USER};

/// A first node, whose limit is three failures.
async fn first() -> Server {
    Server::with(|setup| {
        setup.in_postgres();
        setup.config.throttle.account_attempts = 3;
        setup.config.server.trusted_proxies = vec!["127.0.0.1".to_owned()];
    })
    .await
}

async fn from(node: &Server, address: &str, password: &str) -> Answer {
    let form =
        [("grant_type", "password"), ("client_id", PUBLIC), ("username", USER.0), ("password", password)];
    node.send(node.token().header("x-forwarded-for", address).form(&form)).await
}

/// Guesses at the nodes in turn, for some minutes. Returns the status of each, and after how long to come back.
async fn guesses(nodes: &[&Server]) -> Vec<(u16, Option<String>)> {
    let mut seen = Vec::new();
    for number in 0..60 {
        let node = nodes[number % nodes.len()];
        let address = format!("203.0.113.{}", number % 3);
        let answer = from(node, &address, &format!("guess {number}")).await;
        seen.push((
            answer.status,
            answer.headers.get("retry-after").map(|at| at.to_str().unwrap().to_owned()),
        ));
        nodes[0].wait(u64::from(number % 4 == 3) * 5);
    }
    seen
}

#[tokio::test]
async fn guesses_spread_over_two_nodes_are_throttled_exactly_as_at_one() {
    let alone = guesses(&[&first().await]).await;
    let one = first().await;
    let other = one.another(|_| {}).await;
    assert_eq!(guesses(&[&one, &other]).await, alone);
    let statuses = |status| alone.iter().filter(|(seen, _)| *seen == status).count();
    assert!(statuses(400) > 5 && statuses(429) > 20, "{alone:?}");
}

#[tokio::test]
async fn of_parallel_guesses_at_two_nodes_no_more_than_the_limit_are_hashed() {
    let one = first().await;
    let other = one.another(|_| {}).await;
    let before = one.app.passwords.hashes_started();
    let guesses = (0..60).map(|number| {
        let node = if number % 2 == 0 { &one } else { &other };
        let (client, url) = (node.client.clone(), format!("{}/oauth/token", node.base));
        tokio::spawn(async move {
            let password = format!("guess {number}");
            let form = [
                ("grant_type", "password"),
                ("client_id", PUBLIC),
                ("username", USER.0),
                ("password", &password),
            ];
            client.post(url).form(&form).send().await.unwrap().status().as_u16()
        })
    });
    let mut refused = 0;
    for guess in guesses.collect::<Vec<_>>() {
        refused += usize::from(guess.await.unwrap() == 429);
    }
    let hashed = one.app.passwords.hashes_started() - before + other.app.passwords.hashes_started();
    assert_eq!((hashed, refused), (3, 57), "hashed, refused");
}

#[tokio::test]
async fn a_network_that_one_node_knows_all_know() {
    let one = first().await;
    let other = one.another(|_| {}).await;
    assert_eq!(from(&one, "192.0.2.1", USER.1).await.status, 200);
    for number in 0..4 {
        from(&other, "203.0.113.9", &format!("guess {number}")).await;
        from(&one, "198.51.100.9", &format!("guess {number}")).await;
    }
    assert_eq!(from(&other, "203.0.113.10", USER.1).await.outcome(), (429, "slow_down"));
    assert_eq!(from(&other, "192.0.2.1", USER.1).await.status, 200, "the person's network");
}

#[tokio::test]
async fn what_is_taken_back_at_one_node_is_taken_back_at_all() {
    let one = first().await;
    let other = one.another(|_| {}).await;
    for node in [&one, &other] {
        assert_eq!(from(node, "203.0.113.9", &format!("guess at {}", node.base)).await.status, 400);
    }
    // From ever new networks, so that each counts as a stranger's until it succeeds.
    for number in 0..4 {
        for (node, net) in [(&one, 1), (&other, 2)] {
            let address = format!("192.0.{net}.{number}");
            assert_eq!(from(node, &address, USER.1).await.status, 200, "{address}");
        }
    }
    assert_eq!(from(&other, "203.0.113.9", "guess 3").await.status, 400, "the third failure");
    assert_eq!(from(&one, "203.0.113.9", "guess 4").await.status, 429);
}

/// What a node abandons, because its hashing pool or its store refused, is taken back at the others too.
#[tokio::test]
async fn what_one_node_abandons_counts_at_no_other() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use crate::faults::{Failing, Fault};
    let one = first().await;
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let other = one
        .another(move |setup| {
            let failing = |inner| Arc::new(Failing { inner, broken: switch, fault: Fault::Record }) as _;
            setup.store = Some(Box::new(failing));
        })
        .await;
    broken.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        assert_eq!(from(&other, "203.0.113.9", USER.1).await.outcome(), (503, "temporarily_unavailable"));
    }
    for number in 0..3 {
        assert_eq!(from(&one, "203.0.113.9", &format!("guess {number}")).await.status, 400);
    }
    assert_eq!(from(&one, "203.0.113.9", "guess 3").await.status, 429);
}

#[tokio::test]
async fn a_node_that_starts_knows_what_was_counted_before() {
    let one = first().await;
    assert_eq!(from(&one, "192.0.2.1", USER.1).await.status, 200);
    for number in 0..4 {
        from(&one, "203.0.113.9", &format!("guess {number}")).await;
    }
    let node = one.restart(|_| {}).await;
    assert_eq!(from(&node, "203.0.113.9", USER.1).await.outcome(), (429, "slow_down"));
    assert_eq!(from(&node, "192.0.2.1", USER.1).await.status, 200, "a known network");
}

#[tokio::test]
async fn clocks_that_differ_by_seconds_give_no_more_guesses_and_shut_nobody_out() {
    for (ahead, behind) in [(0, 20_000), (20_000, 0)] {
        let one = first().await;
        let second = |setup: &mut Setup| setup.clock_ahead(ahead.max(behind));
        let other = one.another(second).await;
        let [first, second] = if behind > ahead { [&other, &one] } else { [&one, &other] };
        let mut hashed = 0;
        for minute in 0..10 {
            for number in 0..20 {
                let node = if number % 2 == 0 { first } else { second };
                let answer = from(node, "203.0.113.9", &format!("guess {minute} {number}")).await;
                hashed += usize::from(answer.status == 400);
            }
            one.wait(60);
            other.wait(60);
        }
        // Three at once, and then as one node permits that is asked every 20 and 40 seconds in turn.
        assert!((10..=16).contains(&hashed), "{hashed} hashed");
        // Whoever is at the node whose clock is behind waits longer, by that difference.
        for node in [&one, &other] {
            node.wait(20);
        }
        let refused = from(second, "203.0.113.9", "one more").await;
        let again = from(first, "203.0.113.9", USER.1).await;
        assert_eq!([refused.status, again.status], [400, 429]);
        assert_eq!(from(first, "203.0.113.9", USER.1).await.text, again.text, "and nothing was counted");
        for node in [&one, &other] {
            node.wait(again.header("retry-after").parse().unwrap());
        }
        assert_eq!(from(first, "203.0.113.9", USER.1).await.status, 200, "when it was told to come back");
    }
}

/// As after a crash of the database, or when a standby has taken over.
#[tokio::test]
async fn when_the_log_is_empty_it_begins_anew_and_nodes_that_run_remember() {
    let one = first().await;
    for number in 0..2 {
        from(&one, "203.0.113.9", &format!("guess {number}")).await;
    }
    one.sql("TRUNCATE exchange_head, exchange_entry").await;
    let other = one.another(|_| {}).await;
    assert_eq!(from(&other, "203.0.113.9", "guess 2").await.status, 400);
    assert_eq!(from(&other, "203.0.113.9", "guess 3").await.status, 400, "it knows of one");
    assert_eq!(from(&one, "203.0.113.9", "guess 4").await.status, 429, "this one knows of all");
    assert_eq!(
        from(&other, "203.0.113.9", "guess 5").await.status,
        429,
        "the third, with the one that was refused"
    );
}

/// Names, addresses and passwords are in it neither as they are nor so that they could be tried.
#[tokio::test]
async fn the_log_names_nobody_and_has_one_entry_for_each_attempt_that_may_be_hashed() {
    let one = first().await;
    for number in 0..20 {
        from(&one, "203.0.113.9", &format!("guess {number}")).await;
    }
    let entries =
        "SELECT octet_length(entry) || ' ' || encode(entry, 'escape') FROM exchange_entry ORDER BY number";
    assert_eq!(one.sql(entries).await.len(), 3);
    assert_eq!(from(&one, "192.0.2.1", USER.1).await.status, 200);
    let entries = one.sql(entries).await;
    assert_eq!(entries.len(), 5, "the attempt, and that it succeeded");
    for entry in &entries {
        for word in [USER.0, USER.1, "guess", "192.0.2.1", r"\300\000\002\001", r"\313\000q\011"] {
            assert!(!entry.contains(word), "{word} in {entry}");
        }
        // An attempt from IPv4 has two hashes of 32 bytes: there is no room for more.
        let length: usize = entry.split(' ').next().unwrap().parse().unwrap();
        assert!(length < 140, "{entry}");
    }
}
