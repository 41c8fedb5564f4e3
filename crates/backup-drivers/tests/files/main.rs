//! Files of this host: what is captured, and what comes back.

mod capture;
mod change;
mod delete;
mod fixture;
mod hostile;
mod identity;
mod large;
mod restore;
mod roots;
