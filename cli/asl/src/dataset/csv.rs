//! Text delimited files as Step Functions reads them.
//!
//! The dialect is AWS's own: a quotation mark is doubled in quoted and in bare
//! fields, and a backslash escapes in both. Step Functions developer guide,
//! "How Step Functions parses input CSV files".

/// The rows of `text`, each a list of fields. Lines without anything in them are
/// left out (AWS does not say what becomes of them).
pub(super) fn rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    // Whether the line has anything in it, be it an empty field in quotes.
    let mut begun = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.peek() {
                // Before anything else the backslash is dropped, and that is read as it is.
                Some(&next) if next == '\\' || next == '"' || next == delimiter => {
                    field.push(next);
                    rest.next();
                }
                _ => {}
            },
            '"' if rest.peek() == Some(&'"') && (quoted || !field.is_empty()) => {
                field.push('"');
                rest.next();
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            c if quoted => field.push(c),
            c if c == delimiter => row.push(std::mem::take(&mut field)),
            '\r' if rest.peek() == Some(&'\n') => continue,
            '\n' => {
                if begun {
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                begun = false;
                continue;
            }
            c => field.push(c),
        }
        begun = true;
    }
    if begun {
        row.push(field);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn the_guides_own_example() {
        let text = "abc,123,\"This string contains commas, a double quotation marks (\"\"), and a newline (\n)\",{\"\"MyKey\"\":\"\"MyValue\"\"},\"[1,2,3]\"";
        assert_eq!(
            rows(text, ','),
            [[
                "abc",
                "123",
                "This string contains commas, a double quotation marks (\"), and a newline (\n)",
                "{\"MyKey\":\"MyValue\"}",
                "[1,2,3]"
            ]]
        );
        assert_eq!(
            rows("C:\\\\Program Files\\\\MyApp.exe,6534512\n", ','),
            [["C:\\Program Files\\MyApp.exe", "6534512"]]
        );
    }

    #[test]
    fn escapes_quotes_and_ends_of_lines() {
        assert_eq!(
            rows("a\\,b,c\\d\r\n,\n", ','),
            [vec!["a,b", "cd"], vec!["", ""]]
        );
        assert_eq!(rows("a|b,c", '|'), [["a", "b,c"]]);
        assert_eq!(
            rows("\"\"\n\n\"\"\"x\"\"\",\"", ','),
            [vec![""], vec!["\"x\"", ""]]
        );
        assert_eq!(rows("   \n", ','), [["   "]]);
        assert_eq!(rows("a\\", ','), [["a"]]);
        assert!(rows("", ',').is_empty() && rows("\r\n\n", ',').is_empty());
    }
}
