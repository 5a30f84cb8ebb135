//! Names in a folder of this machine.
