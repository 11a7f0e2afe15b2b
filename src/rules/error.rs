//! What is wrong with a rule, where, and what was expected.

use std::fmt;

/// One fault of a rule, or one warning about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The file, or the id of a rule that is in none.
    pub file: String,
    /// Line of the file, from 1; unknown for JSON.
    pub line: Option<usize>,
    /// The key, such as `step[2].by`; lists count from 1. Empty for the whole document.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for RuleError {}
