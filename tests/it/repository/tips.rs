//! Facts about kept tips, for the contract.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use challenges_catalog::domain::{
    AttemptRecord, Epoch, Error, Locale, Stop, Tell, Tip, TipKey, TipOrigin, UnixMicros, Usage,
};
use futures_util::future::join_all;

use super::fixture::{ANYONE, Catalog, id, tag, tags};

const DAY: Duration = Duration::from_hours(24);

/// The time of day, moved by so many days.
#[expect(
    clippy::disallowed_methods,
    reason = "the databases tell by their own clocks whose time is over"
)]
pub fn days_from_now(days: i64) -> UnixMicros {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let day = i64::try_from(DAY.as_micros()).unwrap();
    UnixMicros(i64::try_from(now.as_micros()).unwrap() + days * day)
}

/// A tip with key `number`, good for a week.
pub fn tip(number: u8, epoch: u64, text: &str) -> Tip {
    Tip {
        key: TipKey([number; 32]),
        epoch: Epoch(epoch),
        text: text.to_owned(),
        sha256: [7; 32],
        provider: "anthropic".to_owned(),
        model: "some-model".to_owned(),
        stop: Stop::EndTurn,
        usage: Usage {
            input_tokens: 120,
            output_tokens: 60,
            is_estimated: false,
        },
        created_at: days_from_now(0),
        expires_at: days_from_now(7),
    }
}

/// For challenge `number`, in the default language and persona, so that the catalog shows it.
pub fn origin(number: u32) -> TipOrigin {
    TipOrigin {
        challenge: id(number),
        content: [1; 32],
        locale: Locale::default(),
        persona: "warm".parse().unwrap(),
        prompt_version: "1".to_owned(),
        shown: true,
    }
}

pub fn attempt(ended_at: UnixMicros) -> AttemptRecord {
    AttemptRecord {
        key: TipKey([1; 32]),
        epoch: Epoch(1),
        provider: "anthropic".to_owned(),
        model: "some-model".to_owned(),
        outcome: "success".to_owned(),
        usage: Usage::default(),
        cost_micro_usd: 42,
        ended_at,
    }
}

async fn found(catalog: &Catalog, number: u8) -> Option<Tip> {
    let key = TipKey([number; 32]);
    catalog.store.find(key).await.unwrap()
}

pub async fn a_tip_reads_back_as_it_was_saved(catalog: Catalog) {
    assert_eq!(found(&catalog, 1).await, None);
    let longest = "é".repeat(32 * 1024);
    for (number, text) in [
        "plain",
        "'quoted' \"twice\" \\ $1 ; --",
        "two\nlines\r\n\tand a tab",
        "日本 🧘🏽‍♀️ e\u{301} \u{202e}right to left",
        &longest,
    ]
    .into_iter()
    .enumerate()
    {
        let saved = Tip {
            stop: Stop::ALL[number % 2],
            usage: Usage {
                input_tokens: u64::MAX >> 1,
                output_tokens: 0,
                is_estimated: number % 2 == 0,
            },
            created_at: UnixMicros(1_795_000_000_123_457),
            expires_at: UnixMicros(1_795_604_800_123_457),
            ..tip(u8::try_from(number).unwrap(), u64::MAX >> 1, text)
        };
        assert!(catalog.store.save(&saved, &origin(1)).await.unwrap());
        assert_eq!(catalog.store.find(saved.key).await.unwrap(), Some(saved));
    }
}

pub async fn a_tip_beyond_its_bounds_is_a_fault_and_is_not_kept(catalog: Catalog) {
    for text in ["", "a\0b", &"x".repeat(64 * 1024 + 1)] {
        let error = catalog.store.save(&tip(1, 1, text), &origin(1)).await;
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Internal { .. }), "{error:?}");
    }
    let odd_name = AttemptRecord {
        model: "a\0b".to_owned(),
        ..attempt(days_from_now(0))
    };
    let error = catalog.store.record(&odd_name).await.unwrap_err();
    assert!(matches!(error, Error::Internal { .. }), "{error:?}");
    let kept = ["challenge_tips", "shown_tips", "tip_attempts"];
    for table in kept {
        assert_eq!(catalog.count_of(table).await, 0, "{table}");
    }
}

pub async fn a_later_epoch_replaces_a_tip_and_an_equal_or_older_one_does_not(catalog: Catalog) {
    for (epoch, text, is_kept, stays) in [
        (5, "first", true, "first"),
        (5, "equal", false, "first"),
        (4, "older", false, "first"),
        (6, "later", true, "later"),
    ] {
        let saved = catalog.store.save(&tip(1, epoch, text), &origin(1)).await;
        assert_eq!(saved.unwrap(), is_kept, "{text}");
        assert_eq!(found(&catalog, 1).await.unwrap().text, stays);
    }
}

