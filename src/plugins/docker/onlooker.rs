//! What those who look on see of containers and their names.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::docker::EngineState;
use crate::docker::names::Line;

/// How many questions may wait.
pub(super) const QUESTIONS: usize = 8;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whoever wants every claim to a name.
pub(super) type Question = oneshot::Sender<Vec<Line>>;

/// Sees what one directive knows of containers. It does not keep the directive alive.
#[derive(Clone, Debug)]
pub struct Onlooker {
    engines: Vec<(String, watch::Receiver<EngineState>)>,
    questions: mpsc::Sender<Question>,
}

impl Onlooker {
    /// One of these engines, by what they are called as long as they were not reached. The questions
    /// are to be answered by whoever has the names.
    pub(super) fn new(
        engines: Vec<(String, watch::Receiver<EngineState>)>,
    ) -> (Self, mpsc::Receiver<Question>) {
        let (questions, asked) = mpsc::channel(QUESTIONS);
        (Self { engines, questions }, asked)
    }

    /// The engines, and what other hosts share as one more: where they are, and what they run.
    #[must_use]
    pub fn engines(&self) -> Vec<(String, EngineState)> {
        let engine = |(name, state): &(String, watch::Receiver<EngineState>)| {
            let state = state.borrow().clone();
            let reached = state.engine.as_ref().map(|it| it.endpoint.to_string());
            (reached.unwrap_or_else(|| name.clone()), state)
        };
        self.engines.iter().map(engine).collect()
    }

    /// Every claim to a name and what became of it, by name, as of now; [`None`] where the
    /// configuration has gone.
    pub async fn lines(&self) -> Option<Vec<Line>> {
        let (question, answer) = oneshot::channel();
        let asked = async {
            self.questions.send(question).await.ok()?;
            answer.await.ok()
        };
        timeout(PATIENCE, asked).await.ok().flatten()
    }
}
