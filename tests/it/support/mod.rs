//! What the tests stand on: real servers, started and stopped.

pub(crate) mod callsign;
pub(crate) mod dns;
pub(crate) mod etcd;
pub(crate) mod gate;
pub(crate) mod http;
pub(crate) mod https;
pub(crate) mod upstream;
