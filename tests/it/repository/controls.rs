//! Facts about the rows of flags and settings, for the contract.
use challenges_catalog::domain::{
    ControlDraft, ControlKind, ControlRow, DraftValue, Environment, Flag, FlagValue, RawFlag,
    RuntimeSetting,
};

use super::fixture::Catalog;

/// A row that switches a flag off everywhere.
pub fn off(flag: Flag) -> ControlDraft {
    ControlDraft {
        value: DraftValue::Flag(flag, FlagValue::all(false)),
        environment: Environment::all(),
        description: Some("for a test".to_owned()),
    }
}

/// A row for how long answers stay cached.
pub fn ttl(environment: &str, ms: u64) -> ControlDraft {
    ControlDraft {
        value: DraftValue::Setting(RuntimeSetting::CacheTtlMs, ms),
        environment: Environment::parse(environment).unwrap(),
        description: None,
    }
}

async fn only_flag(catalog: &Catalog) -> ControlRow<RawFlag> {
    let mut rows = catalog.store.controls().await.unwrap();
    assert_eq!(rows.flags.len(), 1);
    rows.flags.remove(0)
}

pub async fn without_rows_there_is_still_a_version(catalog: Catalog) {
    let rows = catalog.store.controls().await.unwrap();
    assert!(rows.flags.is_empty() && rows.settings.is_empty());
    assert_eq!(rows.version.stamp.seq, catalog.head().await);
    assert_ne!(rows.version.database.0, 0);
}

pub async fn rows_that_others_wrote_are_read_as_they_are(catalog: Catalog) {
    let insert = "INSERT INTO feature_flags (name, enabled) VALUES ('near_cache', true)";
    catalog.execute(insert).await;
    let row = only_flag(&catalog).await;
    let raw = RawFlag {
        enabled: Some(true),
        rollout: Some(100),
    };
    assert_eq!((row.name.as_str(), row.raw), ("near_cache", raw));
    assert_eq!(row.environment.as_deref(), Some("all"));
    assert!(row.created_at.is_some() && row.updated_at.is_some());
    assert_eq!((row.created_by, row.description), (None, None));
    let empty = "UPDATE feature_flags SET environment = NULL, rollout_percentage = NULL";
    catalog.execute(empty).await;
    let emptied = only_flag(&catalog).await;
    assert_eq!((emptied.environment, emptied.raw.rollout), (None, None));
    assert_ne!(emptied.fingerprint, row.fingerprint);
}

pub async fn rows_of_names_that_are_not_ours_are_not_read(catalog: Catalog) {
    let insert = "INSERT INTO feature_flags (name, enabled) VALUES ('of_the_app', true), ('near_cache', true)";
    catalog.execute(insert).await;
    let settings = catalog.table("runtime_settings");
    let insert = format!("INSERT INTO {settings} (name, value) VALUES ('of_the_app', 5)");
    catalog.execute(&insert).await;
    assert_eq!(only_flag(&catalog).await.name, "near_cache");
    assert_eq!(catalog.store.controls().await.unwrap().settings, []);
}

pub async fn a_row_is_written_only_in_place_of_the_one_that_was_seen(catalog: Catalog) {
    let store = &catalog.store;
    let first = store.put(None, &off(Flag::NearCache), Some("ann")).await;
    let first = first.unwrap().unwrap();
    assert_eq!(first.seq, catalog.head().await);
    let seen = only_flag(&catalog).await;
    assert_eq!(seen.raw.enabled, Some(false));
    assert_eq!(seen.description.as_deref(), Some("for a test"));
    assert_eq!(
        (seen.created_by.as_deref(), seen.updated_by.as_deref()),
        (Some("ann"), Some("ann"))
    );
    let on = ControlDraft {
        value: DraftValue::Flag(Flag::NearCache, FlagValue::all(true)),
        environment: Environment::parse("staging").unwrap(),
        description: None,
    };
    let second = store.put(Some(&seen.fingerprint), &on, Some("ben")).await;
    assert!(second.unwrap().unwrap() > first);
    let now = only_flag(&catalog).await;
    assert_eq!(
        (now.raw.enabled, now.environment.as_deref()),
        (Some(true), Some("staging"))
    );
    assert_eq!(
        (now.created_by.as_deref(), now.updated_by.as_deref()),
        (Some("ann"), Some("ben"))
    );
    let late = store
        .put(Some(&seen.fingerprint), &off(Flag::NearCache), None)
        .await;
    assert_eq!(late.unwrap(), None);
    assert_eq!(only_flag(&catalog).await, now);
}

