//! Files of this host: what is captured, and what comes back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test")]

mod capture;
mod change;
mod delete;
mod fixture;
mod hostile;
mod identity;
mod large;
mod restore;
mod roots;
mod unprivileged;
