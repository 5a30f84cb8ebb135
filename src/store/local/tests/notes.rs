//! Notes, written by many.

use tokio::task::JoinSet;

use super::*;
use crate::store::{NOTE_LIMIT, Note, NoteName, NoteWrite};

fn write(text: impl Into<Vec<u8>>, after: Option<u64>) -> Option<NoteWrite> {
    Some(NoteWrite {
        text: text.into(),
        after,
    })
}

impl Bench {
    /// The folder of the space, which a claim makes.
    fn with_space(self) -> Self {
        std::fs::create_dir(self.file("")).unwrap();
        self
    }

    async fn note(&self, name: NoteName, write: Option<NoteWrite>) -> Note {
        self.store.note(&self.space, name, write).await.unwrap()
    }
}

/// If this fails, two members of a job freeze two rosters.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_one_writes_and_all_read_that() {
    let bench = Bench::new().with_space();
    assert_eq!(bench.note(NoteName::Roster, None).await, Note::default());
    let mut writers = JoinSet::new();
    for number in 0..16 {
        let other = bench.other();
        writers.spawn(async move {
            other
                .note(NoteName::Roster, write(vec![number], Some(0)))
                .await
        });
    }
    let notes = writers.join_all().await;
    let stands = bench.note(NoteName::Roster, None).await;
    assert!(notes.iter().all(|note| *note == stands), "{notes:?}");
    let next = bench
        .note(NoteName::Roster, write("b", Some(stands.revision)))
        .await;
    assert!(next.revision > stands.revision);
    let late = bench
        .note(NoteName::Roster, write("c", Some(stands.revision)))
        .await;
    assert_eq!(late, next);
    let ended = bench.note(NoteName::Ended(3), write("x\ny", None)).await;
    assert_eq!(ended.text, b"x\ny");
    assert_eq!(bench.note(NoteName::Ended(3), None).await, ended);
}

/// If this fails, a damaged file stops every job on a machine, or a note fills its disk.
#[tokio::test]
async fn what_is_damaged_is_written_over_and_what_is_too_long_is_refused() {
    let bench = Bench::new().with_space();
    std::fs::write(bench.file("roster.note"), "no number\nx").unwrap();
    assert_eq!(bench.note(NoteName::Roster, None).await, Note::default());
    let written = bench.note(NoteName::Roster, write("a", Some(0))).await;
    assert_eq!(written.text, b"a");
    let long = write(vec![0; NOTE_LIMIT + 1], None);
    assert!(
        bench
            .store
            .note(&bench.space, NoteName::Roster, long)
            .await
            .is_err()
    );
    let most = bench
        .note(NoteName::Roster, write(vec![7; NOTE_LIMIT], None))
        .await;
    assert_eq!(bench.note(NoteName::Roster, None).await, most);
}

/// If this fails, followers take notes for slots.
#[tokio::test]
async fn notes_are_no_slots() {
    let bench = Bench::new().with_space();
    bench.note(NoteName::Roster, write("a", None)).await;
    bench.note(NoteName::Ended(1), write("a", None)).await;
    let space = SpaceFolder::new(bench.store.path(), bench.space.pattern.canonical());
    assert_eq!(space.slots().unwrap(), Vec::<Slot>::new());
}
