//! `admin` and `man`, as people and scripts meet them.
mod invalidate;
mod man;
mod status;
mod terminal;
mod token;
mod warm;
