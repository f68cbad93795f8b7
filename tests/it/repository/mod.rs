//! Both databases, by their ports and by what other programs do to them.
mod contract;
mod fixture;
