//! Parse, call, exit.

fn main() -> std::process::ExitCode {
    runbook::cli::main().into()
}
