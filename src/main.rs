//! The binary: a few lines; all else is the library.

fn main() {}
