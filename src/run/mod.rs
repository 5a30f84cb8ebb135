//! Running a command under a name: claim, wait for the others, start together, stop in time.
//!
//! | file | what it does |
//! |---|---|
//! | `expectation.rs` | how many start together, and in which roles |
//! | `gathering.rs` | when a job is complete and who is in it, without IO |
//! | `roster.rs` | what is written down of that, in notes beside the slots |
//! | `gang.rs` | waiting for the others, and noticing that one is gone |
//! | `progress.rs` | what is told while waiting |
//! | `situation.rs`, `frameworks.rs` | what the command is told |
//! | `command.rs`, `guard.rs`, `descendants.rs` | the command, and the process that ends it in time |
//! | `standby.rs`, `order.rs` | that process before it has a command, and how it is told of one |
//! | `signals.rs` | signals to this process |
//! | `status.rs` | exit statuses |
//!
//! ```text
//! callsign run      holds the claim, renews it, waits for the others
//!   callsign guard  knows until when the command may run
//!     the command
//! ```

mod command;
mod descendants;
mod expectation;
mod frameworks;
mod gang;
mod gathering;
mod guard;
mod order;
mod progress;
pub mod roster;
mod signals;
mod situation;
mod standby;
mod status;

use std::io::Write as _;
use std::time::Duration;

use nix::sys::prctl;
use tempfile::NamedTempFile;
use tokio::time::{Instant, sleep, sleep_until};

use self::gang::{Gang, Waited};
use self::gathering::Readiness;
use self::order::Order;
use self::roster::Roster;
use self::signals::Signals;
use self::situation::Situation;
use self::standby::Standby;
use crate::clock::BootTime;
use crate::console::complain;
use crate::identity::ownership::Stretch;
use crate::identity::pool::PoolConfig;
use crate::identity::pools::{NodeOptions, Pools, StoreConfig};
use crate::reason;

pub(crate) use self::expectation::Expectation;
pub(crate) use self::frameworks::Framework;
pub(crate) use self::gathering::{GANG, Part};
pub(crate) use self::guard::{GuardOptions, guard};
pub(crate) use self::situation::Word;
pub(crate) use self::status::{FAILED, TIMED_OUT};

/// How long after its time the command is killed by this process, if the guard has not done it.
const LATE: Duration = Duration::from_millis(250);

/// What happens to the command when something else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policies {
    /// Whether it is ended when the claim cannot be kept.
    pub(crate) stop_on_claim_loss: bool,
    /// What happens when another member is gone.
    pub(crate) on_member_loss: OnMemberLoss,
}

/// What happens when another member is gone, or its command has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnMemberLoss {
    /// End the command, and exit with status 123
    Fail,
    /// End the command, wait until enough members are there again, start it anew
    Restart,
    /// Go on
    Continue,
}

/// A command that is to run under a name.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Where names are kept.
    pub(crate) store: StoreConfig,
    /// Which names, and what is published under the claimed one.
    pub(crate) pool: PoolConfig,
    /// Who this node is across restarts.
    pub(crate) node: NodeOptions,
    /// How many members start together.
    pub(crate) expect: Expectation,
    /// Which of the roles that are expected this member has; [`None`] where there are none.
    pub(crate) role: Option<String>,
    /// How long they are waited for; [`None`] for as long as it takes.
    pub(crate) timeout: Option<Duration>,
    /// What happens to the command when something else does.
    pub(crate) policies: Policies,
    /// How long the command may take to end.
    pub(crate) grace: Duration,
    /// Whose variables are set.
    pub(crate) frameworks: Vec<Framework>,
    /// The port on which rank 0 is met.
    pub(crate) port: u16,
    /// Whether members are told to each other by name.
    pub(crate) by_name: bool,
    /// The command and its arguments.
    pub(crate) command: Vec<Word>,
}

impl Job {
    /// What is said of a member that has just come.
    fn readiness(&self) -> Readiness {
        Readiness {
            expect: self.expect.clone(),
            role: self.role.clone(),
            after: 0,
        }
    }
}

/// Runs the job to its end; returns the exit status.
pub(crate) fn run(job: &Job) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("error: cannot start: {}", reason::of(&error)));
            return FAILED;
        }
    };
    let status = runtime.block_on(async {
        let pools = Pools::new(&job.node);
        let status = match work(job, &pools).await {
            Ok(status) => status,
            Err(message) => {
                complain(&format!("error: {message}"));
                FAILED
            }
        };
        pools.release_all().await;
        status
    });
    // A request that waits for a disk keeps nobody here.
    runtime.shutdown_background();
    status
}

async fn work(job: &Job, pools: &std::sync::Arc<Pools>) -> Result<u8, String> {
    let failed = |error: std::io::Error| reason::of(&error);
    // What outlives the guard comes to this process.
    prctl::set_child_subreaper(true).map_err(|error| error.desc().to_owned())?;
    let mut signals = Signals::new().map_err(failed)?;
    let mut plan = pools.plan();
    let pool = PoolConfig {
        meta: gang::announced(&job.pool.meta, &job.readiness()),
        ..job.pool.clone()
    };
    let handle = plan.pool(job.store.clone(), pool)?;
    plan.commit();
    let mut gang = Gang::new(handle.clone(), job);
    let mut standby = Standby::new(handle.clone(), job.grace);
    loop {
        let waited = tokio::select! {
            waited = gang.wait() => waited,
            () = standby.stand_by(), if !job.expect.is_alone() => continue,
            signal = signals.next_that_matters() => return Ok(signals::status(signal)),
        };
        let roster = match waited {
            Waited::Complete(roster) => roster,
            Waited::TimedOut { full: true } => return Ok(status::FULL),
            Waited::TimedOut { full: false } => return Ok(TIMED_OUT),
        };
        match perform(job, &mut standby, &mut gang, &roster, &mut signals).await? {
            End::Status(status) => return Ok(status),
            End::Again => gang.again(roster.generation),
        }
    }
}

