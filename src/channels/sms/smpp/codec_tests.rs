//! Golden PDUs, a second codec as oracle, and mutations.
