//! Containers: what a Docker Engine (or Podman) runs, followed for as long as anybody wants to know.
//!
//! [`follow`] keeps an [`EngineState`] up to date: it connects, subscribes to events, lists and
//! inspects, and then takes every event as a hint to inspect what it is about. The truth is always
//! what an inspection says, never what an event says, so events may come late, twice, out of order
//! or not at all. The state is told whole and in one piece.
pub mod activity;
pub mod api;
pub mod client;
mod connection;
pub mod container;
pub mod endpoint;
pub mod events;
pub mod follow;
pub mod names;
pub mod places;
pub mod share;
pub mod survey;

pub use container::{Attachment, Container, Health, NetworkMode, Origin, Port, Published};
pub use endpoint::{Endpoint, TlsFiles};
pub use follow::{EngineInfo, EngineState, Network, Pace, follow};
pub use places::Places;
