//! `callsign run`: a command under a name.

use std::time::Duration;

use super::flags::{Guard, OnClaimLoss, Run};
use super::pool::pool;
use crate::console::complain;
use crate::identity::address::AddressSelection;
use crate::identity::pool::PoolConfig;
use crate::identity::pools::{NodeOptions, StoreConfig};
use crate::run::{self, Expectation, FAILED, GuardOptions, Job, Policies, Word};

/// Runs the command; returns the exit status.
pub(super) fn run(flags: &Run) -> u8 {
    match job(flags) {
        Ok(job) => {
            crate::log::start_quietly();
            run::run(&job)
        }
        Err(message) => {
            complain(message.trim_end());
            FAILED
        }
    }
}

fn job(flags: &Run) -> Result<Job, String> {
    let (store, pool) = pool(&flags.pool)?;
    let error = |message: String| format!("error: {message}");
    let limit = pool.space.limit;
    let expect = &flags.expect;
    if expect.total() > limit {
        return Err(error(format!(
            "--expect {expect}: the pool has only {limit} names: raise its limit"
        )));
    }
    check_role(expect, flags.role.as_deref()).map_err(error)?;
    let grace = flags.grace.unwrap_or(flags.ttl / 6);
    // In the local store nothing ends by time.
    if matches!(store, StoreConfig::Etcd(_)) && flags.on_claim_loss == OnClaimLoss::Stop {
        check_times(flags.ttl, grace).map_err(error)?;
    }
    let words = flags
        .command
        .iter()
        .map(|word| Word::parse(word, flags.role.is_some()));
    let command = words.collect::<Result<Vec<_>, _>>().map_err(error)?;
    let addresses = flags
        .address
        .iter()
        .map(|word| AddressSelection::parse(word));
    let addresses = addresses.collect::<Result<Vec<_>, _>>().map_err(error)?;
    Ok(Job {
        store,
        pool: PoolConfig {
            claim: true,
            ttl: flags.ttl,
            sticky: flags.sticky.0,
            addresses: if addresses.is_empty() {
                pool.addresses
            } else {
                addresses
            },
            ..pool
        },
        node: NodeOptions {
            state_folder: flags.state.clone(),
            ..NodeOptions::default()
        },
        expect: flags.expect.clone(),
        role: flags.role.clone(),
        timeout: flags.timeout,
        policies: Policies {
            stop_on_claim_loss: flags.on_claim_loss == OnClaimLoss::Stop,
            on_member_loss: flags.on_member_loss,
        },
        grace,
        frameworks: flags.frameworks.clone(),
        port: flags.port,
        by_name: flags.by_name,
        command,
    })
}

/// Checks that a member says its role exactly where roles are expected, and one of them.
fn check_role(expect: &Expectation, role: Option<&str>) -> Result<(), String> {
    let roles: Vec<&str> = expect.roles().iter().map(|it| it.name.as_str()).collect();
    let all = roles.join(", ");
    match role {
        None if roles.is_empty() => Ok(()),
        None => Err(format!(
            "--expect {expect}: say which of these this member is: --role with one of {all}"
        )),
        Some(role) if roles.is_empty() => Err(format!(
            "--role {role}: --expect must say how many members each role has, as {role}=1,worker=4"
        )),
        Some(role) if roles.contains(&role) => Ok(()),
        Some(role) => Err(format!(
            "--role {role}: --expect has only {all}: correct it, or add {role}=N there, for all members alike"
        )),
    }
}

/// The shortest life of a name whose command is ended in time.
const LEAST_TTL: Duration = Duration::from_secs(5);

/// Checks that a command that must have ended before its claim is not told to end between two
/// renewals, which are a third of the life of a name apart, not even where one of them fails.
fn check_times(ttl: Duration, grace: Duration) -> Result<(), String> {
    if ttl < LEAST_TTL {
        return Err(format!(
            "--ttl {ttl:?}: the command must end before the name does, which takes {LEAST_TTL:?} at least"
        ));
    }
    if grace > ttl / 4 {
        return Err(format!(
            "--grace {grace:?}: the command must have ended before the name does, so it is a quarter of --ttl ({ttl:?}) at most"
        ));
    }
    Ok(())
}

/// Guards a command; returns its exit status.
pub(super) fn guard(flags: &Guard) -> u8 {
    run::guard(&GuardOptions {
        control: flags.control,
        order: flags.order,
        grace: Duration::from_millis(flags.grace),
    })
}
