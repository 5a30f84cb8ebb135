//! Tests with real servers and real processes.

mod documents;
mod front_door;
mod identity;
mod store_etcd;
mod store_local;
mod support;
mod uniqueness;
