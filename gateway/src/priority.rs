//! Threads that may take their time.

/// This thread, and those that it starts, take the processor when nobody else wants it.
pub fn yield_to_others() {
    const NICE: i32 = 15;
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "a thread in the background has the priority of everything else");
    }
}
