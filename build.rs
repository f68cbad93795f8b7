//! Generates Rust from `proto/` and `protocols/` without an installed protoc.
use std::{env, error::Error, fs, path::PathBuf};

#[expect(
    clippy::disallowed_methods,
    reason = "what cargo says to a build script"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    // Neither health nor google.api is a part of the contract: callers have stubs of their own for them, and a program
    // with two files of one name does not start.
    let roots = [here.join("proto"), here.join("protocols")];
    for root in &roots {
        println!("cargo:rerun-if-changed={}", root.display());
    }
    println!("cargo:rerun-if-changed=migrations");

    // The descriptors keep their comments, so that `grpcurl describe` shows them.
    let mut protoc = protox::Compiler::new(&roots)?;
    protoc.include_imports(true).include_source_info(true);
    protoc.open_files([
        "challenges/admin/v1/cache_admin.proto",
        "challenges/admin/v1/challenges_admin.proto",
        "challenges/admin/v1/tips_admin.proto",
        "challenges/admin/v1/feature_flags.proto",
        "challenges/admin/v1/runtime_settings.proto",
        "challenges/catalog/v1/catalog.proto",
        "challenges/catalog/v1/errors.proto",
        "grpc/health/v1/health.proto",
    ])?;
    let descriptors = protoc.encode_file_descriptor_set();
    fs::write(
        PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin"),
        descriptors,
    )?;

    // The command line finds the description of a message by its name.
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        // Its calls are served by transport::unary.
        .server_mod_attribute("challenges.catalog", "#[cfg(any())]")
        .compile_fds_with_config(protoc.file_descriptor_set(), config)?;
    Ok(())
}
