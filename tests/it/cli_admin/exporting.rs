//! `export FILE` and `--port-file`: a file is replaced by a whole one, and nothing else is taken away.
use std::{
    fs::{self, Permissions},
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use crate::{
    startup::ended::{Ended, run},
    support::{program::run_well, replica::Replica},
};

async fn export(replica: &Replica, file: &Path) -> Ended {
    let file = file.to_str().unwrap();
    let here = [("CATALOG_ADDR", replica.addr().to_string())];
    run(&["admin", "challenges", "export", file], &here).await
}

async fn whole(replica: &Replica) -> String {
    let here = [("CATALOG_ADDR", replica.addr().to_string())];
    run_well(&["admin", "challenges", "export"], &here).await
}

fn make(program: &str, arguments: &[&str]) {
    let made = Command::new(program).args(arguments).status().unwrap();
    assert!(made.success(), "{program} {arguments:?}");
}

#[tokio::test]
async fn a_pipe_gets_the_export_and_stays() {
    let replica = Replica::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    make("mkfifo", &[pipe.to_str().unwrap()]);
    let reading = tokio::task::spawn_blocking({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    export(&replica, &pipe).await.with(0, &[]);
    assert_eq!(reading.await.unwrap(), whole(&replica).await);
    assert!(pipe.metadata().unwrap().file_type().is_fifo());
}

#[tokio::test]
async fn a_device_that_is_full_is_told_and_stays() {
    let replica = Replica::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    symlink("/dev/full", &link).unwrap();
    export(&replica, &link).await.with(1, &["No space left"]);
    assert!(link.symlink_metadata().unwrap().is_symlink());
}

#[tokio::test]
async fn standard_output_by_its_path_gets_the_export_and_nothing_else() {
    let replica = Replica::start(&[]).await;
    for path in ["/dev/stdout", "/dev/fd/1"] {
        let ended = export(&replica, Path::new(path)).await;
        ended.with(0, &[]);
        assert_eq!(ended.out, whole(&replica).await);
    }
}

#[tokio::test]
async fn a_link_to_a_file_or_to_nothing_is_refused_and_not_followed() {
    let replica = Replica::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let (victim, link) = (folder.path().join("victim"), folder.path().join("all.json"));
    symlink(&victim, &link).unwrap();
    export(&replica, &link).await.with(1, &["it is a link"]);
    assert!(!victim.exists());
    fs::write(&victim, "precious").unwrap();
    export(&replica, &link).await.with(1, &["it is a link"]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 2, "nothing stays behind");
}

#[tokio::test]
async fn a_file_that_is_replaced_keeps_its_mode_and_owner() {
    let replica = Replica::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.json");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o604)).unwrap();
    make("chown", &["65534:65534", file.to_str().unwrap()]);
    export(&replica, &file).await.with(0, &[]);
    let there = file.metadata().unwrap();
    assert_eq!(there.permissions().mode() & 0o7777, 0o604);
    assert_eq!((there.uid(), there.gid()), (65_534, 65_534));
    assert_eq!(fs::read_to_string(&file).unwrap(), whole(&replica).await);
}
