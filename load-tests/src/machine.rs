//! What this machine is, and what a process on it has used.

use std::fs;

use anyhow::Context as _;

/// The CPU seconds, user and system, that a process has used (proc(5), `/proc/PID/stat`, fields 14 and 15).
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("{path}: is the process running here?"))?;
    let ticks = cpu_ticks(&stat).with_context(|| format!("{path} is not as proc(5) says"))?;
    #[expect(clippy::cast_precision_loss, reason = "ticks are far from 2^53")]
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
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
        assert!(cpu_seconds(std::process::id()).is_ok());
    }
}
