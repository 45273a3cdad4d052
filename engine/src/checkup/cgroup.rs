//! How much CPU time the control groups of this process allow it: the quota of version 2
//! (`cpu.max`) and of version 1 (`cpu.cfs_quota_us`), the lowest on the way up.

use super::files::Files;

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CpuQuota {
    /// As much as there is.
    Unlimited,
    /// As much as so many cores have.
    Cores(f64),
}

/// A hierarchy of groups, and the group of this process in it.
struct Hierarchy {
    mount_point: String,
    /// From the mount point to the group; empty or with a slash in front.
    group: String,
    is_second: bool,
}

/// What this process is allowed; `None` where control groups cannot be seen.
#[must_use]
pub(super) fn cpu_quota(files: &Files) -> Option<CpuQuota> {
    let groups = files.text("proc/self/cgroup")?;
    let mounts = files.text("proc/self/mountinfo")?;
    let hierarchies: Vec<Hierarchy> = mounts
        .lines()
        .filter_map(|mount| Hierarchy::parse(mount, &groups))
        .collect();
    if hierarchies.is_empty() {
        return None;
    }
    let cores = hierarchies
        .iter()
        .filter_map(|hierarchy| hierarchy.lowest(files))
        .min_by(f64::total_cmp);
    Some(cores.map_or(CpuQuota::Unlimited, CpuQuota::Cores))
}

impl Hierarchy {
    /// From a line of /proc/self/mountinfo, such as `31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup
    /// cgroup rw,cpu`, where that is a hierarchy with CPU time; and from /proc/self/cgroup, with
    /// lines such as `0::/a/b` and `4:cpu,cpuacct:/a/b`.
    fn parse(mount: &str, groups: &str) -> Option<Self> {
        let (head, tail) = mount.split_once(" - ")?;
        let mut head = head.split(' ').skip(3);
        let (root, mount_point) = (head.next()?, head.next()?);
        let mut tail = tail.split(' ');
        let kind = tail.next()?;
        let options = tail.next_back()?;
        let is_second = match kind {
            "cgroup2" => true,
            "cgroup" if options.split(',').any(|option| option == "cpu") => false,
            _ => return None,
        };
        let is_its = |controllers: &str| match is_second {
            true => controllers.is_empty(),
            false => controllers.split(',').any(|controller| controller == "cpu"),
        };
        let group = groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            is_its(controllers).then_some(path)
        })?;
        // In a container the mount may begin at its own group, or the group lie outside of what
        // can be seen (`/../..`): then what can be seen is the best that there is.
        let group = group
            .strip_prefix(root.trim_end_matches('/'))
            .filter(|group| !group.contains("/.."))
            .unwrap_or_default();
        Some(Self {
            mount_point: mount_point.to_owned(),
            group: group.trim_end_matches('/').to_owned(),
            is_second,
        })
    }

    /// The lowest quota from the group up, in cores.
    fn lowest(&self, files: &Files) -> Option<f64> {
        let mut group = self.group.as_str();
        let mut lowest: Option<f64> = None;
        loop {
            let quota = self.quota(files, &format!("{}{group}", self.mount_point));
            lowest = [lowest, quota].into_iter().flatten().min_by(f64::total_cmp);
            match group.rfind('/') {
                Some(end) => group = &group[..end],
                None => return lowest,
            }
        }
    }

    /// That of one folder: microseconds in a period of microseconds.
    fn quota(&self, files: &Files, folder: &str) -> Option<f64> {
        let (quota, period) = if self.is_second {
            let text = files.text(&format!("{folder}/cpu.max"))?;
            let (quota, period) = text.split_once(' ')?;
            (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
        } else {
            let number = |name| files.number::<f64>(&format!("{folder}/cpu.cfs_{name}_us"));
            (number("quota")?, number("period")?)
        };
        (quota > 0.0 && period > 0.0).then_some(quota / period)
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::recorded;
    use super::*;

    const SECOND: &str = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
    const FIRST: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        33 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n";

    fn quota(files: &[(&str, &str)]) -> Option<CpuQuota> {
        let (_folder, files) = recorded(files);
        cpu_quota(&files)
    }

    #[test]
    fn the_lowest_quota_on_the_way_up_counts() {
        let at = |group: &str, outer: &str, inner: &str| {
            quota(&[
                ("proc/self/cgroup", group),
                ("proc/self/mountinfo", SECOND),
                ("sys/fs/cgroup/a/cpu.max", outer),
                ("sys/fs/cgroup/a/b/cpu.max", inner),
            ])
        };
        let cores = |cores| Some(CpuQuota::Cores(cores));
        assert_eq!(
            at("0::/a/b\n", "max 100000\n", "150000 100000\n"),
            cores(1.5)
        );
        assert_eq!(
            at("0::/a/b\n", "50000 100000\n", "150000 100000\n"),
            cores(0.5)
        );
        assert_eq!(
            at("0::/a/b\n", "50000 100000\n", "max 100000\n"),
            cores(0.5)
        );
        assert_eq!(
            at("0::/a\n", "max 100000\n", "1 2\n"),
            Some(CpuQuota::Unlimited)
        );
        assert_eq!(at("0::/\n", "1 2\n", "1 2\n"), Some(CpuQuota::Unlimited));
    }

    #[test]
    fn the_first_version_has_two_files() {
        let at = |quota_us: &str| {
            quota(&[
                (
                    "proc/self/cgroup",
                    "9:name=systemd:/\n3:cpuset:/x\n4:cpu,cpuacct:/docker/1\n0::/\n",
                ),
                ("proc/self/mountinfo", FIRST),
                ("sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us", quota_us),
                ("sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us", "100000\n"),
            ])
        };
        assert_eq!(at("25000\n"), Some(CpuQuota::Cores(0.25)));
        assert_eq!(at("-1\n"), Some(CpuQuota::Unlimited));
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let mount = "32 31 0:29 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        for group in ["0::/docker/1\n", "0::/\n", "0::/../..\n"] {
            let found = quota(&[
                ("proc/self/cgroup", group),
                ("proc/self/mountinfo", mount),
                ("sys/fs/cgroup/cpu.max", "200000 100000\n"),
            ]);
            assert_eq!(found, Some(CpuQuota::Cores(2.0)), "{group}");
        }
    }

    #[test]
    fn without_control_groups_nothing_is_known() {
        assert_eq!(quota(&[]), None);
        let no_groups = [
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", "1 2 0:3 / /proc rw - proc proc rw\n"),
        ];
        assert_eq!(quota(&no_groups), None);
    }
}