pub async fn of_many_who_save_a_tip_at_once_the_latest_epoch_stays(catalog: Catalog) {
    let epochs: Vec<u64> = (1..=40).map(|n| n * 17 % 41).collect();
    let tips = epochs.iter().map(|&epoch| {
        let text = format!("of epoch {epoch}");
        // Two keys for the one challenge, so that both meet at what is shown.
        tip(u8::from(epoch % 2 == 0), epoch, &text)
    });
    let tips: Vec<_> = tips.collect();
    let origin = origin(1);
    let saves = tips.iter().map(|tip| catalog.store.save(tip, &origin));
    let kept = join_all(saves).await;
    assert!(kept.iter().all(Result::is_ok), "{kept:?}");
    assert_eq!(found(&catalog, 1).await.unwrap().text, "of epoch 40");
    assert_eq!(found(&catalog, 0).await.unwrap().text, "of epoch 39");
    catalog.age_showing().await;
    assert_eq!(catalog.store.show_due().await.unwrap(), None);
    assert_eq!(catalog.count_of("shown_tips").await, 1);
}

pub async fn the_newest_tip_in_a_language_and_persona_is_found_whatever_it_was_written_for(
    catalog: Catalog,
) {
    let newest = async |locale: &str, persona: &str| {
        let (locale, persona) = (locale.parse().unwrap(), persona.parse().unwrap());
        let newest = catalog.store.newest(id(1), &locale, &persona).await;
        newest.unwrap().map(|tip| tip.text)
    };
    assert_eq!(newest("en", "warm").await, None);
    for (number, day, locale, persona, challenge) in [
        (1, -9, "en", "warm", 1),
        (2, -8, "en", "warm", 1),
        (3, -20, "en", "warm", 1),
        (4, -1, "de", "warm", 1),
        (5, -1, "en", "brief", 1),
        (6, -1, "en", "warm", 2),
    ] {
        let saved = Tip {
            created_at: days_from_now(day),
            expires_at: days_from_now(day + 7),
            ..tip(number, 1, &format!("tip {number}"))
        };
        let origin = TipOrigin {
            content: [number; 32],
            locale: locale.parse().unwrap(),
            persona: persona.parse().unwrap(),
            ..origin(challenge)
        };
        catalog.store.save(&saved, &origin).await.unwrap();
    }
    assert_eq!(newest("en", "warm").await.as_deref(), Some("tip 2"));
    assert_eq!(newest("de", "warm").await.as_deref(), Some("tip 4"));
    assert_eq!(newest("en", "brief").await.as_deref(), Some("tip 5"));
    assert_eq!(newest("de", "brief").await, None);
}

pub async fn a_shown_tip_is_a_change_of_its_challenge_and_of_every_list(catalog: Catalog) {
    let lists = ["advanced", "beginner", "intermediate"];
    let mut touched = vec![tag(1)];
    touched.extend(lists.map(|list| format!("difficulty:{list}")));
    for (number, epoch, text) in [(1, 1, "one"), (1, 2, "two"), (2, 1, "three")] {
        catalog.age_showing().await;
        let saving = async {
            catalog
                .store
                .save(&tip(number, epoch, text), &origin(1))
                .await
                .unwrap();
        };
        assert_eq!(catalog.tags_of(saving).await, touched, "{text}");
    }
    let other_content = TipOrigin {
        content: [2; 32],
        ..origin(1)
    };
    catalog.age_showing().await;
    let saving = async {
        let saved = tip(3, 1, "three");
        catalog.store.save(&saved, &other_content).await.unwrap();
    };
    assert_eq!(catalog.tags_of(saving).await, touched);
}

pub async fn a_tip_that_is_shown_as_before_or_not_at_all_is_no_change(catalog: Catalog) {
    let first = tip(1, 5, "one");
    catalog.store.save(&first, &origin(1)).await.unwrap();
    let before = catalog.head().await;
    let not_shown = TipOrigin {
        locale: "de".parse().unwrap(),
        shown: false,
        ..origin(1)
    };
    let created_before = Tip {
        created_at: days_from_now(-1),
        ..tip(4, 1, "of another key, and older")
    };
    for (tip, origin) in [
        (tip(2, 1, "in another language"), &not_shown),
        (tip(1, 5, "of the same epoch"), &origin(1)),
        (tip(1, 6, "one"), &origin(1)),
        (tip(3, 1, "one"), &origin(1)),
        (created_before, &origin(1)),
    ] {
        catalog.age_showing().await;
        catalog.store.save(&tip, origin).await.unwrap();
        assert_eq!(catalog.head().await, before, "{}", tip.text);
    }
}

