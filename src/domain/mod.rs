//! What the product is about, in its own words: challenges, the versions of
//! the catalog they stand in, and the ports that adapters fill. No I/O.
mod access;
mod answer;
mod cache_status;
mod challenge;
mod challenge_draft;
mod challenge_text;
mod content;
mod control_store;
mod deflated;
mod draft_json;
mod edge_cache;
mod edit;
mod edit_store;
mod error;
mod field_violations;
mod flag;
mod fleet;
mod fleet_key;
mod generic_tip;
mod hex;
mod history_store;
mod json_slot;
mod ports;
mod query;
mod run_budget;
mod runtime_control;
mod runtime_setting;
mod shown;
mod switches;
mod tag;
mod time;
mod tip;
mod tip_providers;
mod tip_store;
mod tip_stream;
mod tip_writer;
mod version;
mod words;

pub use access::{
    Authenticator, CallRate, CredentialError, Credentials, IdentifiedBy, Identity, Principal, Role,
    Throttle,
};
pub use answer::{Answer, Etag, Freshness, Source};
pub use cache_status::{
    CacheMode, CacheStatus, CacheStatusSource, DatabaseProbe, DatabaseStatus, HitRatio, Latency,
    NearStatus, PoolState, SharedStatus,
};
pub use challenge::{Challenge, ChallengeId, Difficulty};
pub use challenge_draft::{
    CHALLENGE_FIELDS, ChallengeChange, ChallengeDraft, ChangeDraft, NewChallenge,
};
pub use challenge_text::{POINTS_MAX, TEXT_MAX_CHARS, TITLE_MAX_CHARS, is_invisible};
pub use content::{content_hash, finished, hash_of_fields, sha256};
pub use control_store::{
    ActiveControls, ConfiguredControls, ControlDraft, ControlRows, ControlStore, DraftValue,
    Evaluation, StoredControl, ValueSource,
};
pub use deflated::{DeflatedBody, DeflatedSlot};
pub use draft_json::JsonFields;
pub use edge_cache::{CommitWatcher, EdgeCache, EdgeFailure, EdgeProof, EdgePurger, LearntCommits};
pub use edit::{
    EditRefusal, EditStep, EditTerms, Edited, IdempotencyKey, ImportEnd, ImportMode, ImportRow,
    ImportTally, Imported, Operation, RequestId, Revision, RevisionQuery, RowConflict, RowOutcome,
};
pub use edit_store::{ChallengeEditor, Decide, Exporting, Importing};
pub use error::{Error, FleetTask, NAMED_MAX, Unavailability};
pub use field_violations::{FieldViolation, FieldViolations};
pub use flag::{Flag, FlagChange, FlagDefinition, FlagValue, Percentage, RawFlag, RolloutScope};
pub use fleet::{
    Invalidation, Invalidator, KnownReplica, ReplicaId, ReplicaRegistry, ReplicaReport,
};
pub use fleet_key::FleetKey;
pub use generic_tip::generic_tip;
pub use hex::hex;
pub use history_store::{HistoryStore, PruneStep, PrunedStep};
pub use json_slot::JsonSlot;
pub use ports::{
    Announcement, AnswerEncoder, CatalogReader, ChallengeRepository, Change, ChangeFeed, Changes,
    Clock, FeedPage, FleetPlace, Notification, ReadOptions, Stamped, Tell,
};
pub use query::{ChallengePage, Cursor, ListQuery, PageSize};
pub use run_budget::{RunBudget, RunReservation, Spent};
pub use runtime_control::{
    Configured, ControlKind, ControlProblem, ControlRow, Environment, RuntimeControl, problems_of,
};
pub use runtime_setting::{RuntimeSetting, RuntimeSettingDefinition};
pub use switches::Switches;
pub use tag::Tag;
pub use time::UnixMicros;
pub use tip::{Epoch, Locale, PersonaName, Stop, Tip, TipKey, TipSubject, Usage};
pub use tip_providers::{Resumed, ResumedProvider, TipProviders};
pub use tip_store::{AttemptRecord, TipOrigin, TipStore};
pub use tip_stream::{
    Asker, CallerId, FallbackCause, ResetCause, ResumePoint, TipDone, TipEvent, TipEventKind,
    TipMode, TipPhase, TipRequest, TipRole, TipSource, TipStreams,
};
pub use tip_writer::{
    BreakerSignal, Completion, FailureKind, Prompt, PromptBook, Route, StreamEvent, TipWriter,
    WriteFailure,
};
pub use version::{DatabaseId, Stamp, Version};
pub(crate) use words::words;
