//! The search that `make fuzz` runs: LLVM's libFuzzer, for the target that `FUZZ_TARGET` names.
#![no_main]
#![expect(unsafe_code, reason = "libFuzzer calls a function by its name")]
use std::sync::OnceLock;

use fuzz::Target;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(init: {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    let target = fuzz::named(&name).unwrap_or_else(|| panic!("there is no target {name}"));
    TARGET.get_or_init(|| target);
}, |data: &[u8]| {
    if let Some(target) = TARGET.get() {
        target.run(data);
    }
});
