//! The ports for reads: the database's rows, its feed of changes, and the catalog as callers read it.
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Answer, Challenge, ChallengeId, ChallengePage, DatabaseId, Error, Freshness, ListQuery,
    NewChallenge, ReplicaId, ReplicaReport, Stamp, Tag, TipSubject, UnixMicros, Version,
};

/// A value with the last commit that its reader saw: both from one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped<T> {
    /// The last numbered commit visible to the read, and the history that the number belongs to.
    pub version: Version,
    /// What was read.
    pub value: T,
}

/// The catalog's rows, wherever they are kept. A row that cannot be shown counts as one that is not there.
#[async_trait]
pub trait ChallengeRepository: Send + Sync {
    /// One page of challenges, in the order of [`super::Cursor`].
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn list(&self, query: &ListQuery) -> Result<Stamped<ChallengePage>, Error> {
        self.read_page(query, None).await
    }

    /// As [`Self::list`]; takes it that there are `total_count` in all, where that is given, and counts nothing:
    /// counting costs more the more there are.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    async fn read_page(
        &self,
        query: &ListQuery,
        total_count: Option<u64>,
    ) -> Result<Stamped<ChallengePage>, Error>;

    /// Those of `ids` that exist, in any order.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    async fn find_many(&self, ids: &[ChallengeId]) -> Result<Stamped<Vec<Challenge>>, Error>;

    /// Adds the challenges whose id is free, all in one transaction, and tells
    /// how many. Rows that exist stay as they are.
    ///
    /// # Errors
    ///
    /// As [`Self::list`]; then nothing was added.
    async fn insert_missing(&self, challenges: &[NewChallenge]) -> Result<u64, Error>;
}

/// One change that a commit made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The commit, on the timeline of its [`FeedPage`].
    pub seq: u64,
    /// What it touched.
    pub tag: Tag,
    /// True when copies from before must not be served even as stale ones.
    pub hard: bool,
}

/// What a poll reports to the fleet while it reads changes.
#[derive(Clone, Copy, Debug)]
pub enum Tell<'a> {
    /// Nothing.
    Nothing,
    /// That the replica has applied this version, the one that it asks from.
    Applied(Version),
    /// How the replica does; registers it where it is not.
    Status(&'a ReplicaReport),
}

/// What happened since a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// All of it, in order.
    All(Vec<Change>),
    /// More than a page holds, or some of it was pruned: take everything as changed.
    Lost,
}

/// The answer of one poll: all from one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct FeedPage {
    /// The database that answered, in its present history.
    pub database: DatabaseId,
    /// Its last numbered commit.
    pub head: Stamp,
    /// What happened after the commit that was asked about. Means nothing when
    /// the database is another one.
    pub changes: Changes,
    /// Whether every commit has a number that was there when the poll was sent. If not, more were
    /// there than one poll numbers: the next one goes on.
    pub is_whole: bool,
    /// Whether the replica that asked stood in the registry before, and would for half a
    /// minute more if it told nothing.
    pub registered: bool,
    /// Whether an invalidation waits until the fleet has applied one of the changes.
    pub is_awaited: bool,
    /// Whether others were writing when commits were numbered last: they may commit unannounced.
    pub others_write: bool,
    /// Where the replica stands in the fleet; told with its [`Tell::Status`] alone.
    pub place: Option<FleetPlace>,
}

/// Where a replica stands among those that were heard of in the last seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetPlace {
    /// How many stand before it.
    pub before: u32,
    /// How many others there are.
    pub others: u32,
}

/// What the poll of one replica found, for the others: then they need not poll for it themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The last commit of the announcement.
    pub head: Version,
    /// The announcement has every change after this commit, up to `head`.
    pub after_seq: u64,
    /// What happened.
    pub changes: Vec<Change>,
    /// Whether an invalidation waits until the fleet has applied one of the changes.
    pub is_awaited: bool,
}

/// What a replica hears between its polls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    /// Something may have been committed.
    Commit,
    /// Another replica, or this one, has polled.
    Announced(Announcement),
}

