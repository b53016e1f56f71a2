//! Measured figures are written in one page; what others show of them is the same.

use std::collections::BTreeMap;

use crate::sources::root;

/// A table's rows, by model: each cell by its column's title.
type Table = BTreeMap<String, BTreeMap<String, String>>;

#[test]
fn figures_elsewhere_are_those_of_the_page() {
    let page = tables("docs/performance.md");
    for (route, shown) in tables("README.md") {
        let known = &page[&route];
        for (model, cells) in shown {
            for (title, cell) in cells {
                let expected = known.get(&model).and_then(|row| row.get(&title));
                assert_eq!(
                    expected,
                    Some(&cell),
                    "README.md, {route}, {model}, {title}: run `tools/figures`"
                );
            }
        }
    }
}

/// The tables between `<!-- figures: ROUTE -->` and `<!-- end of figures -->`.
fn tables(path: &str) -> BTreeMap<String, Table> {
    let text = std::fs::read_to_string(root().join(path)).expect("the page can be read");
    let blocks = text.split("<!-- figures: ").skip(1);
    blocks
        .map(|block| {
            let (route, rest) = block.split_once(" -->\n").expect("a marker ends");
            let (table, _) = rest.split_once("<!-- end of figures -->").expect("a table ends");
            (route.to_owned(), rows(table))
        })
        .collect()
}

fn rows(table: &str) -> Table {
    let split = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = table.lines();
    let titles = split(lines.next().expect("a table has titles"));
    lines
        .skip(1)
        .map(|line| {
            let cells = split(line);
            (cells[0].clone(), titles.iter().cloned().zip(cells).collect())
        })
        .collect()
}
