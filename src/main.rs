//! Parse, call, exit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn main() -> std::process::ExitCode {
    // an image of this process would hold what its environment and its connections do; a debugger's user may raise it again
    let most = getrlimit(Resource::Core).maximum;
    // where it cannot be set nothing is worse than before
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: most });
    runbook::cli::main().into()
}
