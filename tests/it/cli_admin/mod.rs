//! `admin` and `man`, as people and scripts meet them.
mod invalidate;
mod man;
mod status;
mod terminal;
mod tls;
mod token;
mod warm;
