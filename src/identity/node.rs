//! Who a node is across restarts.
