mod cache;
mod cold;
mod damage;
mod oracle;
mod support;
