//! What this machine is, and what a process on it has used.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

/// The CPU time, user and system, that a process has used (proc(5), `/proc/PID/stat`, fields 14 and 15).
pub(crate) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("{path}: is the process running here?"))?;
    let ticks = cpu_ticks(&stat).with_context(|| format!("{path} is not as proc(5) says"))?;
    Ok(Duration::from_millis(1000 * ticks / clock_ticks_per_second()))
}

/// The memory that a process holds, in bytes (proc(5), `/proc/PID/status`, VmRSS).
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status =
        fs::read_to_string(&path).with_context(|| format!("{path}: is the process running here?"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(1024 * kilobytes.with_context(|| format!("{path} is not as proc(5) says"))?)
}

/// The CPU time that this thread has used.
pub(crate) fn thread_cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// The process that listens at `address`, if that is on loopback and the process may be looked at.
pub(crate) fn listener(address: SocketAddr) -> Option<u32> {
    if !address.ip().is_loopback() {
        return None;
    }
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let inode =
        tables.iter().flat_map(|table| table.lines()).find_map(|line| listens(line, address.port()))?;
    let socket = format!("socket:[{inode}]");
    let has_it = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|link| link.as_os_str() == &*socket)
    };
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(has_it)
}

/// The inode of the socket that a line of `/proc/net/tcp` is about, if it listens on `port`.
fn listens(line: &str, port: u16) -> Option<&str> {
    const LISTEN: &str = "0A";
    let fields: Vec<_> = line.split_whitespace().collect();
    let (_, local) = fields.get(1)?.rsplit_once(':')?;
    let is_it = u16::from_str_radix(local, 16).ok()? == port && *fields.get(3)? == LISTEN;
    fields.get(9).copied().filter(|_| is_it)
}

fn cpu_ticks(stat: &str) -> Option<u64> {
    // The second field is the program's name in brackets and may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// How this program was called, without the directory it is in.
pub(crate) fn command() -> String {
    let mut args = std::env::args();
    let program = args.next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default().to_owned();
    args.fold(name, |line, arg| line + " " + &arg)
}

/// Processor, cores, memory and kernel, in one line.
pub(crate) fn line() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    let processor =
        field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kilobytes = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let gibibytes = kilobytes.trim_end_matches(" kB").parse::<u64>().unwrap_or_default() >> 20;
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{processor}, {cores} cores, {gibibytes} GiB, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 9 0 0 0 120 34 0 0 20 0 4 0 99 1 2";
        assert_eq!(cpu_ticks(stat), Some(154));
        assert_eq!(cpu_ticks("7 (x"), None);
        assert!(cpu_time(std::process::id()).is_ok());
        assert!(resident_bytes(std::process::id()).unwrap() > 1 << 16);
    }

    #[test]
    fn whoever_listens_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(super::listener(listener.local_addr().unwrap()), Some(std::process::id()));
        assert_eq!(super::listener("192.0.2.1:2775".parse().unwrap()), None);
    }
}
