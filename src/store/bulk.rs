//! Many new rows of one table: one statement for some dozens of them, with every value a parameter.
//!
//! For sets of thousands this is several times as fast as reading each value out of JSON. What varies with the
//! number of rows is the count of placeholders alone.

use std::sync::{Arc, OnceLock};

use super::{StoreError, Tx, on};

/// How many rows one statement takes; what is left over goes by the next smaller one.
const SIZES: [usize; 3] = [64, 8, 1];

/// A value of a row.
pub(super) enum Cell<'a> {
    Text(&'a str),
    Told(Option<&'a str>),
    Number(i64),
    Counted(Option<i64>),
    Flag(bool),
}

/// An `INSERT` without its rows.
pub(super) struct Insert {
    /// `INSERT INTO … VALUES`.
    pub(super) head: &'static str,
    /// One row: `?` for a value of its own, `$1` and on for what all rows share.
    pub(super) row: &'static str,
    /// `ON CONFLICT …`.
    pub(super) tail: &'static str,
    /// How many values all rows share.
    pub(super) shared: usize,
    texts: [OnceLock<Arc<str>>; 3],
}

impl Insert {
    pub(super) const fn new(
        head: &'static str,
        row: &'static str,
        tail: &'static str,
        shared: usize,
    ) -> Self {
        Self {
            head,
            row,
            tail,
            shared,
            texts: [OnceLock::new(), OnceLock::new(), OnceLock::new()],
        }
    }

    /// The statement for as many rows as `SIZES[size]`.
    fn text(&self, size: usize) -> Arc<str> {
        let text = self.texts[size].get_or_init(|| {
            let (mut text, mut next) = (format!("{} ", self.head), self.shared);
            for n in 0..SIZES[size] {
                if n > 0 {
                    text.push_str(", ");
                }
                for part in self.row.split_inclusive('?') {
                    match part.strip_suffix('?') {
                        Some(part) => {
                            next += 1;
                            text.push_str(part);
                            text.push('$');
                            text.push_str(&next.to_string());
                        }
                        None => text.push_str(part),
                    }
                }
            }
            text.push(' ');
            text.push_str(self.tail);
            Arc::from(text)
        });
        Arc::clone(text)
    }

    /// Inserts `rows`; returns how many went in. `cells` adds a row's own values in their order.
    pub(super) async fn run<'a, T>(
        &self,
        tx: &mut Tx,
        shared: &[Cell<'a>],
        rows: &'a [T],
        cells: impl Fn(&'a T, &mut Vec<Cell<'a>>),
    ) -> Result<u64, StoreError> {
        let (mut rest, mut inserted) = (rows, 0);
        for (size, count) in SIZES.into_iter().enumerate() {
            while rest.len() >= count {
                let (some, others) = rest.split_at(count);
                rest = others;
                let mut values = Vec::new();
                for row in some {
                    cells(row, &mut values);
                }
                // Built of constants and placeholders alone.
                let text = sqlx::AssertSqlSafe(self.text(size));
                macro_rules! query {
                    () => {
                        shared
                            .iter()
                            .chain(&values)
                            .fold(sqlx::query(text), |query, cell| match cell {
                                Cell::Text(text) => query.bind(*text),
                                Cell::Told(text) => query.bind(*text),
                                Cell::Number(number) => query.bind(*number),
                                Cell::Counted(number) => query.bind(*number),
                                Cell::Flag(flag) => query.bind(*flag),
                            })
                    };
                }
                inserted += on!(&mut *tx, conn => query!().execute(conn).await.map(|done| done.rows_affected()))?;
            }
        }
        Ok(inserted)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Insert};
    use crate::store::{StoreError, on, testing};

    #[tokio::test]
    async fn any_number_of_rows_goes_in_and_those_that_are_there_are_not_counted()
    -> Result<(), StoreError> {
        static SITE: Insert = Insert::new(
            "INSERT INTO site (value, name) VALUES",
            "($1, ?)",
            "ON CONFLICT (name) DO NOTHING",
            1,
        );
        for test in testing::stores().await {
            let mut tx = test.store.write().await?;
            let names: Vec<String> = (0..150).map(|n| format!("n{n}")).collect();
            for (some, expected) in [(&names[..0], 0), (&names[..1], 1), (&names[..], 149)] {
                let shared = [Cell::Text("v")];
                let inserted = SITE
                    .run(&mut tx, &shared, some, |name, cells| {
                        cells.push(Cell::Text(name));
                    })
                    .await?;
                assert_eq!(inserted, expected);
            }
            let count: i64 = on!(&mut tx, conn => sqlx::query_scalar("SELECT COUNT(*) FROM site WHERE value = 'v' AND name LIKE 'n%'").fetch_one(conn).await)?;
            assert_eq!(count, 150);
        }
        Ok(())
    }
}
