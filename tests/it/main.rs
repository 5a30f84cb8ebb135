//! Tests with real servers and real processes.

mod front_door;
mod store_etcd;
mod store_local;
mod support;
