//! Connections to PostgreSQL that die silently, are slow, or lead through a pooler; and a SQLite file that is full, gone
//! or replaced.
mod addresses;
mod credentials;
mod dead;
mod file;
mod messages;
mod pool_size;
mod pooled;
mod scene;
mod sessions;
mod slow;
