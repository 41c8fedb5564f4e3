//! Each rule left out.
