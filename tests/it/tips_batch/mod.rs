//! Tips of many challenges, written beforehand: `BatchGenerateTips`.
mod bad_input;
mod batches;
mod calling;
mod imported;
mod killed;
mod live;
mod provider;
