//! Tests of the whole parser, by theme.

mod blocks;
mod grammar;
mod imports;
mod limits;
mod properties;
mod rendering;
mod setup;
mod support;
