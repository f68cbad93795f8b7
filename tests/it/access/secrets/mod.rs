//! What a server keeps to itself.
mod marks;
mod scene;
mod shown;
