//! One target under libFuzzer: `FUZZ_TARGET` names it, the arguments are libFuzzer's. `fuzz/run` builds and starts it.

#![no_main]

use std::sync::OnceLock;

use runbook_fuzz::targets::{TARGETS, Target, target};

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn choose() {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let Some(chosen) = target(&name) else {
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        panic!("FUZZ_TARGET is `{name}`: it is one of {}", names.join(", "));
    };
    CHOSEN.get_or_init(|| chosen);
}

libfuzzer_sys::fuzz_target!(init: choose(), |data: &[u8]| {
    if let Some(run) = CHOSEN.get() {
        run(data);
    }
});
