//! A database that comes from a dump or a base backup: one that was moved, and ones that were restored.

use crate::chain::{Chain, Outcome};
use crate::database::{base_backup, url};
use crate::load::{Load, Shared};
use crate::nodes::{Nodes, this_program};
use crate::postgres_server::{PostgresServer, program, succeed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_moved_signs_nobody_out_and_a_restored_one_is_refused_until_it_is_accepted() {
    let servers = [PostgresServer::start(), PostgresServer::start(), PostgresServer::start()];
    let urls = servers.each_ref().map(|server| url(&[&server.settings("heirloom")]));
    let mut nodes = Nodes::start_as(&this_program(), &vec![urls[0].clone(); 2], "heirloom");
    let listed = nodes.command_at(1, &["nodes"], "");
    for base in nodes.bases() {
        let name = format!("node-{}", base.rsplit(':').next().unwrap());
        assert!(listed.lines().any(|line| line.contains(&name)), "{name}: {listed}");
    }
    let (shared, mut chains) = Load::begin(&nodes).await.end().await;

    // Nothing is missing: every node goes on.
    stop_all(&mut nodes);
    copy(&servers[0], &servers[1]);
    nodes.use_database(&urls[0], &urls[1]);
    nodes.run(0, &[]);
    nodes.run(1, &[]);
    for chain in &mut chains {
        chain.refresh_everywhere(&shared).await;
    }
    nodes.assert_nobody_was_signed_out();

    // A backup that is taken while the nodes run, and lacks what they did afterwards.
    copy(&servers[1], &servers[2]);
    for chain in &mut chains {
        chain.refresh_everywhere(&shared).await;
    }
    stop_all(&mut nodes);
    nodes.use_database(&urls[1], &urls[2]);
    are_refused_until_they_are_accepted(&mut nodes, &chains, &shared).await;
}

/// It is on the timeline of the server that was lost, and in its term: only the position tells that something is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_backup_of_a_database_in_use_is_refused_until_it_is_accepted() {
    let lost = PostgresServer::start();
    let before = url(&[&lost.settings("heirloom")]);
    let mut nodes = Nodes::start(&vec![before.clone(); 2], "heirloom");
    let load = Load::begin(&nodes).await;
    let folder = base_backup(&lost, &[]);
    load.shared.more(50).await;
    let (shared, chains) = load.end().await;
    stop_all(&mut nodes);
    drop(lost);
    let mut restored = PostgresServer { guard: PostgresServer::guard(&folder), folder };
    restored.run();
    nodes.use_database(&before, &url(&[&restored.settings("heirloom")]));
    are_refused_until_they_are_accepted(&mut nodes, &chains, &shared).await;
}

/// Nodes that were stopped come to data that lack something of what they did.
async fn are_refused_until_they_are_accepted(nodes: &mut Nodes, chains: &[Chain], shared: &Shared) {
    // It has made the changes, and so knows of them at once; the other one hears of them some seconds later.
    let refused = nodes.refuses_to_run(0);
    assert!(refused.contains("restored from a backup"), "{refused}");
    assert!(refused.contains("serve --restored"), "{refused}");
    nodes.run(0, &["--restored"]);
    nodes.run(1, &[]);
    for chain in chains {
        for number in [0, 1] {
            let refused = chain.present(shared, number).await;
            assert!(
                matches!(&refused, Outcome::Refused(why) if why.contains("invalid_grant")),
                "{refused:?}"
            );
        }
    }
    let mut fresh = Chain::start(2, shared).await;
    fresh.refresh_everywhere(shared).await;
    // A later start ends nothing again.
    nodes.stop(0);
    nodes.run(0, &[]);
    fresh.refresh_everywhere(shared).await;
}

fn stop_all(nodes: &mut Nodes) {
    for number in [0, 1] {
        assert!(nodes.stop(number).success());
    }
}

/// Copies what is in one server to another, by the database's own tools.
fn copy(from: &PostgresServer, to: &PostgresServer) {
    let file = to.folder.join("backup");
    let mut dump = program("pg_dump");
    dump.arg("-h").arg(&from.folder).args(["-U", "heirloom", "-d", "postgres", "-Fc", "-f"]);
    succeed(dump.arg(&file));
    let mut restore = program("pg_restore");
    restore.arg("-h").arg(&to.folder).args(["-U", "heirloom", "-d", "postgres", "--exit-on-error"]);
    succeed(restore.arg(&file));
}
