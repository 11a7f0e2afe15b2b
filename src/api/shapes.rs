//! Shapes of answers that several resources share.

use serde::Serialize;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The rows.
    pub(super) data: Vec<T>,
    /// For the next page; absent on the last one.
    pub(super) next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page with nothing on it.
    pub(super) const fn none() -> Self {
        Self {
            data: Vec::new(),
            next_cursor: None,
        }
    }

    /// A page of up to `limit` rows of the one more that was asked for.
    pub(super) fn of<R>(
        mut rows: Vec<R>,
        limit: i64,
        cursor: impl Fn(&R) -> String,
        show: impl Fn(R) -> T,
    ) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| has_more).map(cursor);
        Self {
            data: rows.into_iter().map(show).collect(),
            next_cursor,
        }
    }
}
