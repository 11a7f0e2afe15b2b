//! Many new rows of one table: one statement for some dozens of them, with every value a parameter.
//!
//! For sets of thousands this is several times as fast as reading each value out of JSON. What varies with the
//! number of rows is the count of placeholders alone.

use std::sync::{Arc, OnceLock};

use super::{StoreError, Tx, on};

/// How many rows one statement takes; what is left over goes by the next smaller one.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// A value of a row.
#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    Text(&'a str),
    Told(Option<&'a str>),
    Number(i64),
    Counted(Option<i64>),
    Flag(bool),
}

/// How a database likes its placeholders.
#[derive(Clone, Copy)]
enum Style {
    /// `?`: SQLite looks for the name of a numbered one among all of them, each time one is bound.
    Plain,
    /// `$1`: PostgreSQL knows no other.
    Numbered,
}

/// An `INSERT` without its rows.
pub(super) struct Insert {
    /// `INSERT INTO … VALUES`.
    head: &'static str,
    /// One row: `?` for a value of its own, `$1` to `$9` for what all rows share.
    row: &'static str,
    /// `ON CONFLICT …`.
    tail: &'static str,
    plain: [OnceLock<Arc<str>>; 4],
    numbered: [OnceLock<Arc<str>>; 4],
}

impl Insert {
    pub(super) const fn new(head: &'static str, row: &'static str, tail: &'static str) -> Self {
        Self {
            head,
            row,
            tail,
            plain: [const { OnceLock::new() }; 4],
            numbered: [const { OnceLock::new() }; 4],
        }
    }

    /// The statement for as many rows as `SIZES[size]`.
    fn text(&self, size: usize, style: Style) -> Arc<str> {
        let texts = match style {
            Style::Plain => &self.plain,
            Style::Numbered => &self.numbered,
        };
        let text = texts[size].get_or_init(|| {
            let (mut text, mut next) = (format!("{} ", self.head), 0);
            for n in 0..SIZES[size] {
                text.push_str(if n > 0 { ", " } else { "" });
                let mut letters = self.row.chars();
                while let Some(letter) = letters.next() {
                    match (letter, style) {
                        ('$', _) => {
                            // The number of what is shared: its value is bound again with every row.
                            let _ = letters.next();
                        }
                        ('?', _) => {}
                        (letter, _) => {
                            text.push(letter);
                            continue;
                        }
                    }
                    next += 1;
                    match style {
                        Style::Plain => text.push('?'),
                        Style::Numbered => text.push_str(&format!("${next}")),
                    }
                }
            }
            text.push(' ');
            text.push_str(self.tail);
            Arc::from(text)
        });
        Arc::clone(text)
    }

    /// Puts the values of one row into the order of its placeholders.
    fn arrange<'a>(&self, shared: &[Cell<'a>], own: &[Cell<'a>], values: &mut Vec<Cell<'a>>) {
        let (mut own, row) = (own.iter(), self.row.as_bytes());
        for (at, letter) in row.iter().enumerate() {
            let cell = match letter {
                b'?' => own.next(),
                b'$' => row
                    .get(at + 1)
                    .and_then(|digit| shared.get(usize::from(digit.wrapping_sub(b'1')))),
                _ => continue,
            };
            values.extend(cell);
        }
    }

    /// Inserts `rows`; returns how many went in. `cells` adds a row's own values in their order.
    pub(super) async fn run<'a, T>(
        &self,
        tx: &mut Tx,
        shared: &[Cell<'a>],
        rows: &'a [T],
        cells: impl Fn(&'a T, &mut Vec<Cell<'a>>),
    ) -> Result<u64, StoreError> {
        let style = match tx {
            Tx::Sqlite(_) => Style::Plain,
            Tx::Postgres(_) => Style::Numbered,
        };
        let (mut rest, mut inserted) = (rows, 0);
        let (mut own, mut values) = (Vec::new(), Vec::new());
        for (size, count) in SIZES.into_iter().enumerate() {
            while rest.len() >= count {
                let (some, others) = rest.split_at(count);
                rest = others;
                values.clear();
                for row in some {
                    own.clear();
                    cells(row, &mut own);
                    self.arrange(shared, &own, &mut values);
                }
                // Built of constants and placeholders alone.
                let text = sqlx::AssertSqlSafe(self.text(size, style));
                macro_rules! query {
                    () => {
                        values
                            .iter()
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