/// How a run of the command ended.
enum End {
    /// With this exit status of ours.
    Status(u8),
    /// It is to be started again, with others.
    Again,
}

/// Runs the command once.
async fn perform(
    job: &Job,
    standby: &mut Standby,
    gang: &mut Gang,
    roster: &Roster,
    signals: &mut Signals,
) -> Result<End, String> {
    let stops = job.policies.stop_on_claim_loss;
    let handle = &standby.handle().clone();
    let mut stretch = handle.ownership.stretch();
    let Some(since) = stretch.borrow().map(|stretch| stretch.since) else {
        return Ok(End::Again);
    };
    let Some((stamp, rank)) = handle.ownership.check().zip(gang.rank(roster)) else {
        return Ok(End::Again);
    };
    let situation = Situation {
        pool: &job.pool.pool,
        pattern: &handle.space().pattern,
        roster,
        rank,
        epoch: stamp.epoch,
        port: job.port,
        by_name: job.by_name,
    };
    let words: Vec<String> = job
        .command
        .iter()
        .map(|word| word.render(&situation))
        .collect();
    let mut variables = situation.variables();
    for framework in &job.frameworks {
        variables.extend(framework.variables(&situation));
    }
    // Deleted when the command has ended.
    let _files = hostfiles(job, &situation, &mut variables)?;
    // A claim that was lost and is held again is another one, also if nobody looked in between.
    let end_of_claim = |stretch: &Option<Stretch>| {
        let same = stretch.filter(|stretch| stretch.since == since);
        same.map(|stretch| stretch.until)
    };
    let first = end_of_claim(&stretch.borrow());
    if stops && first.is_none() {
        return Ok(End::Again);
    }
    let mut command = standby
        .take(stamp)
        .and_then(|guard| guard.begin(&Order { words, variables }, first.filter(|_| stops)))
        .map_err(|error| format!("cannot start the command's guard: {}", reason::of(&error)))?;
    progress::started(&situation);
    let mut end = None;
    // When the command is killed by us: it has been told to end before.
    let mut kill_at: Option<Instant> = None;
    loop {
        // When it is killed although the guard, which may be stopped, has not done it.
        let mut late = None;
        if stops {
            let until = end_of_claim(&stretch.borrow_and_update());
            late = until.map(|until| until.before(guard::KILL_MARGIN / 2).since(BootTime::now()));
            if let Some(until) = until {
                command.may_run_until(until);
            } else if end.is_none() {
                command.stop();
                progress::claim_lost(job.grace);
                end = Some(End::Status(status::CLAIM_LOST));
                kill_at = Some(Instant::now() + job.grace + LATE);
            }
        }
        tokio::select! {
            ended = command.wait() => {
                let status = ended.map_err(|error| format!("the command is lost: {error}"))?;
                if end.is_none() && stops && handle.ownership.check().is_none() {
                    end = Some(End::Status(status::CLAIM_LOST));
                }
                if end.is_none() && !job.expect.is_alone() {
                    gang.ended(roster, status).await;
                }
                return Ok(end.unwrap_or(End::Status(status)));
            }
            // The pool, which tells of changes, lives as long as this does.
            Ok(()) = stretch.changed(), if stops => {}
            lost = gang.lost(roster), if end.is_none() && job.policies.on_member_loss != OnMemberLoss::Continue => {
                let again = job.policies.on_member_loss == OnMemberLoss::Restart;
                command.stop();
                progress::member_lost(&lost, again);
                end = Some(if again { End::Again } else { End::Status(status::MEMBER_LOST) });
                kill_at = Some(Instant::now() + job.grace + LATE);
            }
            signal = signals.next() => {
                if !signals::reached_the_command(signal) {
                    command.signal(signal);
                }
                if end.as_ref().is_some_and(|end| matches!(end, End::Again)) && signals::ends(signal) {
                    end = Some(End::Status(signals::status(signal)));
                }
            }
            () = sleep(late.unwrap_or_default()), if late.is_some() && kill_at.is_none() => {
                command.kill();
                progress::claim_lost(Duration::ZERO);
                end = Some(End::Status(status::CLAIM_LOST));
                kill_at = Some(Instant::now() + LATE);
            }
            () = sleep_until(kill_at.unwrap_or_else(Instant::now)), if kill_at.is_some() => {
                command.kill();
                kill_at = Some(Instant::now() + LATE);
            }
        }
    }
}

/// Writes the files of hosts that are asked for.
fn hostfiles(
    job: &Job,
    situation: &Situation<'_>,
    variables: &mut Vec<(String, String)>,
) -> Result<Vec<NamedTempFile>, String> {
    let mut files = Vec::new();
    if !job.frameworks.contains(&Framework::Mpi) {
        return Ok(files);
    }
    let kinds = [
        (
            false,
            &[
                "CALLSIGN_HOSTFILE",
                "OMPI_MCA_orte_default_hostfile",
                "PRTE_MCA_prte_default_hostfile",
            ][..],
        ),
        (true, &["HYDRA_HOST_FILE"][..]),
    ];
    for (mpich, names) in kinds {
        let written = NamedTempFile::new().and_then(|mut file| {
            file.write_all(frameworks::hostfile(situation, mpich).as_bytes())?;
            Ok(file)
        });
        let file = written
            .map_err(|error| format!("cannot write a file of hosts: {}", reason::of(&error)))?;
        let path = file.path().display().to_string();
        variables.extend(names.iter().map(|name| ((*name).to_owned(), path.clone())));
        files.push(file);
    }
    Ok(files)
}
