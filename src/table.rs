//! Tables on a terminal: columns as wide as they must be, lines as wide as there is room.

use crate::console::plain;

/// What stands between two columns.
const GAP: usize = 2;

/// What a column is narrowed to before others are narrowed further.
const LEAST: usize = 8;

/// The lines of a table, the heads first. Cells lose what a terminal takes for orders. Lines longer
/// than `width` are made to fit by cutting cells of the widest columns; [`None`] for no limit.
pub(crate) fn lines<const N: usize>(
    heads: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    width: Option<usize>,
) -> Vec<String> {
    let heads = heads.map(str::to_owned);
    let rows = std::iter::once(heads).chain(rows);
    let rows: Vec<[String; N]> = rows.map(|row| row.map(|cell| plain(&cell))).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(length(cell));
        }
    }
    if let Some(width) = width {
        narrow(&mut widths, width);
    }
    rows.iter().map(|row| line(row, &widths, width)).collect()
}

/// Takes from the widest columns until all of them have room.
fn narrow(widths: &mut [usize], room: usize) {
    // A column that nothing stands in has no gap either.
    let gaps = |widths: &[usize]| {
        GAP * widths
            .iter()
            .filter(|it| **it > 0)
            .count()
            .saturating_sub(1)
    };
    loop {
        let wanted = widths.iter().sum::<usize>() + gaps(widths);
        let Some(widest) = widths.iter_mut().max() else {
            return;
        };
        if wanted <= room || *widest <= LEAST {
            return;
        }
        *widest -= 1;
    }
}

fn line(row: &[String], widths: &[usize], room: Option<usize>) -> String {
    let mut line = String::new();
    for (cell, &width) in row.iter().zip(widths).filter(|(_, width)| **width > 0) {
        let cell = cut(cell, width);
        line += &format!("{cell:width$}{:GAP$}", "");
    }
    let line = line.trim_end();
    room.map_or_else(|| line.to_owned(), |room| cut(line, room))
}

/// The beginning of a text that has no room.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(std::iter::once('…').take(width)).collect()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[[&str; 3]]) -> Vec<[String; 3]> {
        cells.iter().map(|row| row.map(str::to_owned)).collect()
    }

    /// If this fails, columns do not stand below their heads.
    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let table = lines(
            ["A", "LONG", ""],
            rows(&[["äöü", "b", "c"], ["1", "", ""]]),
            None,
        );
        assert_eq!(table, ["A    LONG", "äöü  b     c", "1"]);
    }

    /// If this fails, a table breaks over the lines of a narrow terminal, and a view that is drawn
    /// again runs off the screen.
    #[test]
    fn a_table_fits_into_the_terminal() {
        let wide = "x".repeat(100);
        for width in [1, 2, 10, 40, 79, 200] {
            let table = lines(
                ["A", "B", "C"],
                rows(&[["short", &wide, &wide]]),
                Some(width),
            );
            assert!(table.iter().all(|line| length(line) <= width), "{table:?}");
        }
        let table = lines(["A", "B", "C"], rows(&[["short", &wide, "last"]]), Some(40));
        assert!(table[1].starts_with("short  xxx") && table[1].ends_with("…  last"));
    }

    /// If this fails, whoever may write a record can write on the terminals of those who look.
    #[test]
    fn no_orders_reach_a_terminal() {
        let table = lines(
            ["A"],
            [["\u{1b}[2Jx\r\n\u{9b}1m\u{202e}\t".to_owned()]],
            None,
        );
        assert_eq!(table[1], "?[2Jx???1m??");
    }
}
