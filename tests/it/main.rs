//! Tests with real servers and real processes.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy sees the tests' helpers as code that is not a test"
)]

mod admin;
mod cache;
mod cluster_commands;
mod differential;
mod docker;
mod docker_cluster;
mod docker_deaf;
mod docker_domains;
mod docker_endpoints;
mod docker_engine;
mod docker_podman;
mod docker_schedule;
mod docker_several;
mod docker_share;
mod documents;
mod etcd;
mod examples;
mod forward;
mod forward_secure;
mod front_door;
mod hosts;
mod identity;
mod job;
mod page;
mod store_etcd;
mod store_local;
mod support;
mod uniqueness;
