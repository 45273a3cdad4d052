//! Where figures are kept: sections of PERFORMANCE.md between two markers, and files with one line
//! of JSON per run.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::Result;

/// `page` with `section` between the markers of this name; nothing else is touched.
///
/// # Errors
/// The markers are not there, or not in order.
pub fn between(page: &str, name: &str, section: &str) -> Result<String> {
    let (begin, end) = (
        format!("<!-- {name}:begin -->"),
        format!("<!-- {name}:end -->"),
    );
    let parts = page.split_once(&begin);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) =
        parts.ok_or_else(|| format!("PERFORMANCE.md has no section between {begin} and {end}"))?;
    Ok(format!("{before}{begin}\n{}\n{end}{after}", section.trim()))
}

/// Appends a line of JSON, and hands it to the kernel at once. Makes the folder where it is missing.
///
/// # Errors
/// The file or its folder cannot be written.
pub fn append(path: &Path, line: &impl Serialize) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let text = serde_json::to_string(line)? + "\n";
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())
        .map_err(|error| format!("{}: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let page =
            "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n<!-- y:begin -->\n<!-- y:end -->\n";
        let once = between(page, "x", "new\n").unwrap();
        assert_eq!(once, page.replace("old", "new"));
        assert_eq!(between(&once, "x", "new").unwrap(), once);
    }

    #[test]
    fn a_page_without_markers_is_left_alone() {
        for page in ["", "<!-- x:begin -->", "<!-- x:end --> <!-- x:begin -->"] {
            let error = between(page, "x", "new").unwrap_err().to_string();
            assert!(error.contains("<!-- x:begin -->"), "{error}");
        }
    }
}
