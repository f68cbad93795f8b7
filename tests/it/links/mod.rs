//! Links to PostgreSQL that die without a word, or are long.
mod dead;
mod pooled;
mod scene;
mod sessions;
mod slow;
mod words;
