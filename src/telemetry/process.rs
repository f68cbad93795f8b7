//! Reads from `/proc` what this process uses of CPU, memory and descriptors, for the page of metrics.
use std::fs;

use rustix::process::{Resource, getrlimit};

use super::Page;

/// The kernel tells times in hundredths of a second to programs, whatever its own clock does
/// (`USER_HZ` of proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// What `/proc` says of this process, by the names that all client libraries of Prometheus use;
/// nothing where there is no `/proc`.
pub fn process_metrics(page: &mut Page) {
    if let Some(stat) = Stat::read() {
        page.counter(
            "process_cpu_seconds_total",
            "CPU time of this process on all cores, in seconds.",
        )
        .sample(&[], stat.cpu_seconds);
        page.gauge(
            "process_start_time_seconds",
            "Start time of this process, in seconds since 1970.",
        )
        .sample(&[], stat.started_at);
        page.gauge("process_threads", "Threads of this process.")
            .sample(&[], stat.threads);
    }
    if let Some([resident, all]) = memory() {
        page.gauge(
            "process_resident_memory_bytes",
            "Resident memory of this process, in bytes.",
        )
        .sample(&[], resident);
        page.gauge(
            "process_virtual_memory_bytes",
            "Virtual memory of this process, in bytes.",
        )
        .sample(&[], all);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One is that of the folder itself.
        let open = open.count().saturating_sub(1);
        page.gauge("process_open_fds", "Open file descriptors.")
            .sample(&[], open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        page.gauge(
            "process_max_fds",
            "The most file descriptors that may be open.",
        )
        .sample(&[], most);
    }
}

#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    threads: u64,
    /// In seconds since 1970.
    started_at: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let system = fs::read_to_string("/proc/stat").ok()?;
        Self::parse(&stat, &system)
    }

    /// Reads fields 14, 15, 20 and 22 of `/proc/self/stat`, and when the machine started.
    fn parse(stat: &str, system: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, and may hold anything.
        let (_, rest) = stat.rsplit_once(") ")?;
        let field = |number: usize| rest.split(' ').nth(number.checked_sub(3)?)?.parse().ok();
        let ticks = |number| -> Option<f64> { field(number) };
        let booted = system
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?;
        let booted: f64 = booted.trim().parse().ok()?;
        Some(Self {
            cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
            threads: rest.split(' ').nth(17)?.parse().ok()?,
            started_at: booted + ticks(22)? / TICKS_PER_SECOND,
        })
    }
}

/// Resident and all memory, in bytes.
fn memory() -> Option<[u64; 2]> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes << 10)
    };
    Some([bytes("VmRSS:")?, bytes("VmSize:")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_moves_no_field() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 12345 1 2 3";
        let read = Stat::parse(stat, "cpu 1 2\nbtime 1000\n").unwrap();
        let expected = Stat {
            cpu_seconds: 3.0,
            threads: 9,
            started_at: 1123.45,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn this_process_has_figures() {
        let mut page = Page::default();
        process_metrics(&mut page);
        let text = page.into_text();
        let names = text.lines().filter(|line| line.starts_with("# TYPE"));
        assert_eq!(names.count(), 7, "{text}");
    }
}
