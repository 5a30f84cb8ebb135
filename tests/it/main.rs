//! Tests with real servers and real processes.

mod store_etcd;
mod store_local;
mod support;
