//! Names in etcd.
