//! `carebell openapi`: the description of the HTTP API.

use std::io::Write;

/// Prints it as JSON.
///
/// # Errors
/// When nobody reads the output.
pub fn run(out: &mut impl Write) -> anyhow::Result<u8> {
    writeln!(
        out,
        "{}",
        serde_json::to_string_pretty(&crate::api::document())?
    )?;
    Ok(0)
}
