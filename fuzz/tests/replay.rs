//! Tries every input of `corpus/` and, for `FUZZ_SECONDS`, changes of them by `FUZZ_SEED`.
use std::{fs, path::Path, time::Duration};

use fuzz::{TARGETS, corpus, named, search};

fn holds(name: &str) {
    let target = named(name).expect("a target");
    let inputs: Vec<_> = corpus(target)
        .expect("a corpus")
        .into_iter()
        .map(|(_, input)| input)
        .collect();
    assert!(!inputs.is_empty(), "{name} has no corpus");
    let setting = |name| std::env::var(name).unwrap_or_default();
    let time = Duration::from_secs(setting("FUZZ_SECONDS").parse().unwrap_or(0));
    let seed = setting("FUZZ_SEED").bytes().fold(1, |seed: u64, byte| {
        seed.wrapping_mul(31).wrapping_add(byte.into())
    });
    match search(target, &inputs, time, seed) {
        Ok(tried) => println!("{name}: {tried} inputs, {} of them kept", inputs.len()),
        Err(find) => {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.input"));
            fs::write(&file, &find.data).expect("the input is written");
            panic!(
                "{}\nfor {:?}\nwhich is in {}",
                find.problem,
                find.data.escape_ascii().to_string(),
                file.display()
            );
        }
    }
}

macro_rules! replayed {
    ($($name:ident),* $(,)?) => {
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
        $(mod $name {
            #[test]
            fn holds_for_every_input_that_is_kept_or_found() {
                super::holds(stringify!($name));
            }
        })*
    };
}

replayed!(
    access_files,
    answers,
    call_heads,
    certificates,
    credentials,
    events,
    http_requests,
    imports,
    names,
    notifications,
    redis_values,
    refusals,
    requests,
    tip_texts,
    tokens,
);

#[test]
fn every_target_is_replayed() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, REPLAYED);
}
