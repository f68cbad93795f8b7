//! Starting, and the commands: what works, and what is said when it does not.
mod client_commands;
mod descriptors;
pub mod ended;
mod no_database;
mod no_redis;
mod other_commands;
mod reload;
mod seeding;
mod settings;
mod verifying;
