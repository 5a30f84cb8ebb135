//! Follows the addresses of this machine.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket,
};
use tokio::net::UnixDatagram;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use super::select::select;
use super::{AddressSelection, Addresses, LIMIT, system};
use crate::reason;

/// How long a burst of changes may go on before it is looked at: Docker makes dozens at once.
const BURST: Duration = Duration::from_millis(100);

/// How often the addresses are looked at where the kernel does not tell of changes.
const POLL: Duration = Duration::from_secs(1);

/// How often the addresses are looked at in any case: sandboxes such as gVisor accept a
/// subscription and never tell of anything.
const RECONCILE: Duration = Duration::from_secs(30);

/// How many messages of the kernel are taken before others may run again.
const AT_ONCE: usize = 1000;

/// Looks for the selected addresses now, and again whenever an address, an interface or a route
/// changes, until all receivers are dropped.
///
/// A change is seen within a fraction of a second. What the receiver has first is what was found
/// before this function returned. Where the kernel cannot be asked, that is said once, and the
/// last addresses stay.
///
/// # Panics
///
/// Outside of a tokio runtime with IO and time.
pub fn watch(selections: Vec<AddressSelection>) -> watch::Receiver<Addresses> {
    // Subscribe before the first look: a change in between must not be missed.
    let changes = Changes::subscribe();
    let first = system::read();
    let mut said = Said::default();
    let first = said
        .unless_failed(first)
        .map(|machine| select(&selections, &machine))
        .inspect(|found| warn_of(found, &Addresses::default()));
    let (sender, receiver) = watch::channel(first.unwrap_or_default());
    tokio::spawn(async move {
        let follow = follow(&selections, &sender, changes, said);
        tokio::select! {
            () = sender.closed() => {}
            () = follow => {}
        }
    });
    receiver
}

async fn follow(
    selections: &[AddressSelection],
    sender: &watch::Sender<Addresses>,
    changes: io::Result<Changes>,
    mut said: Said,
) {
    let mut changes = changes
        .inspect_err(|error| {
            let reason = reason::of(error);
            warn!("addresses are looked up every second: {reason}");
        })
        .ok();
    loop {
        match &changes {
            None => tokio::time::sleep(POLL).await,
            Some(subscription) => {
                if let Ok(Err(error)) = timeout(RECONCILE, subscription.changed()).await {
                    warn!(
                        "addresses are looked up every second from now on: {}",
                        reason::of(&error)
                    );
                    changes = None;
                }
                tokio::time::sleep(BURST).await;
            }
        }
        // The kernel lists a router's million routes for a second, and renewals must not wait.
        let read = spawn_blocking(system::read).await;
        let Some(machine) = said.unless_failed(read.unwrap_or_else(|it| Err(it.into()))) else {
            continue;
        };
        let found = select(selections, &machine);
        sender.send_if_modified(|addresses| {
            let changed = *addresses != found;
            warn_of(&found, addresses);
            *addresses = found;
            changed
        });
    }
}

/// Says what is odd about the addresses and was not so before.
fn warn_of(found: &Addresses, before: &Addresses) {
    let odd = [
        (found.elsewhere != before.elsewhere && !found.elsewhere.is_empty()).then(|| {
            let list = found.elsewhere.iter().map(ToString::to_string);
            let list = list.collect::<Vec<_>>().join(" ");
            format!("no interface of this machine has {list}, published all the same")
        }),
        (found.left_out != before.left_out && found.left_out > 0)
            .then(|| format!("{} more than {LIMIT} are not published", found.left_out)),
    ];
    let odd = odd.into_iter().flatten().collect::<Vec<_>>().join("; ");
    if !odd.is_empty() {
        warn!("addresses: {odd}");
    }
}

/// Whether a failure has been said since the last success.
#[derive(Default)]
struct Said(bool);

impl Said {
    fn unless_failed<T>(&mut self, result: io::Result<T>) -> Option<T> {
        if let Err(error) = &result
            && !self.0
        {
            warn!(
                "cannot list this machine's addresses: {}",
                reason::of(error)
            );
        }
        self.0 = result.is_err();
        result.ok()
    }
}

/// A subscription to the kernel's messages about links, addresses and routes (rtnetlink(7)).
///
/// They are not read: that there is one is the message. Receiving is all that is done with the
/// socket, and that is the same for every socket of datagrams, so the type of another family does.
struct Changes {
    socket: UnixDatagram,
}

impl Changes {
    /// The groups RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR and _IPV6_ROUTE.
    const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

    fn subscribe() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkRoute,
        )?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, Self::GROUPS))?;
        let socket = UnixDatagram::from_std(socket.into())?;
        Ok(Self { socket })
    }

    /// Waits for a change and forgets all that are waiting. Dropping the future loses nothing.
    async fn changed(&self) -> io::Result<()> {
        self.socket.readable().await?;
        let mut buffer = [0; 4096];
        for _ in 0..AT_ONCE {
            match self.socket.try_recv(&mut buffer) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // More changes than the socket could hold are changes as well.
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
