//! Getting a batch of replies out, whatever becomes of single ones.

use std::io;

/// What became of the replies of one batch. The three numbers add up to what was queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendReport {
    /// Replies that the kernel took.
    pub sent: usize,
    /// Replies that the kernel refused one by one: too long, no route, forbidden by a filter.
    pub refused: usize,
    /// Replies given up because the send buffer stayed full.
    pub given_up: usize,
}

/// Sends messages `0..queued`.
///
/// `send(from)` offers the messages `from..queued` and tells how many were taken, at least one;
/// an error speaks of message `from` alone (that is sendmmsg(2)'s manner). `wait` waits for room,
/// within a bound; it is called at most once, so that slow sending cannot keep the worker from
/// receiving.
pub(crate) fn flush(
    queued: usize,
    mut send: impl FnMut(usize) -> io::Result<usize>,
    mut wait: impl FnMut(),
) -> SendReport {
    let mut report = SendReport::default();
    let mut next = 0;
    let mut waited = false;
    while next < queued {
        match send(next) {
            Ok(0) => break,
            Ok(count) => {
                report.sent += count;
                next += count;
            }
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock if waited => break,
                io::ErrorKind::WouldBlock => {
                    waited = true;
                    wait();
                }
                _ => {
                    report.refused += 1;
                    next += 1;
                }
            },
        }
    }
    report.given_up = queued.saturating_sub(next);
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `answers` to the calls of `send`: a number taken, or an error number. Gives the
    /// report, where each call began, and how often it waited.
    fn play(queued: usize, answers: &[Result<usize, i32>]) -> (SendReport, Vec<usize>, usize) {
        let mut answers = answers.iter();
        let mut calls = Vec::new();
        let mut waits = 0;
        let report = flush(
            queued,
            |from| {
                calls.push(from);
                let answer = answers.next().expect("a call more than the test allows");
                answer.map_err(io::Error::from_raw_os_error)
            },
            || waits += 1,
        );
        assert_eq!(answers.next(), None, "a call fewer than the test expects");
        (report, calls, waits)
    }

    fn numbers(report: &SendReport) -> [usize; 3] {
        [report.sent, report.refused, report.given_up]
    }

    /// If this fails, the replies after a partial send are lost.
    #[test]
    fn a_partial_send_goes_on_where_it_ended() {
        let (report, calls, waits) = play(8, &[Ok(3), Ok(5)]);
        assert_eq!((numbers(&report), calls, waits), ([8, 0, 0], vec![0, 3], 0));
    }

    /// If this fails, one peer that cannot be reached costs its neighbours their replies.
    #[test]
    fn a_refused_message_is_passed_over() {
        let answers = [Ok(2), Err(libc::ENETUNREACH), Err(libc::EPERM), Ok(4)];
        let (report, calls, _) = play(8, &answers);
        assert_eq!((numbers(&report), calls), ([6, 2, 0], vec![0, 2, 3, 4]));
    }

    /// If this fails, an error that all messages meet turns into an endless loop.
    #[test]
    fn an_error_for_every_message_ends() {
        let (report, calls, _) = play(3, &[Err(libc::ENETDOWN); 3]);
        assert_eq!((numbers(&report), calls), ([0, 3, 0], vec![0, 1, 2]));
    }

    /// If this fails, a full send buffer loses replies that a short wait would have saved.
    #[test]
    fn a_full_buffer_is_waited_for_once() {
        let (report, calls, waits) = play(8, &[Ok(2), Err(libc::EAGAIN), Ok(6)]);
        assert_eq!(
            (numbers(&report), calls, waits),
            ([8, 0, 0], vec![0, 2, 2], 1)
        );
    }

    /// If this fails, a stuck network interface stops the worker from receiving.
    #[test]
    fn a_buffer_that_stays_full_ends_the_batch() {
        let (report, _, waits) = play(8, &[Err(libc::EAGAIN), Ok(1), Err(libc::EAGAIN)]);
        assert_eq!((numbers(&report), waits), ([1, 0, 7], 1));
    }

    /// If this fails, a signal counts as a lost reply.
    #[test]
    fn a_signal_changes_nothing() {
        let (report, _, _) = play(2, &[Err(libc::EINTR), Ok(2)]);
        assert_eq!(numbers(&report), [2, 0, 0]);
    }

    /// If this fails, sending nothing makes a system call.
    #[test]
    fn nothing_queued_sends_nothing() {
        assert_eq!(numbers(&play(0, &[]).0), [0, 0, 0]);
    }
}