/// A refresh would empty the lists in all caches each time.
pub async fn tips_that_come_soon_after_another_are_shown_together(catalog: Catalog) {
    let save = async |number: u8| {
        let saved = tip(number, 1, "a tip");
        let origin = origin(number.into());
        assert!(catalog.store.save(&saved, &origin).await.unwrap());
    };
    save(1).await;
    assert_eq!(catalog.store.show_due().await.unwrap(), None);
    let before = catalog.head().await;
    for number in 2..=5 {
        save(number).await;
    }
    let left = catalog.store.show_due().await.unwrap();
    let soon = Duration::ZERO..=Duration::from_secs(10);
    assert!(left.is_some_and(|left| soon.contains(&left)), "{left:?}");
    assert_eq!(catalog.head().await, before, "no list is emptied");
    assert_eq!(catalog.count_of("shown_tips").await, 1);

    catalog.age_showing().await;
    assert_eq!(catalog.store.show_due().await.unwrap(), None);
    assert_eq!(catalog.count_of("shown_tips").await, 5);
    if catalog.is_postgres() {
        assert_eq!(catalog.head().await, before + 1, "one commit");
    }
    save(6).await;
    catalog.age_showing().await;
    catalog.store.prune().await.unwrap();
    assert_eq!(
        catalog.count_of("shown_tips").await,
        6,
        "of a replica that is gone"
    );
}

pub async fn the_newest_of_the_tips_that_are_due_is_shown(catalog: Catalog) {
    for (number, days) in [(1, -3), (2, -1), (3, -2)] {
        let saved = Tip {
            created_at: days_from_now(days),
            ..tip(number, 1, &format!("tip {number}"))
        };
        catalog.store.save(&saved, &origin(1)).await.unwrap();
    }
    catalog.age_showing().await;
    assert_eq!(catalog.store.show_due().await.unwrap(), None);
    let newest = catalog.count_of("shown_tips WHERE text = 'tip 2'").await;
    assert_eq!(newest, 1);
}

pub async fn clocks_that_were_set_back_keep_no_tip_from_being_shown(catalog: Catalog) {
    let save = async |number: u8| {
        let origin = origin(number.into());
        let saved = tip(number, 1, "a tip");
        catalog.store.save(&saved, &origin).await.unwrap();
    };
    save(1).await;
    let far = if catalog.is_postgres() {
        "shown_at + interval '1 year'"
    } else {
        "shown_at * 2"
    };
    let table = catalog.table("tips_last_shown");
    catalog
        .execute(&format!("UPDATE {table} SET shown_at = {far}"))
        .await;
    save(2).await;
    assert_eq!(catalog.count_of("shown_tips").await, 2);
}

pub async fn an_attempt_counts_once_however_often_it_is_told(catalog: Catalog) {
    let first = attempt(days_from_now(0));
    let second = AttemptRecord {
        ended_at: UnixMicros(first.ended_at.0 + 1),
        outcome: "aborted".to_owned(),
        ..first.clone()
    };
    for attempt in [&first, &second, &first, &second] {
        catalog.store.record(attempt).await.unwrap();
    }
    assert_eq!(catalog.count_of("tip_attempts").await, 2);
}

pub async fn what_had_its_time_is_pruned_and_nothing_else(catalog: Catalog) {
    for (number, expires) in [(1, -31), (2, -29), (3, 1)] {
        let saved = Tip {
            created_at: days_from_now(expires - 7),
            expires_at: days_from_now(expires),
            ..tip(number, 1, "x")
        };
        let origin = origin(number.into());
        catalog.age_showing().await;
        catalog.store.save(&saved, &origin).await.unwrap();
        let ended = attempt(days_from_now(-90 + i64::from(number)));
        catalog.store.record(&ended).await.unwrap();
    }
    let ended_before = attempt(days_from_now(-91));
    catalog.store.record(&ended_before).await.unwrap();
    let before = catalog.head().await;
    catalog.store.prune().await.unwrap();
    let changes = catalog
        .store
        .poll(before, ANYONE, Tell::Nothing)
        .await
        .unwrap()
        .changes;
    let told = tags(&changes);
    assert!(told.contains(&tag(1)) && told.contains(&tag(2)), "{told:?}");
    assert!(!told.contains(&tag(3)), "{told:?}");
    assert_eq!(catalog.count_of("shown_tips").await, 1);
    assert!(found(&catalog, 1).await.is_none());
    assert!(found(&catalog, 2).await.is_some());
    assert!(found(&catalog, 3).await.is_some());
    assert_eq!(catalog.count_of("tip_attempts").await, 3);
    let before = catalog.head().await;
    catalog.store.prune().await.unwrap();
    assert_eq!(catalog.head().await, before);
}

pub async fn without_a_database_every_call_is_an_outage(catalog: Catalog) {
    catalog.store.close().await;
    let (locale, persona) = (Locale::default(), "warm".parse().unwrap());
    let store = &catalog.store;
    for error in [
        store.find(TipKey([1; 32])).await.unwrap_err(),
        store.newest(id(1), &locale, &persona).await.unwrap_err(),
        store.save(&tip(1, 1, "x"), &origin(1)).await.unwrap_err(),
        store.record(&attempt(days_from_now(0))).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    }
}
