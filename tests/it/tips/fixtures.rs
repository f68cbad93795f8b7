//! What a tip service needs beside providers: a store, a clock, prompts, and questions to ask.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use challenges_catalog::domain::{
    Asker, AttemptRecord, CallerId, ChallengeId, Clock, Difficulty, Epoch, Error, Locale,
    PersonaName, Prompt, PromptBook, Stop, Tip, TipKey, TipMode, TipOrigin, TipRequest, TipStore,
    TipSubject, UnixMicros, Usage,
};
use tokio::time::Instant;
use uuid::Uuid;

/// The tip that a person wrote for every challenge here.
pub const STATIC: &str = "Smile first.";

/// Keeps tips and the attempt ledger in memory, by the rules of the port.
#[derive(Default)]
pub struct Store {
    tips: Mutex<HashMap<TipKey, (Tip, TipOrigin)>>,
    records: Mutex<Vec<AttemptRecord>>,
}

impl Store {
    pub fn tips(&self) -> Vec<Tip> {
        let tips = self.tips.lock().unwrap();
        tips.values().map(|(tip, _)| tip.clone()).collect()
    }

    pub fn records(&self) -> Vec<AttemptRecord> {
        self.records.lock().unwrap().clone()
    }

    /// How the attempts ended, in order.
    pub fn outcomes(&self) -> Vec<String> {
        let records = self.records();
        records.into_iter().map(|record| record.outcome).collect()
    }

    /// Puts in a tip for the challenge of [`question`].
    pub fn put(&self, tip: Tip) {
        let origin = TipOrigin {
            challenge: challenge(),
            content: [0; 32],
            locale: Locale::default(),
            persona: persona(),
            prompt_version: "0".to_owned(),
            shown: true,
        };
        self.tips.lock().unwrap().insert(tip.key, (tip, origin));
    }

    /// Puts in an older tip of the challenge of [`question`].
    pub fn put_older(&self, text: &str) {
        self.put(Tip {
            key: TipKey([9; 32]),
            epoch: Epoch(1),
            text: text.to_owned(),
            sha256: sha256(text),
            provider: "old".to_owned(),
            model: "old".to_owned(),
            stop: Stop::EndTurn,
            usage: Usage::default(),
            created_at: UnixMicros(1),
            expires_at: UnixMicros(2),
        });
    }
}

#[async_trait]
impl TipStore for Store {
    async fn find(&self, key: TipKey) -> Result<Option<Tip>, Error> {
        let tips = self.tips.lock().unwrap();
        Ok(tips.get(&key).map(|(tip, _)| tip.clone()))
    }

    async fn newest(
        &self,
        challenge: ChallengeId,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Result<Option<Tip>, Error> {
        let tips = self.tips.lock().unwrap();
        let fits = |origin: &TipOrigin| {
            (origin.challenge, &origin.locale, &origin.persona) == (challenge, locale, persona)
        };
        let fitting = tips.values().filter(|(_, origin)| fits(origin));
        let newest = fitting.max_by_key(|(tip, _)| tip.created_at);
        Ok(newest.map(|(tip, _)| tip.clone()))
    }

    async fn save(&self, tip: &Tip, origin: &TipOrigin) -> Result<bool, Error> {
        let mut tips = self.tips.lock().unwrap();
        let later = tips
            .get(&tip.key)
            .is_some_and(|(old, _)| old.epoch >= tip.epoch);
        if !later {
            tips.insert(tip.key, (tip.clone(), origin.clone()));
        }
        Ok(!later)
    }

    async fn show_due(&self) -> Result<Option<Duration>, Error> {
        Ok(None)
    }

    async fn record(&self, attempt: &AttemptRecord) -> Result<(), Error> {
        self.records.lock().unwrap().push(attempt.clone());
        Ok(())
    }
}

/// A time of day that goes with the runtime's clock, paused or not.
pub struct TestClock(Instant);

impl TestClock {
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMicros {
        UnixMicros(1_790_000_000_000_000).plus(self.0.elapsed())
    }
}

/// One persona, and a prompt that says what it is about.
pub struct Book {
    prompt_version: String,
    personas: Vec<PersonaName>,
}

impl Book {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            prompt_version: "1".to_owned(),
            personas: vec![persona()],
        })
    }
}

impl PromptBook for Book {
    fn prompt_version(&self) -> &str {
        &self.prompt_version
    }

    fn personas(&self) -> &[PersonaName] {
        &self.personas
    }

    fn prompt(&self, subject: &TipSubject, locale: &Locale, _: &PersonaName) -> Prompt {
        Prompt {
            system: format!("Be kind. Write in {locale}."),
            user: subject.title.clone(),
        }
    }
}

/// A caller who waits for half a minute.
pub fn question() -> TipRequest {
    let subject = TipSubject {
        challenge: challenge(),
        difficulty: Difficulty::Beginner,
        title: "Say hello".to_owned(),
        description: "To a stranger".to_owned(),
        static_tip: Some(STATIC.to_owned()),
    };
    TipRequest {
        subject,
        locale: Locale::default(),
        persona: persona(),
        mode: TipMode::Default,
        no_static_fallback: false,
        resume: None,
        heartbeat: None,
        asker: Asker::Caller(CallerId("ann".to_owned()), None),
        deadline: (Instant::now() + Duration::from_mins(2)).into_std(),
    }
}

/// As [`question`], about the challenge of this number.
pub fn question_about(number: u128) -> TipRequest {
    let mut question = question();
    question.subject.challenge = Uuid::from_u128(number).into();
    question
}

/// SHA-256 of a text, worked out apart from the product.
pub fn sha256(text: &str) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().try_into().unwrap()
}

fn challenge() -> ChallengeId {
    Uuid::from_u128(7).into()
}

fn persona() -> PersonaName {
    "connell".parse().unwrap()
}
