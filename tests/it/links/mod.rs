//! Links to PostgreSQL that die without a word, are long, or lead through a pooler; and a SQLite file that is full, gone
//! or replaced.
mod addresses;
mod connections;
mod dead;
mod file;
mod pooled;
mod scene;
mod sessions;
mod slow;
mod words;