pub async fn a_new_row_that_somebody_else_made_first_is_left_alone(catalog: Catalog) {
    let insert = "INSERT INTO feature_flags (name, enabled) VALUES ('near_cache', true)";
    catalog.execute(insert).await;
    let before = (only_flag(&catalog).await, catalog.head().await);
    let late = catalog.store.put(None, &off(Flag::NearCache), None).await;
    assert_eq!(late.unwrap(), None);
    assert_eq!((only_flag(&catalog).await, catalog.head().await), before);
}

pub async fn a_row_is_taken_out_only_as_it_was_seen(catalog: Catalog) {
    let (store, name) = (&catalog.store, "near_cache");
    store.put(None, &off(Flag::NearCache), None).await.unwrap();
    let seen = only_flag(&catalog).await.fingerprint;
    let edit = "UPDATE feature_flags SET description = 'edited'";
    catalog.execute(edit).await;
    let late = store.remove(ControlKind::Flag, name, &seen).await;
    assert_eq!(late.unwrap(), None);
    let seen = only_flag(&catalog).await.fingerprint;
    let gone = store.remove(ControlKind::Flag, name, &seen).await.unwrap();
    assert_eq!(gone.unwrap().seq, catalog.head().await);
    assert!(store.controls().await.unwrap().flags.is_empty());
}

pub async fn the_same_name_has_a_setting_for_each_environment(catalog: Catalog) {
    let store = &catalog.store;
    for draft in [ttl("all", 5_000), ttl("staging", 7_000)] {
        assert!(store.put(None, &draft, None).await.unwrap().is_some());
    }
    assert_eq!(
        store.put(None, &ttl("all", 6_000), None).await.unwrap(),
        None
    );
    let mut rows = store.controls().await.unwrap().settings;
    rows.sort_by_key(|row| row.raw);
    let of = |row: &ControlRow<i64>| (row.environment.clone().unwrap(), row.raw);
    let seen: Vec<_> = rows.iter().map(of).collect();
    assert_eq!(
        seen,
        [("all".to_owned(), 5_000), ("staging".to_owned(), 7_000)]
    );
    let staging = &rows[1].fingerprint;
    assert!(
        store
            .put(Some(staging), &ttl("staging", 8_000), None)
            .await
            .unwrap()
            .is_some()
    );
    let all = &rows[0].fingerprint;
    let name = RuntimeSetting::CacheTtlMs.definition().name;
    assert!(
        store
            .remove(ControlKind::Setting, name, all)
            .await
            .unwrap()
            .is_some()
    );
    let left = store.controls().await.unwrap().settings;
    assert_eq!((left.len(), left[0].raw), (1, 8_000));
}

pub async fn a_change_of_a_row_touches_no_answer(catalog: Catalog) {
    let settings = catalog.table("runtime_settings");
    for statement in [
        "INSERT INTO feature_flags (name, enabled) VALUES ('near_cache', true)".to_owned(),
        "UPDATE feature_flags SET enabled = false".to_owned(),
        "DELETE FROM feature_flags".to_owned(),
        format!("INSERT INTO {settings} (name, value) VALUES ('cache_ttl_ms', 5000)"),
        format!("UPDATE {settings} SET value = 6000"),
        format!("DELETE FROM {settings}"),
    ] {
        let touched = catalog.tags_of(catalog.execute(&statement)).await;
        assert_eq!(touched, ["flags"], "{statement}");
    }
    let nothing = "UPDATE feature_flags SET enabled = true WHERE name = 'x'";
    assert!(catalog.tags_of(catalog.execute(nothing)).await.is_empty());
}

pub async fn of_many_who_write_a_row_at_once_one_does(catalog: Catalog) {
    let store = &catalog.store;
    store.put(None, &off(Flag::NearCache), None).await.unwrap();
    let seen = only_flag(&catalog).await.fingerprint;
    let draft = off(Flag::NearCache);
    let write = || store.put(Some(&seen), &draft, None);
    let (a, b, c, d) = tokio::join!(write(), write(), write(), write());
    let written = [a, b, c, d].into_iter().filter_map(Result::unwrap).count();
    assert_eq!(written, 1);
}
