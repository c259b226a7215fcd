//! A listener in a process of its own, so that it can be measured.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use crate::raw::{PATIENCE, Seen, endpoint, limit_descriptors};
use heirloom::http::server::{ServerOptions, bind, serve};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A listener in a process of its own, so that it can be measured: the ignored test `child` of this program, which ends
/// when its standard input does.
pub struct ChildServer {
    pub addr: SocketAddr,
    pub child: Child,
}

const MARK: &str = "listening on ";

impl ChildServer {
    /// Starts one, with at most `descriptors` file descriptors if that is given.
    pub async fn start(descriptors: Option<u64>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--ignored", "--nocapture"]);
        command.env("HEIRLOOM_TEST_DESCRIPTORS", descriptors.unwrap_or(0).to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let addr = loop {
            let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().expect("an address");
            if let Some((_, addr)) = line.split_once(MARK) {
                break addr.parse().unwrap();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { addr, child }
    }

    /// The work of the ignored test `child`.
    pub async fn run() {
        let descriptors: u64 = std::env::var("HEIRLOOM_TEST_DESCRIPTORS").map_or(0, |n| n.parse().unwrap());
        if descriptors > 0 {
            limit_descriptors(descriptors);
        }
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        println!("\n{MARK}{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let (parent, gone) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0]);
            drop(parent);
        });
        serve(listener, endpoint(&seen), ServerOptions::default(), async {
            let _ = gone.await;
        })
        .await
        .unwrap();
    }

    fn proc(&self, file: &str) -> String {
        let path: PathBuf = ["/proc", &self.child.id().unwrap().to_string(), file].iter().collect();
        std::fs::read_to_string(path).unwrap()
    }

    /// The most memory that it has used, in KiB.
    pub fn peak_kib(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Processor time used, in ticks of 10 ms.
    pub fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }
}
