//! Tips of many challenges, written beforehand: `BatchGenerateTips`.
mod bad_input;
mod calling;
mod killed;
mod live;
