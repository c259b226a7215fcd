//! Each refusal that the specification shows is one that the server sends, word for word.

mod requests;
mod scenes;

use std::fmt;

use serde_json::Value;

use crate::specification::Operation;
use crate::support::Answer;
use scenes::Scenes;

/// A refusal that the specification shows of an operation.
struct Documented {
    operation: Operation,
    status: u16,
    media_type: &'static str,
    /// What the example is called.
    name: &'static str,
    body: &'static Value,
}

impl Documented {
    fn all() -> Vec<Self> {
        Operation::all().into_iter().flat_map(Self::of).collect()
    }

    fn of(operation: Operation) -> Vec<Self> {
        let mut all = Vec::new();
        for (status, response) in operation.said["responses"].as_object().unwrap() {
            let status = status.parse().unwrap();
            let types = response["content"].as_object().into_iter().flatten();
            for (media_type, media) in types.filter(|_| status >= 400) {
                for (name, example) in media["examples"].as_object().into_iter().flatten() {
                    all.push(Self { operation, status, media_type, name, body: &example["value"] });
                }
            }
        }
        all
    }

    /// What differs between the example and what was sent.
    fn difference(&self, answer: &Answer) -> Option<String> {
        let media_type = answer.header("content-type").split(';').next().unwrap();
        let sent = (answer.status, media_type, &answer.json);
        let said = (self.status, self.media_type, self.body);
        (sent != said).then(|| format!("{self}:\n    said {said:?}\n    sent {sent:?}"))
    }
}

impl fmt::Display for Documented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.operation.id(), self.status, self.name)
    }
}

#[tokio::test]
async fn every_refusal_that_is_documented_is_sent_word_for_word() {
    let scenes = Box::pin(Scenes::open()).await;
    let all = Documented::all();
    assert!(all.len() > 300, "{}", all.len());
    let mut faults = Vec::new();
    for documented in &all {
        match scenes.provoke(documented).await {
            Some(answer) => faults.extend(documented.difference(&answer)),
            None => faults.push(format!("{documented}: nobody provokes it")),
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), all.len(), faults.join("\n"));
}
