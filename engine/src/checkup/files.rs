//! Reads the small files in which Linux tells of itself (/proc, /sys), below a root that tests
//! choose. What is not there, or may not be read, is `None`, never an error; writes nothing.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No file in question is longer.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A tree of files.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
}

impl Files {
    /// Those of this system.
    #[must_use]
    pub fn of_system() -> Self {
        Self::below("/")
    }

    /// Those below a folder.
    #[must_use]
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// What stands in a file, without blanks around it.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        let mut bytes = Vec::new();
        let file = File::open(self.path(path)).ok()?;
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// The number that stands in a file.
    #[must_use]
    pub fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// The names in a folder, in order; none where there is no such folder.
    #[must_use]
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(path)).into_iter().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// The last part of what a link leads to.
    #[must_use]
    pub fn link_name(&self, path: &str) -> Option<String> {
        let end = std::fs::read_link(self.path(path)).ok()?;
        Some(end.file_name()?.to_str()?.to_owned())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(Path::new(path.trim_start_matches('/')))
    }
}

/// The value of a `Name: value` line.
#[must_use]
pub(super) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

/// Files as they were recorded somewhere, in a folder that goes away.
#[cfg(test)]
pub(super) fn recorded(files: &[(&str, &str)]) -> (tempfile::TempDir, Files) {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let files = Files::below(folder.path());
    (folder, files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_unknown() {
        let (folder, files) = recorded(&[("proc/a", " 12\n"), ("proc/b", "\n"), ("proc/c", "x")]);
        assert_eq!(files.text("/proc/a").as_deref(), Some("12"));
        assert_eq!(files.number("proc/a"), Some(12_u64));
        assert_eq!(files.text("proc/b"), None);
        assert_eq!(files.number::<u64>("proc/c"), None);
        assert_eq!(files.text("proc"), None);
        assert_eq!(files.text("sys/x"), None);
        assert_eq!(files.names("proc"), ["a", "b", "c"]);
        assert!(files.names("sys").is_empty());
        std::os::unix::fs::symlink("../x/virtio_net", folder.path().join("driver")).unwrap();
        assert_eq!(files.link_name("driver").as_deref(), Some("virtio_net"));
        assert_eq!(files.link_name("proc/a"), None);
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let status = "Seccomp:\t2\nSeccomp_filters:\t1\nCpus_allowed_list:\t0-3,8\n";
        assert_eq!(field(status, "Seccomp"), Some("2"));
        assert_eq!(field(status, "Seccomp_filters"), Some("1"));
        assert_eq!(field(status, "Seccom"), None);
    }
}
