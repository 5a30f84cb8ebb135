//! How the inside of the server says that it must not go on.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

/// Ends the program: whoever has one can, the server's main loop listens.
#[derive(Clone, Debug, Default)]
pub struct Fatal(Arc<Reported>);

#[derive(Debug, Default)]
struct Reported {
    message: OnceLock<String>,
    told: Notify,
}

impl Fatal {
    /// Has the program log this line and stop as one that has failed. Only the first line counts.
    pub fn report(&self, message: String) {
        if self.0.message.set(message).is_ok() {
            self.0.told.notify_one();
        }
    }

    /// The line, if the program is to stop.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.get().map(String::as_str)
    }

    /// Waits until the program is to stop. One at a time may wait.
    pub async fn reported(&self) -> &str {
        loop {
            if let Some(message) = self.message() {
                return message;
            }
            self.0.told.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, a server that must stop goes on, or says something else than why.
    #[tokio::test]
    async fn the_first_report_is_heard() {
        let fatal = Fatal::default();
        assert_eq!(fatal.message(), None);
        let other = fatal.clone();
        let waiting = tokio::spawn(async move { other.reported().await.to_owned() });
        tokio::task::yield_now().await;
        fatal.report("first".into());
        fatal.report("second".into());
        assert_eq!(waiting.await.unwrap(), "first");
        assert_eq!(fatal.reported().await, "first");
    }
}
