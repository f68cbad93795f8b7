//! Logical replication into the catalog's table: what apply workers write is noticed as all else is.
mod all_tables;
mod apply_workers;
mod fixtures;
