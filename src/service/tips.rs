//! Use cases that stream tips to callers.
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

use super::CatalogService;
use crate::domain::{
    Asker, CallerId, ChallengeId, Error, Locale, PersonaName, ReadOptions, ResumePoint, TipEvent,
    TipMode, TipRequest, TipStreams, TipSubject,
};

/// How many tips of one batch are generated at once. A batch must not take every place that its
/// caller has, nor all that a provider grants in a minute.
const AT_ONCE: usize = 8;

/// How tips are wanted, whatever they are about.
#[derive(Clone, Debug)]
pub struct TipTerms {
    /// In which language.
    pub locale: Locale,
    /// In which persona.
    pub persona: PersonaName,
    /// At what cost.
    pub mode: TipMode,
    /// Rather an error than a tip that a person wrote.
    pub no_static_fallback: bool,
    /// Send a heartbeat when no other event came for this long.
    pub heartbeat: Option<Duration>,
    /// Who asks.
    pub caller: CallerId,
    /// From where, as far as it is known.
    pub address: Option<IpAddr>,
    /// When the caller stops waiting.
    pub deadline: Instant,
}

/// The events of one tip, as [`TipStreams::open`] gives them.
pub type TipEvents = BoxStream<'static, Result<TipEvent, Error>>;
/// The events of several tips, each with the challenge that it is of.
pub type TipsOfMany = BoxStream<'static, (ChallengeId, Result<TipEvent, Error>)>;

/// Tips for callers.
#[derive(Clone)]
pub struct TipsService {
    streams: Arc<dyn TipStreams>,
    catalog: CatalogService,
    personas: Arc<[PersonaName]>,
    locales: Arc<[Locale]>,
}

impl TipsService {
    /// Tips of `streams` about the challenges of `catalog`, in the personas `personas`, of which the
    /// first is the default, and in `locales`, where it is too.
    #[must_use]
    pub fn new(
        streams: Arc<dyn TipStreams>,
        catalog: CatalogService,
        personas: &[PersonaName],
        locales: &[Locale],
    ) -> Self {
        Self {
            streams,
            catalog,
            personas: personas.into(),
            locales: locales.into(),
        }
    }

    /// The persona of this name; the default for an empty one.
    ///
    /// # Errors
    ///
    /// The names that there are.
    pub fn persona(&self, name: &str) -> Result<PersonaName, String> {
        let mut personas = self.personas.iter();
        let found = if name.is_empty() {
            personas.next()
        } else {
            personas.find(|persona| persona.as_str() == name)
        };
        found.cloned().ok_or_else(|| {
            let names: Vec<_> = self.personas.iter().map(PersonaName::as_str).collect();
            format!("must be one of {}", names.join(", "))
        })
    }

    /// The language in which a tip is written for who wants it in `text`: one that is offered, of which it may be a
    /// variety. Empty text means the first.
    ///
    /// # Errors
    ///
    /// Those that there are.
    pub fn locale(&self, text: &str) -> Result<Locale, String> {
        let offered = &self.locales;
        let wanted = match text {
            "" => offered.first().cloned().unwrap_or_default(),
            text => text.parse()?,
        };
        let covering = offered.iter().filter(|locale| locale.covers(&wanted));
        let nearest = covering.max_by_key(|locale| locale.as_str().len());
        nearest.cloned().ok_or_else(|| {
            let names: Vec<_> = offered.iter().map(Locale::as_str).collect();
            format!("must be one of {}, or a variety of one", names.join(", "))
        })
    }

    /// The tip of one challenge, from the start or from where an earlier stream was left.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when there is no such challenge, [`Error::Unavailable`] when that cannot
    /// be told; all else ends the stream.
    pub async fn stream(
        &self,
        id: ChallengeId,
        resume: Option<ResumePoint>,
        terms: TipTerms,
    ) -> Result<TipEvents, Error> {
        let subjects = self.subjects(&[id], &terms).await?.into_iter();
        let streams = Arc::clone(&self.streams);
        let streams =
            subjects.map(move |subject| streams.open(request(subject, resume, terms.clone())));
        Ok(stream::iter(streams).flatten().boxed())
    }

    /// The tips of several challenges, some of them at a time.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] naming all challenges that do not exist; else as [`Self::stream`]. Then
    /// nothing was begun. An error within the stream ends the one tip that it is of.
    pub async fn batch(&self, ids: &[ChallengeId], terms: TipTerms) -> Result<TipsOfMany, Error> {
        let subjects = self.subjects(ids, &terms).await?;
        let streams = Arc::clone(&self.streams);
        let streams = subjects.into_iter().map(move |subject| {
            let id = subject.challenge;
            let events = streams.open(request(subject, None, terms.clone()));
            events.map(move |event| (id, event)).boxed()
        });
        Ok(stream::iter(streams).flatten_unordered(AT_ONCE).boxed())
    }

    /// What the tips of `ids` are about, in their order.
    async fn subjects(
        &self,
        ids: &[ChallengeId],
        terms: &TipTerms,
    ) -> Result<Vec<TipSubject>, Error> {
        let options = ReadOptions {
            min_version: None,
            deadline: terms.deadline,
            may_load: true,
        };
        let found = self.catalog.tip_subjects(ids, options).await?;
        Ok(found.into_iter().map(|(subject, _)| subject).collect())
    }
}

fn request(subject: TipSubject, resume: Option<ResumePoint>, terms: TipTerms) -> TipRequest {
    TipRequest {
        subject,
        locale: terms.locale,
        persona: terms.persona,
        mode: terms.mode,
        no_static_fallback: terms.no_static_fallback,
        resume,
        heartbeat: terms.heartbeat,
        asker: Asker::Caller(terms.caller, terms.address),
        deadline: terms.deadline,
    }
}

#[cfg(test)]
#[path = "tips_tests.rs"]
mod tests;
