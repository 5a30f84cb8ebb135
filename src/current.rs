//! What queries are answered from, replaced as a whole while they are.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::time::sleep;

/// How long a value is kept after it was replaced: until no worker can be reading it, so that
/// none has to free it.
const RETIRED: Duration = Duration::from_secs(1);

/// A value that many read without waiting and one replaces now and then.
#[derive(Debug)]
pub struct Current<T>(ArcSwap<T>);

impl<T: Send + Sync + 'static> Current<T> {
    /// Begins with this value.
    pub fn new(value: T) -> Self {
        Self(ArcSwap::from_pointee(value))
    }

    /// The value of now. Takes no lock; to be held for the time of an answer.
    pub fn load(&self) -> Guard<Arc<T>> {
        self.0.load()
    }

    /// Puts another value in its place. The old one is freed a moment later, by a task: this must
    /// be called where the runtime is.
    pub fn replace(&self, value: T) {
        let retired = self.0.swap(Arc::new(value));
        tokio::spawn(async move {
            sleep(RETIRED).await;
            drop(retired);
        });
    }
}
