//! The `duet` command.

use std::process::ExitCode;

/// The lab makes and drops small documents by the million, which the system's
/// own allocator takes a third of the time for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    duet_cli::main()
}
