//! Tables in Markdown that are readable as they stand.

use std::fmt;

/// Rows under a head; the first column is text, the others figures.
#[derive(Clone, Debug)]
pub struct Table(Vec<Vec<String>>);

impl Table {
    /// A table with this head.
    #[must_use]
    pub fn new<const N: usize>(head: [&str; N]) -> Self {
        Self(vec![head.iter().map(ToString::to_string).collect()])
    }

    /// A table whose width follows from the data.
    #[must_use]
    pub fn with_head(head: Vec<String>) -> Self {
        Self(vec![head])
    }

    /// Adds a row to such a table, as wide as the head.
    pub fn push(&mut self, row: Vec<String>) {
        assert_eq!(self.0[0].len(), row.len(), "a row is as wide as the head");
        self.0.push(row);
    }

    /// Adds a row, as wide as the head.
    pub fn row<const N: usize>(&mut self, row: [String; N]) {
        assert_eq!(self.0[0].len(), N, "a row is as wide as the head");
        self.0.push(row.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| self.0.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..self.0[0].len()).filter_map(width).collect();
        for (number, row) in self.0.iter().enumerate() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 {
                    write!(formatter, "| {cell:<width$} |")?;
                } else {
                    write!(formatter, " {cell:>width$} |")?;
                }
            }
            writeln!(formatter)?;
            if number == 0 {
                write!(formatter, "|{:-<1$}|", "", widths[0] + 2)?;
                for width in &widths[1..] {
                    write!(formatter, "{:-<1$}:|", "", width + 1)?;
                }
                writeln!(formatter)?;
            }
        }
        Ok(())
    }
}
