mod cache;
mod cold;
mod damage;
mod hostile;
mod merge;
mod oracle;
pub(super) mod support;