/// The ordered list of committed changes.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// Numbers what was committed, takes in what `replica` tells, and gives what was committed after
    /// number `after_seq`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer, or is a standby.
    async fn poll(
        &self,
        after_seq: u64,
        replica: ReplicaId,
        tell: Tell<'_>,
    ) -> Result<FeedPage, Error>;

    /// Waits until a poll may be worth it, or another replica announces what it found. It may come late, for
    /// nothing, or never; what is announced is true.
    async fn notified(&self) -> Notification;

    /// Tells the others what a poll found. They may not hear of it, as when it is too long.
    ///
    /// # Errors
    ///
    /// As [`Self::poll`].
    async fn announce(&self, announcement: &Announcement) -> Result<(), Error>;

    /// Takes what has had its time out of the catalog, such as tips, which is a change like any
    /// other, and forgets changes that no replica can still need: a bounded number at once. Tells
    /// whether more is left. Calling it often is harmless.
    ///
    /// # Errors
    ///
    /// As [`Self::poll`].
    async fn prune(&self) -> Result<bool, Error>;
}

/// What a caller wants of a read, beside its subject.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// The answer must be at least this new.
    pub min_version: Option<Version>,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Whether what is missing may be loaded; else the answer is what is at hand, stale if need be.
    pub may_load: bool,
}

/// Turns what was read into the bytes that callers get and caches hold.
pub trait AnswerEncoder: Send + Sync {
    /// Names what fields bodies have: equal for those of one shape, and different for others.
    fn shape(&self) -> u32;
    /// The body of a list.
    fn page(&self, query: &ListQuery, page: &ChallengePage) -> Bytes;
    /// How many there are in all, as the body of a list tells; `None` when it is something else.
    fn total_count(&self, body: &Bytes) -> Option<u64>;
    /// The body of one challenge; several of them joined are the body of several.
    fn challenge(&self, challenge: &Challenge) -> Bytes;
    /// What a tip is written from, for caches only: no caller gets it.
    fn subject(&self, subject: &TipSubject) -> Bytes;
    /// Reads what [`Self::subject`] made; `None` when it is something else.
    fn read_subject(&self, body: &Bytes) -> Option<TipSubject>;
}

/// The catalog as it is read: encoded answers that know their age.
#[async_trait]
pub trait CatalogReader: Send + Sync {
    /// What [`Self::list`] would answer, when it need not wait for anything:
    /// the copy is in memory, fresh, and at least as new as `min_version`.
    fn try_list_cached(&self, query: &ListQuery, min_version: Option<Version>) -> Option<Answer>;

    /// As [`Self::try_list_cached`], for all of `ids`.
    fn try_many_cached(
        &self,
        ids: &[ChallengeId],
        min_version: Option<Version>,
    ) -> Option<Vec<Answer>>;

    /// Waits until this replica knows `version`, up to `deadline`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a version of another history; [`Error::Unavailable`] when it is not
    /// known in time, or lies too far ahead to be known in time.
    async fn reach(&self, version: Version, deadline: Instant) -> Result<(), Error>;

    /// One page of challenges.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when there is no copy and the database does not answer.
    async fn list(&self, query: &ListQuery, options: ReadOptions) -> Result<Answer, Error>;

    /// One answer for each of `ids`, in their order; those that do not exist have no body.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    async fn get_many(
        &self,
        ids: &[ChallengeId],
        options: ReadOptions,
    ) -> Result<Vec<Answer>, Error>;

    /// What a tip about each of `ids` is written from, in their order, and how old that can be;
    /// `None` for those that do not exist. The tip in it is the static one, whatever is shown.
    /// One that the near cache has costs no word to anybody.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    async fn subjects(
        &self,
        ids: &[ChallengeId],
        options: ReadOptions,
    ) -> Result<Vec<(Option<TipSubject>, Freshness)>, Error>;
}

/// The time of day. Durations are measured with a monotonic clock, never with this.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> UnixMicros;
}
