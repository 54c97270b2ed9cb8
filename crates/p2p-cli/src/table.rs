//! Columns for people.

use console::{Alignment, measure_text_width, pad_str};

/// Rows under a heading, each column as wide as its widest cell; the last one is not padded.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(measure_text_width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = measure_text_width(cell).max(*width);
        }
    }
    let line = |cells: [&str; N]| {
        let padded = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| pad_str(cell, width, Alignment::Left, None));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let rows = rows.iter().map(|row| line(row.each_ref().map(String::as_str)));
    let lines: Vec<_> = std::iter::once(line(heading)).chain(rows).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let rows = [["é".to_owned(), "1".to_owned()], ["long".to_owned(), String::new()]];
        assert_eq!(table(["A", "B"], &rows), "A     B\né     1\nlong");
    }
}
