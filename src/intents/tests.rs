//! Replies of our own.
